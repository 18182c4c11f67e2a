//===- CpuFeaturesTest.cpp - Does this CPU have what a module needs -------===//
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "core/CpuFeatures.h"
#include "Support.h"

using namespace moe::rt;
using namespace moe::rt::test;

/// A feature that this machine lacks: no CPU has all of these.
static std::string missingFeature() {
  for (const char *name : {"fma4", "amx-fp8", "kl"})
    if (findCpuFeature(name) == FeatureState::Missing)
      return name;
  return "";
}

TEST(CpuFeatures, EmptyListIsMet) {
  moe_error error;
  EXPECT_EQ(checkCpuFeatures("", "x", &error), MOE_OK);
  EXPECT_EQ(checkCpuFeatures(nullptr, nullptr, &error), MOE_OK);
  EXPECT_EQ(checkCpuFeatures(",", "x", &error), MOE_OK);
}

TEST(CpuFeatures, UnknownFeatureIsRefused) {
  moe_error error;
  int32_t status = checkCpuFeatures("+warp-drive", "enterprise", &error);
  expectError(status, error, MOE_UNSUPPORTED, "[moe-cpu-feature-unknown]");
  EXPECT_NE(std::string(error.message).find("warp-drive"), std::string::npos);
}

#if defined(__x86_64__)

TEST(CpuFeatures, BaselineIsMet) {
  moe_error error;
  EXPECT_EQ(checkCpuFeatures("+64bit,+cx8,+cmov,+fxsr,+mmx,+sse,+sse2,+x87,"
                             "+nopl",
                             "x86-64", &error),
            MOE_OK)
      << error.message;
}

TEST(CpuFeatures, MissingFeatureIsNamed) {
  moe_error error;
  std::string name = missingFeature();
  ASSERT_NE(name, "");
  int32_t status =
      checkCpuFeatures(("+sse2,+" + name).c_str(), "bdver4", &error);
  expectError(status, error, MOE_UNSUPPORTED, "[moe-cpu-feature-missing]");
  EXPECT_NE(std::string(error.message).find(name), std::string::npos);
  EXPECT_NE(std::string(error.message).find("bdver4"), std::string::npos);
}

TEST(CpuFeatures, SwitchedOffFeaturesDoNotMatter) {
  moe_error error;
  std::string list = "-" + missingFeature() + ",-warp-drive,+sse2";
  EXPECT_EQ(checkCpuFeatures(list.c_str(), "x", &error), MOE_OK);
}

TEST(CpuFeatures, TuningDoesNotMatter) {
  moe_error error;
  EXPECT_EQ(checkCpuFeatures("+slow-shld,+fast-gather,+prefer-256-bit,"
                             "+64bit-mode,+false-deps-popcnt,+vzeroupper",
                             "x", &error),
            MOE_OK)
      << error.message;
}

TEST(CpuFeatures, AgreesWithTheCompilersOwnCheck) {
  auto expectSame = [](const char *name, bool has) {
    EXPECT_EQ(findCpuFeature(name) == FeatureState::Present, has) << name;
  };
  __builtin_cpu_init();
  expectSame("avx", __builtin_cpu_supports("avx"));
  expectSame("avx2", __builtin_cpu_supports("avx2"));
  expectSame("fma", __builtin_cpu_supports("fma"));
  expectSame("f16c", __builtin_cpu_supports("f16c"));
  expectSame("bmi2", __builtin_cpu_supports("bmi2"));
  expectSame("avx512f", __builtin_cpu_supports("avx512f"));
  expectSame("avx512vnni", __builtin_cpu_supports("avx512vnni"));
  expectSame("avx512bf16", __builtin_cpu_supports("avx512bf16"));
  expectSame("avx512fp16", __builtin_cpu_supports("avx512fp16"));
  expectSame("amx-tile", __builtin_cpu_supports("amx-tile"));
  expectSame("amx-bf16", __builtin_cpu_supports("amx-bf16"));
  expectSame("avxvnni", __builtin_cpu_supports("avxvnni"));
  expectSame("vaes", __builtin_cpu_supports("vaes"));
  expectSame("gfni", __builtin_cpu_supports("gfni"));
  expectSame("sse4.2", __builtin_cpu_supports("sse4.2"));
  expectSame("popcnt", __builtin_cpu_supports("popcnt"));
  expectSame("lzcnt", __builtin_cpu_supports("lzcnt"));
  expectSame("xop", __builtin_cpu_supports("xop"));
}

TEST(CpuFeatures, NewVectorsAreKnown) {
  EXPECT_NE(findCpuFeature("avx10.1"), FeatureState::Unknown);
  EXPECT_NE(findCpuFeature("avx10.2"), FeatureState::Unknown);
  EXPECT_NE(findCpuFeature("egpr"), FeatureState::Unknown);
}

#endif

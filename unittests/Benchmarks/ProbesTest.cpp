//===- ProbesTest.cpp - Teams and probes ----------------------------------===//
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "PeakProbe.h"
#include "ReadProbe.h"
#include "gtest/gtest.h"
#include <pthread.h>

using namespace moe::bench;

TEST(Team, RunsEveryIndexOnce) {
  auto team = Team::create(3);
  ASSERT_TRUE(bool(team));
  for (int repeat = 0; repeat < 100; ++repeat) {
    std::atomic<int> calls[3] = {};
    EXPECT_GE((*team)->run([&](int32_t i) { ++calls[i]; }), 0);
    for (const auto &count : calls)
      EXPECT_EQ(count, 1);
  }
}

#if !defined(__SANITIZE_ADDRESS__)
TEST(Team, RefusedThreadsAreAnError) {
  // No machine has room for stacks of this size.
  pthread_attr_t before, huge;
  ASSERT_EQ(pthread_getattr_default_np(&before), 0);
  ASSERT_EQ(pthread_attr_init(&huge), 0);
  ASSERT_EQ(pthread_attr_setstacksize(&huge, size_t(1) << 46), 0);
  ASSERT_EQ(pthread_setattr_default_np(&huge), 0);
  auto team = Team::create(2);
  pthread_setattr_default_np(&before);
  pthread_attr_destroy(&huge);
  pthread_attr_destroy(&before);
  ASSERT_FALSE(bool(team));
  EXPECT_NE(llvm::toString(team.takeError()).find("[moe-bench-threads]"),
            std::string::npos);
}
#endif

TEST(PeakProbe, EveryLoopOfThisProcessorRuns) {
  for (const PeakKernel &kernel : getPeakKernels())
    if (kernel.isSupported()) {
      kernel.run(1);
      kernel.run(1000);
      EXPECT_GT(kernel.operationsPerIteration, 0) << kernel.instruction;
    }
}

TEST(PeakProbe, EveryArithmeticHasALoop) {
  for (Arithmetic arithmetic :
       {Arithmetic::F32, Arithmetic::BF16, Arithmetic::Int8}) {
    const PeakKernel &kernel = findPeakKernel(arithmetic);
    EXPECT_TRUE(kernel.isSupported());
    EXPECT_TRUE(kernel.arithmetic == arithmetic ||
                kernel.arithmetic == Arithmetic::F32);
  }
}

TEST(PeakProbe, MeasuresARate) {
  auto team = Team::create(2);
  ASSERT_TRUE(bool(team));
  PeakProbe probe(**team, findPeakKernel(Arithmetic::F32));
  EXPECT_GT(probe.measure(), 0);
}

TEST(ReadProbe, ReadsMoreAndLessThanItsBuffer) {
  auto team = Team::create(2);
  ASSERT_TRUE(bool(team));
  for (int64_t buffer : {0, 1, 1000, 1 << 20}) {
    auto probe = ReadProbe::ofBuffer(**team, buffer);
    ASSERT_TRUE(bool(probe));
    for (int64_t bytes : {1, 63, 4096, 3 << 20})
      EXPECT_GT(probe->measure(bytes), 0);
  }
}

TEST(ReadProbe, ReadsTheMemoryOfOthers) {
  auto team = Team::create(2);
  ASSERT_TRUE(bool(team));
  auto large = Pages::allocate(1 << 20), small = Pages::allocate(1 << 12);
  ASSERT_TRUE(large && small);
  for (size_t size : {0, 1, 63, 64, 65, 192, 4096}) {
    ReadProbe probe = ReadProbe::ofMemory(
        **team, {Span(large->data(), 1 << 20), Span(small->data(), size)});
    for (int64_t bytes : {1, 4096, 3 << 20})
      EXPECT_GT(probe.measure(bytes), 0) << size;
  }
}

TEST(Pages, AreZeroAndRefuseWhatDoesNotFit) {
  auto pages = Pages::allocate(100);
  ASSERT_TRUE(bool(pages));
  EXPECT_EQ(pages->f32()[24], 0);
  auto tooMany = Pages::allocate(int64_t(1) << 60);
  ASSERT_FALSE(bool(tooMany));
  EXPECT_NE(llvm::toString(tooMany.takeError()).find("[moe-bench-allocate]"),
            std::string::npos);
}

TEST(Pages, SomeMemoryIsAvailable) { EXPECT_GT(getAvailableMemory(), 0); }

//===- ReportTest.cpp - Exact parameter counts ----------------------------===//
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "TestInputs.h"

#include "MoE/Import/Report.h"

using namespace mlir::moe::hf;
using namespace moe_test;
using nlohmann::json;

static ParameterReport count(const json &json) {
  ImportResult<ModelConfig> config = parse(json);
  EXPECT_TRUE(config) << config.message();
  ImportResult<WeightMap> map = buildWeightMap(*config);
  EXPECT_TRUE(map) << map.message();
  ImportResult<ParameterReport> report = countParameters(*config, *map);
  EXPECT_TRUE(report) << report.message();
  return *report;
}

TEST(Report, PublishedCounts) {
  struct Expected {
    const char *name;
    int64_t total, active, activeWithoutInputEmbedding;
  };
  const Expected models[] = {
      {"mixtral-8x7b", 46702792704, 12879925248, 12748853248},
      {"deepseek-moe-16b", 16375728128, 2828650496, 2618935296},
      {"qwen1.5-moe-a2.7b", 14315784192, 2689173504, 2378008576},
      {"qwen3-30b-a3b", 30532122624, 3353032704, 3041867776},
      {"olmoe-1b-7b", 6919161856, 1282017280, 1178994688},
      {"granite-3.0-1b-a400m", 1334628352, 428658688, 428658688},
  };
  for (const Expected &expected : models) {
    SCOPED_TRACE(expected.name);
    ParameterReport report = count(readConfig(expected.name));
    EXPECT_EQ(report.total, expected.total);
    EXPECT_EQ(report.active, expected.active);
    EXPECT_EQ(report.activeWithoutInputEmbedding,
              expected.activeWithoutInputEmbedding);
    EXPECT_EQ(report.bytes, 2 * expected.total);
  }
}

/// As if its experts were bf16: where they are codes is what a checkpoint says.
TEST(Report, PublishedCountsOfGptOss) {
  json config = readConfig("gpt-oss-20b");
  config.erase("quantization_config");
  ParameterReport report = count(config);
  EXPECT_EQ(report.total, 20914757184);
  EXPECT_EQ(report.active, 4187440704);
  EXPECT_EQ(report.activeWithoutInputEmbedding, 3608307264);
}

TEST(Report, ComponentsAddUp) {
  for (const char *name : publishedNames) {
    ParameterReport report = count(readConfig(name));
    int64_t total = 0, active = 0;
    for (const ComponentCount &component : report.components) {
      total += component.total;
      active += component.active;
    }
    EXPECT_EQ(total, report.total);
    EXPECT_EQ(active, report.active);
  }
}

TEST(Report, BytesFollowTheTypesInTheFile) {
  ImportResult<ModelConfig> config = parse(tinyConfig("mixtral-8x7b"));
  ASSERT_TRUE(config) << config.message();
  ImportResult<WeightMap> published = buildWeightMap(*config);
  ASSERT_TRUE(published) << published.message();
  ImportResult<WeightMap> map =
      buildWeightMap(*config, listingOf(*published, "F32"));
  ASSERT_TRUE(map) << map.message();
  ImportResult<ParameterReport> report = countParameters(*config, *map);
  ASSERT_TRUE(report) << report.message();
  EXPECT_EQ(report->bytes, 4 * report->total);
}

TEST(Report, Json) {
  json report = json::parse(toJson(count(readConfig("deepseek-moe-16b"))));
  EXPECT_EQ(report["parameters"]["total"], 16375728128);
  EXPECT_EQ(report["parameters"]["active"], 2828650496);
  EXPECT_EQ(report["parameters"]["active_without_input_embedding"], 2618935296);
  EXPECT_EQ(report["layers"], 28);
  EXPECT_EQ(report["moe_layers"], 27);
  EXPECT_EQ(report["components"]["experts"]["total"], 27LL * 64 * 8650752);
  EXPECT_EQ(report["components"]["experts"]["active"], 27LL * 6 * 8650752);
}

TEST(Report, Text) {
  std::string text = toText(count(readConfig("mixtral-8x7b")));
  for (const char *part :
       {"46702792704", "12879925248", "12748853248", "experts", "32 layers"})
    EXPECT_NE(text.find(part), std::string::npos) << text;
}

TEST(Report, RefusesCountsBeyond63Bits) {
  json json = tinyConfig("mixtral-8x7b");
  json["num_hidden_layers"] = 1024;
  json["hidden_size"] = int64_t(1) << 20;
  json["intermediate_size"] = int64_t(1) << 22;
  json["num_local_experts"] = int64_t(1) << 16;
  ImportResult<ModelConfig> config = parse(json);
  ASSERT_TRUE(config) << config.message();
  ImportResult<WeightMap> map = buildWeightMap(*config);
  ASSERT_TRUE(map) << map.message();
  expectError(countParameters(*config, *map), "[moe-report-too-large]");
}

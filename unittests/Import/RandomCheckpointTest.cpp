//===- RandomCheckpointTest.cpp - Checkpoints with random weights ---------===//
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "TestInputs.h"

#include "MoE/Import/CheckpointPtr.h"
#include "MoE/Import/RandomCheckpoint.h"

#include <cmath>
#include <cstdio>
#include <cstring>
#include <set>

using namespace mlir::moe::hf;
using namespace moe_test;
using nlohmann::json;

namespace {

/// A checkpoint that is removed at the end of the test.
class RandomCheckpoint : public testing::Test {
protected:
  void TearDown() override { std::remove(path.c_str()); }

  ModelConfig configOf(const json &json) {
    ImportResult<ModelConfig> config = parse(json);
    EXPECT_TRUE(config) << config.message();
    return *config;
  }

  CheckpointPtr write(const ModelConfig &config, uint64_t seed) {
    ImportResult<int64_t> bytes = randomizeCheckpoint(config, seed, path);
    EXPECT_TRUE(bytes) << bytes.message();
    return openCheckpoint(path, /*headersOnly=*/false);
  }

  std::string path =
      testing::TempDir() + "/moe-random-" +
      testing::UnitTest::GetInstance()->current_test_info()->name() +
      ".safetensors";
};

float valueAt(const moe_file_tensor &tensor, size_t i) {
  if (tensor.dtype == MOE_F32)
    return static_cast<const float *>(tensor.data)[i];
  uint16_t bits = static_cast<const uint16_t *>(tensor.data)[i];
  if (tensor.dtype == MOE_BF16) {
    uint32_t wide = static_cast<uint32_t>(bits) << 16;
    float value;
    std::memcpy(&value, &wide, sizeof(value));
    return value;
  }
  int exponent = bits >> 10 & 31;
  float mantissa = static_cast<float>(bits & 1023) / 1024;
  float magnitude = exponent == 0 ? std::ldexp(mantissa, -14)
                                  : std::ldexp(1 + mantissa, exponent - 15);
  return bits & 0x8000 ? -magnitude : magnitude;
}

void expectStatistics(const moe_file_tensor *tensor, double mean,
                      double deviation) {
  ASSERT_TRUE(tensor);
  size_t count = tensor->bytes / moe_dtype_size(tensor->dtype);
  double sum = 0, squares = 0;
  for (size_t i = 0; i != count; ++i) {
    double offset = valueAt(*tensor, i) - mean;
    sum += offset;
    squares += offset * offset;
  }
  double tolerance = 5 * deviation / std::sqrt(static_cast<double>(count));
  EXPECT_NEAR(sum / static_cast<double>(count), 0, tolerance) << tensor->name;
  EXPECT_NEAR(std::sqrt(squares / static_cast<double>(count)), deviation,
              tolerance)
      << tensor->name;
}

} // namespace

TEST_F(RandomCheckpoint, EveryFamilyMatchesItsWeightMap) {
  for (const char *name : publishedNames) {
    SCOPED_TRACE(name);
    ModelConfig config = configOf(tinyConfig(name));
    CheckpointPtr checkpoint = write(config, /*seed=*/1);
    ASSERT_TRUE(checkpoint);
    ImportResult<WeightMap> map =
        buildWeightMap(config, listTensors(checkpoint.get()));
    EXPECT_TRUE(map) << map.message();
  }
}

TEST_F(RandomCheckpoint, ValuesHaveTheStatedDistribution) {
  for (const char *dtype : {"float32", "bfloat16", "float16"}) {
    SCOPED_TRACE(dtype);
    json json = tinyConfig("qwen1.5-moe-a2.7b");
    json["torch_dtype"] = dtype;
    json["vocab_size"] = 16384; // the embedding needs several pieces
    json["hidden_size"] = 64;
    CheckpointPtr checkpoint = write(configOf(json), /*seed=*/7);
    ASSERT_TRUE(checkpoint);
    expectStatistics(
        moe_checkpoint_find(checkpoint.get(), "model.embed_tokens.weight"), 0,
        0.125);
    expectStatistics(
        moe_checkpoint_find(checkpoint.get(),
                            "model.layers.0.mlp.experts.1.down_proj.weight"),
        0, 1 / std::sqrt(8.0));
    expectStatistics(moe_checkpoint_find(checkpoint.get(), "model.norm.weight"),
                     1, 0.05);
  }
}

TEST_F(RandomCheckpoint, ValuesDependOnSeedAndNameOnly) {
  ModelConfig config = configOf(tinyConfig("mixtral-8x7b"));
  auto values = [&](const ModelConfig &config, uint64_t seed) {
    CheckpointPtr checkpoint = write(config, seed);
    const moe_file_tensor *tensor =
        moe_checkpoint_find(checkpoint.get(), "lm_head.weight");
    return std::string(static_cast<const char *>(tensor->data), tensor->bytes);
  };
  std::string first = values(config, 1);
  EXPECT_EQ(first, values(config, 1));
  EXPECT_NE(first, values(config, 2));
  json fewer = tinyConfig("mixtral-8x7b");
  fewer["num_hidden_layers"] = 1;
  EXPECT_EQ(first, values(configOf(fewer), 1));
}

TEST_F(RandomCheckpoint, PiecesOfATensorDiffer) {
  json json = tinyConfig("mixtral-8x7b");
  json["vocab_size"] = 1 << 17;
  CheckpointPtr checkpoint = write(configOf(json), /*seed=*/1);
  const moe_file_tensor *tensor =
      moe_checkpoint_find(checkpoint.get(), "lm_head.weight");
  ASSERT_TRUE(tensor);
  std::set<std::string> parts;
  for (size_t i = 0; i != 64; ++i)
    parts.emplace(static_cast<const char *>(tensor->data) +
                      i * (tensor->bytes / 64),
                  tensor->bytes / 64);
  EXPECT_EQ(parts.size(), 64u);
}

TEST_F(RandomCheckpoint, ReportsProgress) {
  int64_t last = 0, total = 0;
  ImportResult<int64_t> bytes =
      randomizeCheckpoint(configOf(tinyConfig("olmoe-1b-7b")), /*seed=*/1, path,
                          [&](int64_t written, int64_t all) {
                            EXPECT_GT(written, last);
                            last = written;
                            total = all;
                          });
  ASSERT_TRUE(bytes) << bytes.message();
  EXPECT_EQ(last, *bytes);
  EXPECT_EQ(total, *bytes);
}

TEST_F(RandomCheckpoint, PassesOnTheWritersMessage) {
  ImportResult<int64_t> bytes =
      randomizeCheckpoint(configOf(tinyConfig("olmoe-1b-7b")), /*seed=*/1,
                          testing::TempDir() + "/no/such/folder/x.safetensors");
  ASSERT_FALSE(bytes);
  EXPECT_NE(bytes.message().find("[moe-"), std::string::npos);
  EXPECT_EQ(bytes.error().status, MOE_NOT_FOUND);
}

TEST_F(RandomCheckpoint, RefusesTooManyTensors) {
  json json = tinyConfig("mixtral-8x7b");
  json["num_hidden_layers"] = 1024;
  json["num_local_experts"] = 65536;
  expectError(randomizeCheckpoint(configOf(json), /*seed=*/1, path),
              "[moe-random-too-many-tensors]");
}

TEST_F(RandomCheckpoint, RefusesMoreBytesThanAFileCanHave) {
  json json = tinyConfig("mixtral-8x7b");
  json["num_hidden_layers"] = 1024;
  json["num_local_experts"] = 16;
  json["hidden_size"] = kMaxWidth;
  json["intermediate_size"] = kMaxWidth;
  // Were it not refused, it would still find no place to write to.
  std::string nowhere = testing::TempDir() + "/no/such/folder/x.safetensors";
  expectError(randomizeCheckpoint(configOf(json), /*seed=*/1, nowhere),
              "[moe-random-too-large]");
}

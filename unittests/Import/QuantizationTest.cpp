//===- QuantizationTest.cpp - Quantized checkpoints -----------------------===//
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

namespace {

using Shape = std::vector<int64_t>;

json gptq() {
  return {{"quant_method", "gptq"},
          {"bits", 4},
          {"group_size", 128},
          {"sym", true},
          {"desc_act", false}};
}

json awq() {
  return {{"quant_method", "awq"},
          {"bits", 4},
          {"group_size", 64},
          {"zero_point", true},
          {"version", "gemm"}};
}

json compressed(const char *format, int bits) {
  return {{"quant_method", "compressed-tensors"},
          {"format", format},
          {"ignore", {"lm_head"}},
          {"config_groups",
           {{"group_0",
             {{"targets", {"Linear"}},
              {"input_activations", nullptr},
              {"weights",
               {{"num_bits", bits},
                {"type", "int"},
                {"symmetric", true},
                {"strategy", "channel"},
                {"group_size", nullptr},
                {"dynamic", false}}}}}}}};
}

ImportResult<ModelConfig> parseQuantized(const json &quantization) {
  json config = tinyConfig("mixtral-8x7b");
  config["quantization_config"] = quantization;
  return parse(config);
}

QuantizationConfig quantizationOf(const json &quantization) {
  ImportResult<ModelConfig> config = parseQuantized(quantization);
  EXPECT_TRUE(config) << config.message();
  return config && config->quantization ? *config->quantization
                                        : QuantizationConfig();
}

//===----------------------------------------------------------------------===//
// quantization_config
//===----------------------------------------------------------------------===//

TEST(Quantization, Gptq) {
  QuantizationConfig found = quantizationOf(gptq());
  EXPECT_EQ(found.format, StoredFormat::Gptq);
  EXPECT_EQ(found.bits, 4);
  EXPECT_EQ(found.group, 128);
  EXPECT_FALSE(found.zeroPoints);
  EXPECT_EQ(found.zeroOffset, 1);
  json other = gptq();
  other["bits"] = 8;
  other["group_size"] = -1;
  other["sym"] = false;
  other["checkpoint_format"] = "gptq_v2";
  found = quantizationOf(other);
  EXPECT_EQ(found.bits, 8);
  EXPECT_EQ(found.group, 0);
  EXPECT_TRUE(found.zeroPoints);
  EXPECT_EQ(found.zeroOffset, 0);
}

TEST(Quantization, Awq) {
  QuantizationConfig found = quantizationOf(awq());
  EXPECT_EQ(found.format, StoredFormat::Awq);
  EXPECT_EQ(found.group, 64);
  EXPECT_TRUE(found.zeroPoints);
  EXPECT_EQ(found.zeroOffset, 0);
}

TEST(Quantization, CompressedTensors) {
  QuantizationConfig found = quantizationOf(compressed("pack-quantized", 4));
  EXPECT_EQ(found.format, StoredFormat::Packed);
  EXPECT_EQ(found.bits, 4);
  EXPECT_EQ(found.group, 0);
  EXPECT_FALSE(found.zeroPoints);
  json grouped = compressed("int-quantized", 8);
  json &weights = grouped["config_groups"]["group_0"]["weights"];
  weights["strategy"] = "group";
  weights["group_size"] = 32;
  weights["symmetric"] = false;
  found = quantizationOf(grouped);
  EXPECT_EQ(found.format, StoredFormat::Int8);
  EXPECT_EQ(found.bits, 8);
  EXPECT_EQ(found.group, 32);
  EXPECT_TRUE(found.zeroPoints);
}

TEST(Quantization, UnknownKeysAreListed) {
  json quantization = gptq();
  quantization["damp_percent"] = 0.1;
  quantization["flavour"] = "new";
  ImportResult<ModelConfig> config = parseQuantized(quantization);
  ASSERT_TRUE(config) << config.message();
  EXPECT_EQ(config->unknownKeys,
            std::vector<std::string>{"quantization_config.flavour"});
}

TEST(Quantization, Refusals) {
  struct Case {
    json quantization;
    const char *tag;
  };
  auto with = [](json object, const char *key, const json &value) {
    object[key] = value;
    return object;
  };
  auto without = [](json object, const char *key) {
    object.erase(key);
    return object;
  };
  auto inWeights = [](const char *key, const json &value) {
    json object = compressed("pack-quantized", 4);
    object["config_groups"]["group_0"]["weights"][key] = value;
    return object;
  };
  json twoGroups = compressed("pack-quantized", 4);
  twoGroups["config_groups"]["group_1"] = twoGroups["config_groups"]["group_0"];
  const Case cases[] = {
      {4, "[moe-config-quantized]"},
      {{{"quant_method", "fp8"}}, "[moe-config-quantized]"},
      {with(gptq(), "desc_act", true), "[moe-config-quantized]"},
      {with(gptq(), "bits", 3), "[moe-config-quantized]"},
      {with(gptq(), "group_size", 12), "[moe-config-quantized]"},
      {with(gptq(), "checkpoint_format", "marlin"), "[moe-config-quantized]"},
      {with(gptq(), "dynamic", {{"x", 1}}), "[moe-config-quantized]"},
      {with(gptq(), "group_size", 1 << 20), "[moe-config-quantization-range]"},
      {with(gptq(), "bits", "4"), "[moe-config-quantization-range]"},
      {with(gptq(), "sym", 1), "[moe-config-quantization-type]"},
      {without(gptq(), "group_size"), "[moe-config-quantization-missing]"},
      {with(awq(), "bits", 8), "[moe-config-quantized]"},
      {with(awq(), "version", "gemv"), "[moe-config-quantized]"},
      {with(awq(), "zero_point", false), "[moe-config-quantized]"},
      {compressed("float-quantized", 8), "[moe-config-quantized]"},
      {compressed("int-quantized", 4), "[moe-config-quantized]"},
      {inWeights("type", "float"), "[moe-config-quantized]"},
      {inWeights("strategy", "tensor"), "[moe-config-quantized]"},
      {inWeights("actorder", "group"), "[moe-config-quantized]"},
      {with(compressed("pack-quantized", 4), "config_groups", json::object()),
       "[moe-config-quantized]"},
      {with(compressed("pack-quantized", 4), "config_groups",
            {{"g", {{"weights", 3}}}}),
       "[moe-config-quantization-type]"},
      {twoGroups, "[moe-config-quantized]"},
  };
  for (const Case &refused : cases) {
    SCOPED_TRACE(refused.quantization.dump());
    expectError(parseQuantized(refused.quantization), refused.tag);
  }
}

//===----------------------------------------------------------------------===//
// Tensors
//===----------------------------------------------------------------------===//

/// A model with a listing in which the matrices of experts are codes.
struct Quantized {
  ModelConfig config;
  TensorListing listing;
};

/// The tensors of an expert's matrix `name` (of N x K) in the listing become
/// those that `parts` returns: suffix and tensor.
using Parts = std::function<TensorListing(int64_t rows, int64_t columns)>;

Quantized quantize(const json &quantization, const Parts &parts) {
  ImportResult<ModelConfig> floats = parse(tinyConfig("mixtral-8x7b"));
  ImportResult<ModelConfig> config = parseQuantized(quantization);
  EXPECT_TRUE(floats && config) << config.message();
  ImportResult<WeightMap> map = buildWeightMap(*floats);
  EXPECT_TRUE(map) << map.message();
  Quantized result = {*config, {}};
  for (const auto &[name, tensor] : listingOf(*map)) {
    if (name.find(".experts.") == std::string::npos) {
      result.listing[name] = tensor;
      continue;
    }
    std::string stem = name.substr(0, name.size() - std::strlen("weight"));
    for (const auto &[suffix, part] : parts(tensor.shape[0], tensor.shape[1]))
      result.listing[stem + suffix] = part;
  }
  return result;
}

Quantized quantizeByGptq() {
  return quantize(gptq(), [](int64_t rows, int64_t columns) -> TensorListing {
    return {{"qweight", {"I32", {columns / 8, rows}}},
            {"qzeros", {"I32", {1, rows / 8}}},
            {"scales", {"F16", {1, rows}}},
            {"g_idx", {"I32", {columns}}}};
  });
}

/// H = 16, F = 8, 4 experts.
TEST(Quantization, WeightsOfGptq) {
  Quantized model = quantizeByGptq();
  ImportResult<WeightMap> map = buildWeightMap(model.config, model.listing);
  ASSERT_TRUE(map) << map.message();
  ASSERT_TRUE(map->quantization);
  const Weight *up = map->find("layers.1.experts.up");
  ASSERT_TRUE(up && up->stored);
  EXPECT_TRUE(up->sources.empty());
  EXPECT_EQ(up->dtype, DType::F16);
  EXPECT_EQ(up->stored->codes.source.tensor,
            "model.layers.1.block_sparse_moe.experts.{e}.w3.qweight");
  EXPECT_EQ(up->stored->codes.source.fileShape, (Shape{2, 8}));
  EXPECT_EQ(up->stored->codes.source.permutation, (Shape{1, 0}));
  EXPECT_EQ(up->stored->codes.shape, (Shape{8, 2}));
  EXPECT_EQ(up->stored->scales.dtype, MOE_F16);
  ASSERT_TRUE(up->stored->zeros && up->stored->groups);
  EXPECT_EQ(up->stored->groups->source.fileShape, (Shape{16}));
  EXPECT_FALSE(map->find("layers.1.router")->stored);
  EXPECT_FALSE(map->find("layers.1.q")->stored);
  // Codes, scales, zeros and groups of 4 matrices of 8 x 16.
  EXPECT_EQ(numBytes(*up), 4 * (16 * 4 + 8 * 2 + 4 + 16 * 4));
}

TEST(Quantization, WeightsOfCompressedTensors) {
  Quantized model =
      quantize(compressed("pack-quantized", 4),
               [](int64_t rows, int64_t columns) -> TensorListing {
                 return {{"weight_packed", {"I32", {rows, columns / 8}}},
                         {"weight_scale", {"BF16", {rows, 1}}},
                         {"weight_shape", {"I64", {2}}}};
               });
  ImportResult<WeightMap> map = buildWeightMap(model.config, model.listing);
  ASSERT_TRUE(map) << map.message();
  const Weight *down = map->find("layers.0.experts.down");
  ASSERT_TRUE(down && down->stored);
  EXPECT_EQ(down->stored->scales.dtype, MOE_BF16);
  EXPECT_FALSE(down->stored->zeros || down->stored->groups);
  EXPECT_TRUE(down->stored->codes.source.permutation.empty());
}

TEST(Quantization, BlocksOfGptOss) {
  std::string directory = goldenPath("gpt-oss-mxfp4");
  ImportResult<ModelConfig> config = loadModelConfig(directory);
  ASSERT_TRUE(config) << config.message();
  TensorListing listing = openListing(directory + "/model.safetensors");
  ImportResult<WeightMap> map = buildWeightMap(*config, listing);
  ASSERT_TRUE(map) << map.message();
  const Weight *up = map->find("layers.1.experts.up");
  ASSERT_TRUE(up && up->stored);
  EXPECT_EQ(up->dtype, DType::BF16);
  const CodePart &codes = up->stored->codes, &scales = up->stored->scales;
  EXPECT_EQ(codes.source.fileShape, (Shape{8, 192, 2, 16}));
  EXPECT_EQ(codes.source.offsets, (Shape{0, 1, 0, 0}));
  EXPECT_EQ(codes.source.strides, (Shape{1, 2, 1, 1}));
  EXPECT_EQ(codes.shape, (Shape{8, 96, 2, 16}));
  EXPECT_EQ(scales.shape, (Shape{8, 96, 2}));
  EXPECT_EQ(scales.dtype, MOE_U8);
  EXPECT_EQ(numBytes(*up), 8 * 96 * (64 / 2 + 2));
  EXPECT_FALSE(map->find("layers.1.experts.up_bias")->stored);

  // Floats where the configuration says codes, in one layer of two.
  listing.erase("model.layers.1.mlp.experts.down_proj_blocks");
  listing.erase("model.layers.1.mlp.experts.down_proj_scales");
  listing["model.layers.1.mlp.experts.down_proj"] = {"BF16", {8, 96, 64}};
  expectError(buildWeightMap(*config, listing), "[moe-weights-mixed-dtype]");
}

TEST(Quantization, CodesOfInt8AreWeights) {
  Quantized model =
      quantize(compressed("int-quantized", 8),
               [](int64_t rows, int64_t columns) -> TensorListing {
                 return {{"weight", {"I8", {rows, columns}}},
                         {"weight_scale", {"F32", {rows, 1}}}};
               });
  ImportResult<WeightMap> map = buildWeightMap(model.config, model.listing);
  ASSERT_TRUE(map) << map.message();
  EXPECT_EQ(map->find("layers.0.experts.gate")->stored->codes.dtype, MOE_I8);
}

TEST(Quantization, RefusesTensorsThatDoNotFit) {
  const std::string stem = "model.layers.0.block_sparse_moe.experts.2.w1.";
  auto expectRefused = [](const Quantized &model, const char *tag) {
    expectError(buildWeightMap(model.config, model.listing), tag);
  };
  Quantized model = quantizeByGptq();
  model.listing[stem + "qweight"].shape = {2, 9};
  expectRefused(model, "[moe-weights-shape]");
  model = quantizeByGptq();
  model.listing[stem + "qweight"].dtype = "I64";
  expectRefused(model, "[moe-weights-dtype]");
  model = quantizeByGptq();
  model.listing[stem + "scales"].dtype = "I32";
  expectRefused(model, "[moe-weights-dtype]");
  model = quantizeByGptq();
  model.listing[stem + "scales"].dtype = "F32";
  expectRefused(model, "[moe-weights-mixed-dtype]");
  model = quantizeByGptq();
  model.listing.erase(stem + "qzeros");
  expectRefused(model, "[moe-weights-missing]");
  model = quantizeByGptq();
  model.listing[stem + "bias"] = {"F16", {8}};
  expectRefused(model, "[moe-weights-unexpected]");
}

/// Some layers with codes and some without have no function in common.
TEST(Quantization, RefusesCodesInSomeLayersOnly) {
  Quantized model = quantizeByGptq();
  TensorListing listing;
  for (const auto &[name, tensor] : model.listing)
    if (name.find("layers.1.block_sparse_moe.experts") == std::string::npos)
      listing[name] = tensor;
  for (const char *matrix : {"w1", "w2", "w3"})
    for (int e = 0; e < 4; ++e)
      listing["model.layers.1.block_sparse_moe.experts." + std::to_string(e) +
              "." + matrix + ".weight"] = {
          "F16", std::string(matrix) == "w2" ? Shape{16, 8} : Shape{8, 16}};
  expectError(buildWeightMap(model.config, listing),
              "[moe-weights-mixed-dtype]");
}

TEST(Quantization, RefusesACheckpointOfFloats) {
  ImportResult<ModelConfig> floats = parse(tinyConfig("mixtral-8x7b"));
  ImportResult<ModelConfig> config = parseQuantized(gptq());
  ImportResult<WeightMap> map = buildWeightMap(*floats);
  ASSERT_TRUE(config && map);
  expectError(buildWeightMap(*config, listingOf(*map)),
              "[moe-weights-quantized]");
  expectError(buildWeightMap(*config), "[moe-weights-quantized]");
}

} // namespace

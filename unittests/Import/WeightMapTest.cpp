//===- WeightMapTest.cpp - Weights and their sources ----------------------===//
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "TestInputs.h"

#include <set>

using namespace mlir::moe::hf;
using namespace moe_test;
using nlohmann::json;

namespace {

using Shape = std::vector<int64_t>;

struct Model {
  ModelConfig config;
  WeightMap map;
  TensorListing listing;
};

/// A small model and the listing of its published checkpoint.
Model tinyModel(const std::string &name) {
  ImportResult<ModelConfig> config = parse(tinyConfig(name));
  EXPECT_TRUE(config) << config.message();
  ImportResult<WeightMap> map = buildWeightMap(*config);
  EXPECT_TRUE(map) << map.message();
  return {*config, *map, listingOf(*map)};
}

/// The listing with experts fused as transformers 5 holds them in memory.
TensorListing fusedListing(const Model &model, const std::string &block) {
  TensorListing listing;
  for (const auto &[name, tensor] : model.listing)
    if (name.find(".mlp.experts.") == std::string::npos &&
        name.find("block_sparse_moe") == std::string::npos)
      listing[name] = tensor;
  for (size_t i = 0; i != model.config.layers.size(); ++i) {
    const LayerConfig &layer = model.config.layers[i];
    if (!layer.isMoE())
      continue;
    std::string prefix = "model.layers." + std::to_string(i) + "." + block;
    int64_t hidden = model.config.hiddenSize;
    listing[prefix + ".experts.gate_up_proj"] = {
        "BF16", {layer.numExperts, 2 * layer.expertWidth, hidden}};
    listing[prefix + ".experts.down_proj"] = {
        "BF16", {layer.numExperts, hidden, layer.expertWidth}};
    listing[prefix + (block == "mlp" ? ".gate.weight" : ".router.weight")] = {
        "BF16", {layer.numExperts, hidden}};
  }
  return listing;
}

} // namespace

//===----------------------------------------------------------------------===//
// Names, shapes, sources
//===----------------------------------------------------------------------===//

TEST(WeightMap, PerExpertTensors) {
  Model model = tinyModel("mixtral-8x7b");
  EXPECT_EQ(model.map.layout, "published");
  const Weight *up = model.map.find("layers.1.experts.up");
  ASSERT_TRUE(up);
  EXPECT_EQ(up->kind, WeightKind::Bank);
  EXPECT_EQ(up->shape, (Shape{4, 8, 16}));
  EXPECT_EQ(up->layer, 1);
  EXPECT_EQ(up->dtype, DType::BF16);
  ASSERT_EQ(up->sources.size(), 1u);
  EXPECT_TRUE(up->sources[0].perExpert);
  EXPECT_EQ(up->sources[0].tensor,
            "model.layers.1.block_sparse_moe.experts.{e}.w3.weight");
  EXPECT_EQ(up->sources[0].fileShape, (Shape{8, 16}));
  EXPECT_EQ(up->sources[0].offsets, (Shape{0, 0}));
  EXPECT_EQ(expertTensorName(up->sources[0], 3),
            "model.layers.1.block_sparse_moe.experts.3.w3.weight");
}

TEST(WeightMap, FusedTensorsAreWindows) {
  Model model = tinyModel("granite-3.0-1b-a400m");
  const Weight *gate = model.map.find("layers.0.experts.gate");
  const Weight *up = model.map.find("layers.0.experts.up");
  const Weight *down = model.map.find("layers.0.experts.down");
  ASSERT_TRUE(gate && up && down);
  EXPECT_EQ(gate->shape, (Shape{4, 8, 16}));
  EXPECT_EQ(gate->sources[0].tensor, up->sources[0].tensor);
  EXPECT_FALSE(gate->sources[0].perExpert);
  EXPECT_EQ(gate->sources[0].fileShape, (Shape{4, 16, 16}));
  EXPECT_EQ(gate->sources[0].offsets, (Shape{0, 0, 0}));
  EXPECT_EQ(up->sources[0].offsets, (Shape{0, 8, 0}));
  EXPECT_EQ(down->sources[0].fileShape, (Shape{4, 16, 8}));
  EXPECT_EQ(down->sources[0].offsets, (Shape{0, 0, 0}));
  EXPECT_FALSE(model.map.find("lm_head")) << "tied";
}

TEST(WeightMap, InterleavedRowsAreWindows) {
  json json = tinyConfig("gpt-oss-20b");
  json.erase("quantization_config");
  json.erase("experts_per_token");
  json["layer_types"] = {"sliding_attention", "full_attention"};
  ImportResult<ModelConfig> config = parse(json);
  ASSERT_TRUE(config) << config.message();
  ImportResult<WeightMap> map = buildWeightMap(*config);
  ASSERT_TRUE(map) << map.message();
  const Weight *up = map->find("layers.1.experts.up");
  ASSERT_TRUE(up);
  EXPECT_EQ(up->shape, (Shape{4, 8, 16}));
  EXPECT_EQ(up->sources[0].fileShape, (Shape{4, 16, 16}));
  EXPECT_EQ(up->sources[0].offsets, (Shape{0, 0, 1}));
  EXPECT_EQ(up->sources[0].strides, (Shape{1, 1, 2}));
  EXPECT_EQ(up->sources[0].permutation, (Shape{0, 2, 1}));
  const Weight *bias = map->find("layers.1.experts.gate_bias");
  ASSERT_TRUE(bias);
  EXPECT_EQ(bias->kind, WeightKind::Bank);
  EXPECT_EQ(bias->sources[0].fileShape, (Shape{4, 16}));
  EXPECT_EQ(bias->sources[0].offsets, (Shape{0, 0}));
  EXPECT_EQ(bias->sources[0].strides, (Shape{1, 2}));
  EXPECT_EQ(map->find("layers.0.sinks")->shape, (Shape{2}));
  EXPECT_EQ(map->find("layers.0.router_bias")->shape, (Shape{4}));
}

TEST(WeightMap, AttentionAndNorms) {
  Model model = tinyModel("qwen3-30b-a3b");
  EXPECT_EQ(model.map.find("layers.0.q")->shape, (Shape{12, 16}));
  EXPECT_EQ(model.map.find("layers.0.k")->shape, (Shape{6, 16}));
  EXPECT_EQ(model.map.find("layers.0.o")->shape, (Shape{16, 12}));
  EXPECT_EQ(model.map.find("layers.0.q_norm")->shape, (Shape{6}));
  EXPECT_EQ(model.map.find("layers.0.k_norm")->shape, (Shape{6}));
  EXPECT_EQ(tinyModel("olmoe-1b-7b").map.find("layers.0.q_norm")->shape,
            (Shape{16}));
  EXPECT_EQ(model.map.weights.front().name, "embed");
  EXPECT_EQ(model.map.weights.back().name, "lm_head");
}

TEST(WeightMap, SharedExperts) {
  Model gated = tinyModel("qwen1.5-moe-a2.7b");
  EXPECT_EQ(gated.map.find("layers.0.shared.scale")->shape, (Shape{1, 16}));
  EXPECT_EQ(gated.map.find("layers.0.q_bias")->shape, (Shape{16}));
  EXPECT_FALSE(gated.map.find("layers.0.o_bias"));
  Model plain = tinyModel("deepseek-moe-16b");
  EXPECT_EQ(plain.map.find("layers.0.gate")->shape, (Shape{8, 16}));
  EXPECT_EQ(plain.map.find("layers.1.shared.up")->shape, (Shape{16, 16}));
  EXPECT_FALSE(plain.map.find("layers.1.shared.scale"));
  EXPECT_FALSE(plain.map.find("layers.0.router"));
}

TEST(WeightMap, NamesAreUnique) {
  for (const char *name : publishedNames) {
    Model model = tinyModel(name);
    std::set<std::string> names;
    for (const Weight &weight : model.map.weights)
      EXPECT_TRUE(names.insert(weight.name).second) << weight.name;
  }
}

//===----------------------------------------------------------------------===//
// Checkpoints
//===----------------------------------------------------------------------===//

TEST(WeightMap, GoldensMatchTheirCheckpoints) {
  for (const char *name : goldenNames) {
    SCOPED_TRACE(name);
    ImportResult<ModelConfig> config = loadModelConfig(goldenPath(name));
    ASSERT_TRUE(config) << config.message();
    TensorListing listing =
        openListing(goldenPath(name) + "/model.safetensors");
    ImportResult<WeightMap> map = buildWeightMap(*config, listing);
    ASSERT_TRUE(map) << map.message();
    int64_t needed = 0, held = 0;
    for (const Weight &weight : map->weights) {
      needed += numElements(weight);
      EXPECT_EQ(weight.dtype, config->dtype);
    }
    for (const auto &[tensor, info] : listing) {
      int64_t elements = 1;
      for (int64_t extent : info.shape)
        elements *= extent;
      held += elements;
    }
    EXPECT_EQ(needed, held);
  }
}

TEST(WeightMap, PublishedLayoutOfEveryFamily) {
  for (const char *name : publishedNames) {
    Model model = tinyModel(name);
    ImportResult<WeightMap> map = buildWeightMap(model.config, model.listing);
    ASSERT_TRUE(map) << map.message();
    EXPECT_EQ(map->layout, "published");
  }
}

TEST(WeightMap, FusedLayoutOfEveryFamily) {
  for (const char *name : publishedNames) {
    SCOPED_TRACE(name);
    Model model = tinyModel(name);
    std::string block =
        model.config.modelType == "granitemoe" ? "block_sparse_moe" : "mlp";
    ImportResult<WeightMap> map =
        buildWeightMap(model.config, fusedListing(model, block));
    ASSERT_TRUE(map) << map.message();
    EXPECT_EQ(map->layout, "fused");
    const Weight *up = map->find("layers.1.experts.up");
    ASSERT_TRUE(up);
    EXPECT_EQ(up->shape, (Shape{4, 8, 16}));
    EXPECT_EQ(up->sources[0].offsets, (Shape{0, 8, 0}));
  }
}

TEST(WeightMap, ModelWithoutExpertLayers) {
  json json = tinyConfig("qwen3-30b-a3b");
  json["mlp_only_layers"] = {0, 1};
  ImportResult<ModelConfig> config = parse(json);
  ASSERT_TRUE(config) << config.message();
  ImportResult<WeightMap> map = buildWeightMap(*config);
  ASSERT_TRUE(map) << map.message();
  EXPECT_TRUE(buildWeightMap(*config, listingOf(*map)));
}

TEST(WeightMap, RolesMayHaveTheirOwnType) {
  Model model = tinyModel("mixtral-8x7b");
  for (auto &[name, tensor] : model.listing)
    if (name.find(".gate.weight") != std::string::npos)
      tensor.dtype = "F32";
  ImportResult<WeightMap> map = buildWeightMap(model.config, model.listing);
  ASSERT_TRUE(map) << map.message();
  EXPECT_EQ(map->find("layers.1.router")->dtype, DType::F32);
  EXPECT_EQ(map->find("layers.1.q")->dtype, DType::BF16);
}

TEST(WeightMap, RedundantTensorsAreIgnored) {
  Model model = tinyModel("granite-3.0-1b-a400m");
  model.listing["lm_head.weight"] = {"BF16", {32, 16}};
  model.listing["model.layers.0.self_attn.rotary_emb.inv_freq"] = {"F32", {4}};
  EXPECT_TRUE(buildWeightMap(model.config, model.listing));
}

//===----------------------------------------------------------------------===//
// What is refused: one test per tag
//===----------------------------------------------------------------------===//

TEST(WeightMap, RefusesMissingTensors) {
  Model model = tinyModel("mixtral-8x7b");
  const char *name = "model.layers.1.block_sparse_moe.experts.3.w2.weight";
  model.listing.erase(name);
  ImportResult<WeightMap> map = buildWeightMap(model.config, model.listing);
  expectError(map, "[moe-weights-missing]");
  EXPECT_EQ(map.error().status, MOE_NOT_FOUND);
  EXPECT_NE(map.message().find(name), std::string::npos);
}

TEST(WeightMap, RefusesUnexpectedTensors) {
  Model model = tinyModel("mixtral-8x7b");
  model.listing["model.layers.0.self_attn.q_proj.bias"] = {"BF16", {16}};
  ImportResult<WeightMap> map = buildWeightMap(model.config, model.listing);
  expectError(map, "[moe-weights-unexpected]");
  EXPECT_EQ(map.error().status, MOE_INVALID_DATA);
  EXPECT_NE(map.message().find("q_proj.bias"), std::string::npos);
}

TEST(WeightMap, RefusesAnOutputMatrixOfAnotherShapeInATiedModel) {
  Model model = tinyModel("granite-3.0-1b-a400m");
  model.listing["lm_head.weight"] = {"BF16", {33, 16}};
  expectError(buildWeightMap(model.config, model.listing),
              "[moe-weights-unexpected]");
}

TEST(WeightMap, RefusesOtherShapes) {
  Model model = tinyModel("mixtral-8x7b");
  model.listing["model.norm.weight"].shape = {17};
  expectError(buildWeightMap(model.config, model.listing),
              "[moe-weights-shape]");
  model.listing["model.norm.weight"].shape = {16, 1};
  expectError(buildWeightMap(model.config, model.listing),
              "[moe-weights-shape]");
}

TEST(WeightMap, RefusesOtherTypes) {
  Model model = tinyModel("mixtral-8x7b");
  model.listing["model.norm.weight"].dtype = "F8_E4M3";
  ImportResult<WeightMap> map = buildWeightMap(model.config, model.listing);
  expectError(map, "[moe-weights-dtype]");
  EXPECT_EQ(map.error().status, MOE_UNSUPPORTED);
}

TEST(WeightMap, RefusesMixedTypesInARole) {
  Model model = tinyModel("mixtral-8x7b");
  TensorListing listing = model.listing;
  listing["model.layers.0.block_sparse_moe.experts.2.w1.weight"].dtype = "F32";
  expectError(buildWeightMap(model.config, listing),
              "[moe-weights-mixed-dtype]");
  listing = model.listing;
  listing["model.layers.1.self_attn.q_proj.weight"].dtype = "F32";
  expectError(buildWeightMap(model.config, listing),
              "[moe-weights-mixed-dtype]");
}

TEST(WeightMap, RefusesUnknownLayouts) {
  Model model = tinyModel("mixtral-8x7b");
  ImportResult<WeightMap> map = buildWeightMap(model.config, TensorListing());
  expectError(map, "[moe-weights-layout]");
  EXPECT_EQ(map.error().status, MOE_UNSUPPORTED);
}

TEST(WeightMap, RefusesConfigurationsThatDidNotComeFromTheParser) {
  ModelConfig config;
  expectError(buildWeightMap(config), "[moe-weights-role]");
  // OLMoE's output bias is an option of the class; a shared expert is not.
  config = tinyModel("olmoe-1b-7b").config;
  config.layers[0].sharedWidth = 8;
  expectError(buildWeightMap(config), "[moe-weights-role]");
}

TEST(WeightMap, RefusesWeightsBeyond63Bits) {
  json json = tinyConfig("mixtral-8x7b");
  json["hidden_size"] = kMaxWidth;
  json["intermediate_size"] = kMaxWidth;
  json["num_local_experts"] = kMaxExperts;
  json["head_dim"] = 2;
  ImportResult<ModelConfig> config = parse(json);
  ASSERT_TRUE(config) << config.message();
  expectError(buildWeightMap(*config), "[moe-weights-too-large]");
}

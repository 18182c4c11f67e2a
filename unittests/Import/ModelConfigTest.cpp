//===- ModelConfigTest.cpp - Reading config.json --------------------------===//
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "TestInputs.h"

#include <cmath>
#include <cstdio>

using namespace mlir::moe::hf;
using namespace moe_test;
using nlohmann::json;

//===----------------------------------------------------------------------===//
// The six families
//===----------------------------------------------------------------------===//

static ModelConfig published(const std::string &name) {
  ImportResult<ModelConfig> config = loadModelConfig(configPath(name));
  EXPECT_TRUE(config) << config.message();
  return config ? *config : ModelConfig();
}

TEST(ModelConfig, Mixtral) {
  ModelConfig config = published("mixtral-8x7b");
  ASSERT_EQ(config.layers.size(), 32u);
  EXPECT_EQ(config.modelType, "mixtral");
  EXPECT_EQ(config.dtype, DType::BF16);
  EXPECT_EQ(config.headDim, 128);
  EXPECT_EQ(config.queryWidth(), 4096);
  EXPECT_EQ(config.kvWidth(), 1024);
  EXPECT_EQ(config.ropeTheta, 1e6);
  EXPECT_EQ(config.rmsNormEps, 1e-5);
  EXPECT_EQ(config.attentionScale, 1 / std::sqrt(128.0));
  EXPECT_EQ(config.bosTokenIds, std::vector<int64_t>{1});
  EXPECT_EQ(config.eosTokenIds, std::vector<int64_t>{2});
  EXPECT_TRUE(config.router.normalizeTopK);
  EXPECT_EQ(config.router.epsilon, 0);
  EXPECT_EQ(config.router.domain, ScoreDomain::All);
  EXPECT_FALSE(config.qkvBias);
  EXPECT_FALSE(config.outputBias);
  for (const LayerConfig &layer : config.layers) {
    EXPECT_EQ(layer.numExperts, 8);
    EXPECT_EQ(layer.topK, 2);
    EXPECT_EQ(layer.expertWidth, 14336);
    EXPECT_EQ(layer.sharedWidth, 0);
    EXPECT_FALSE(layer.slidingWindow);
  }
}

TEST(ModelConfig, Qwen2MoE) {
  ModelConfig config = published("qwen1.5-moe-a2.7b");
  ASSERT_EQ(config.layers.size(), 24u);
  EXPECT_TRUE(config.qkvBias) << "fixed by the class";
  EXPECT_FALSE(config.outputBias);
  EXPECT_FALSE(config.router.normalizeTopK);
  EXPECT_EQ(config.layers[0].sharedWidth, 5632);
  EXPECT_TRUE(config.layers[0].sharedGated);
  EXPECT_EQ(config.layers[0].expertWidth, 1408);
  EXPECT_FALSE(config.layers[23].slidingWindow);
}

TEST(ModelConfig, Qwen3MoE) {
  ModelConfig config = published("qwen3-30b-a3b");
  EXPECT_EQ(config.headDim, 128);
  EXPECT_EQ(config.queryWidth(), 4096);
  EXPECT_EQ(config.qkNorm, QkNorm::PerHead);
  EXPECT_TRUE(config.router.normalizeTopK);
  EXPECT_EQ(config.layers[0].numExperts, 128);
}

TEST(ModelConfig, Olmoe) {
  ModelConfig config = published("olmoe-1b-7b");
  EXPECT_EQ(config.qkNorm, QkNorm::Projection);
  EXPECT_FALSE(config.clipQkv);
  EXPECT_TRUE(config.bosTokenIds.empty());
  EXPECT_FALSE(config.router.normalizeTopK);
}

TEST(ModelConfig, Granite) {
  ModelConfig config = published("granite-3.0-1b-a400m");
  EXPECT_TRUE(config.tieWordEmbeddings);
  EXPECT_EQ(config.embeddingMultiplier, 12);
  EXPECT_EQ(config.residualMultiplier, 0.22);
  EXPECT_EQ(config.attentionScale, 0.015625);
  EXPECT_EQ(config.logitsDivisor, 6);
  EXPECT_EQ(config.router.domain, ScoreDomain::Selected);
}

TEST(ModelConfig, GptOss) {
  ModelConfig config = published("gpt-oss-20b");
  EXPECT_TRUE(config.unknownKeys.empty());
  EXPECT_EQ(config.dtype, DType::BF16) << "fixed by the class";
  EXPECT_TRUE(config.qkvBias && config.outputBias && config.attentionSinks);
  EXPECT_TRUE(config.router.bias && config.expertBiases);
  EXPECT_EQ(config.router.domain, ScoreDomain::Selected);
  ASSERT_TRUE(config.clampedGate);
  EXPECT_EQ(config.clampedGate->slope, 1.702);
  EXPECT_EQ(config.clampedGate->limit, 7);
  EXPECT_EQ(config.layers[0].slidingWindow, 128);
  EXPECT_FALSE(config.layers[1].slidingWindow);
  EXPECT_EQ(config.layers[0].topK, 4);
  ASSERT_TRUE(config.quantization);
  EXPECT_EQ(config.quantization->format, StoredFormat::Mxfp4);
  EXPECT_EQ(config.quantization->group, 32);
}

TEST(ModelConfig, DeepSeek) {
  ModelConfig config = published("deepseek-moe-16b");
  ASSERT_EQ(config.layers.size(), 28u);
  EXPECT_FALSE(config.layers[0].isMoE());
  EXPECT_EQ(config.layers[0].denseWidth, 10944);
  EXPECT_TRUE(config.layers[1].isMoE());
  EXPECT_EQ(config.layers[1].denseWidth, 0);
  EXPECT_EQ(config.layers[1].sharedWidth, 2816);
  EXPECT_FALSE(config.layers[1].sharedGated);
}

TEST(ModelConfig, PublishedFilesHaveNoUnknownKeys) {
  for (const char *name : publishedNames)
    EXPECT_TRUE(published(name).unknownKeys.empty()) << name;
}

TEST(ModelConfig, GoldensParseWithoutUnknownKeys) {
  for (const char *name : goldenNames) {
    ImportResult<ModelConfig> config = loadModelConfig(goldenPath(name));
    ASSERT_TRUE(config) << config.message();
    EXPECT_TRUE(config->unknownKeys.empty()) << name;
  }
}

TEST(ModelConfig, SupportedModelTypesAreSorted) {
  std::vector<std::string> expected = {"deepseek", "gpt_oss", "granitemoe",
                                       "mixtral",  "olmoe",   "qwen2_moe",
                                       "qwen3_moe"};
  EXPECT_EQ(supportedModelTypes(), expected);
}

//===----------------------------------------------------------------------===//
// Rules
//===----------------------------------------------------------------------===//

static ModelConfig parsed(const json &config) {
  ImportResult<ModelConfig> result = parse(config);
  EXPECT_TRUE(result) << result.message();
  return result ? *result : ModelConfig();
}

TEST(ModelConfig, AliasesOfOneValueMayAgree) {
  json config = readConfig("qwen3-30b-a3b");
  config["num_local_experts"] = config["num_experts"];
  EXPECT_EQ(parsed(config).layers[0].numExperts, 128);
  config.erase("num_experts");
  EXPECT_EQ(parsed(config).layers[0].numExperts, 128);
}

TEST(ModelConfig, RopeOfBothTransformersVersions) {
  json config = readConfig("mixtral-8x7b");
  config["rope_parameters"] = {{"rope_type", "default"}, {"rope_theta", 1e6}};
  EXPECT_EQ(parsed(config).ropeTheta, 1e6);
  config.erase("rope_theta");
  EXPECT_EQ(parsed(config).ropeTheta, 1e6);
  config["rope_parameters"]["partial_rotary_factor"] = 1.0;
  config["partial_rotary_factor"] = 1;
  config["rope_scaling"] = {{"type", "default"}};
  EXPECT_EQ(parsed(config).ropeTheta, 1e6);
  config["rope_parameters"]["factor"] = 2;
  EXPECT_EQ(parsed(config).unknownKeys,
            std::vector<std::string>{"rope_parameters.factor"});
}

/// Values of transformers 5.23.0.
TEST(ModelConfig, YarnStretchesSlowRotations) {
  json config = readConfig("gpt-oss-20b");
  auto expectFrequencies =
      [&](std::initializer_list<std::pair<size_t, double>> expected) {
        std::vector<double> found = rotaryFrequencies(parsed(config));
        ASSERT_EQ(found.size(), 32u);
        for (auto [pair, frequency] : expected)
          EXPECT_NEAR(found[pair], frequency, 1e-6 * frequency) << pair;
      };
  EXPECT_NEAR(parsed(config).yarn->attentionFactor, 1.3465735902799727, 1e-15);
  expectFrequencies({{0, 1.0},
                     {7, 0.07374456524848938},
                     {8, 0.05081327259540558},
                     {9, 0.031705696135759354},
                     {12, 0.006794959306716919},
                     {17, 0.00012931869423482567},
                     {18, 3.830881178146228e-05},
                     {31, 3.023511396804679e-07}});
  config["rope_scaling"].erase("truncate"); // the default is true
  expectFrequencies({{8, 0.05081327259540558},
                     {9, 0.031620752066373825},
                     {12, 0.007015713956207037},
                     {17, 0.0002279478358104825},
                     {18, 3.830881178146228e-05}});
  config["rope_scaling"]["attention_factor"] = 2;
  EXPECT_EQ(parsed(config).yarn->attentionFactor, 2);
  config["rope_scaling"].erase("attention_factor");
  config["rope_scaling"]["mscale"] = nullptr;
  config["rope_scaling"]["mscale_all_dim"] = 1;
  EXPECT_NEAR(parsed(config).yarn->attentionFactor, 1.3465735902799727, 1e-15);
  config["rope_scaling"]["mscale"] = 2;
  EXPECT_NEAR(parsed(config).yarn->attentionFactor,
              (0.2 * std::log(32) + 1) / (0.1 * std::log(32) + 1), 1e-15);
  config["rope_scaling"]["beta"] = 2;
  EXPECT_EQ(parsed(config).unknownKeys,
            std::vector<std::string>{"rope_scaling.beta"});
}

TEST(ModelConfig, NullMeansAsManyKvHeadsAsHeads) {
  json config = readConfig("olmoe-1b-7b");
  config["num_key_value_heads"] = nullptr;
  EXPECT_EQ(parsed(config).numKvHeads, 16);
}

TEST(ModelConfig, TokenIdsMayBeLists) {
  json config = readConfig("mixtral-8x7b");
  config["eos_token_id"] = {2, 5};
  config["bos_token_id"] = nullptr;
  EXPECT_EQ(parsed(config).eosTokenIds, (std::vector<int64_t>{2, 5}));
  EXPECT_TRUE(parsed(config).bosTokenIds.empty());
}

static std::vector<int64_t> endOfText(const std::string &text) {
  auto ids = parseEndOfText(text, "generation_config.json", /*vocabSize=*/10);
  EXPECT_TRUE(ids) << ids.message();
  return ids ? ids->value_or(std::vector<int64_t>{-1}) : std::vector<int64_t>();
}

TEST(GenerationConfig, SaysWhatEndsAText) {
  using Ids = std::vector<int64_t>;
  EXPECT_EQ(endOfText("{\"eos_token_id\": 2}"), Ids{2});
  EXPECT_EQ(endOfText("{\"eos_token_id\": [2, 9]}"), (Ids{2, 9}));
  EXPECT_EQ(endOfText("{\"eos_token_id\": []}"), Ids());
  EXPECT_EQ(endOfText("{\"eos_token_id\": null}"), Ids{-1});
  EXPECT_EQ(endOfText("{\"temperature\": 0.5}"), Ids{-1});
}

TEST(GenerationConfig, RefusesOtherContents) {
  auto expectRefused = [](const std::string &text, const char *tag) {
    expectError(parseEndOfText(text, "generation_config.json", 10), tag);
  };
  for (const char *value : {"10", "-1", "1.5", "\"2\"", "true", "[2, 10]",
                            "[[2]]", "{}", "18446744073709551615"})
    expectRefused("{\"eos_token_id\": " + std::string(value) + "}",
                  "[moe-config-generation-eos]");
  std::string many = "0";
  for (int64_t i = 0; i != kMaxTokenIds; ++i)
    many += ",0";
  expectRefused("{\"eos_token_id\": [" + many + "]}",
                "[moe-config-generation-eos]");
  expectRefused("[]", "[moe-config-json]");
  expectRefused("{\"a\": 1, \"a\": 1}", "[moe-config-duplicate-key]");
  expectRefused("{\"a\": " + std::string(1000, '['), "[moe-config-nesting]");
}

TEST(ModelConfig, UnknownKeysAreListed) {
  json config = readConfig("mixtral-8x7b");
  config["colour_of_the_router"] = "green";
  EXPECT_EQ(parsed(config).unknownKeys,
            std::vector<std::string>{"colour_of_the_router"});
}

TEST(ModelConfig, MixtralWindowHoldsInAllLayersUnlessZero) {
  json config = readConfig("mixtral-8x7b");
  config["sliding_window"] = 4096;
  for (const LayerConfig &layer : parsed(config).layers)
    EXPECT_EQ(layer.slidingWindow, 4096);
  config["sliding_window"] = 0;
  for (const LayerConfig &layer : parsed(config).layers)
    EXPECT_FALSE(layer.slidingWindow);
}

TEST(ModelConfig, Qwen2WindowFollowsLayerTypes) {
  json config = tinyConfig("qwen1.5-moe-a2.7b");
  config["use_sliding_window"] = true;
  config["layer_types"] = {"sliding_attention", "full_attention"};
  ModelConfig result = parsed(config);
  EXPECT_EQ(result.layers[0].slidingWindow, 32768);
  EXPECT_FALSE(result.layers[1].slidingWindow);
  EXPECT_FALSE(result.layers[0] == result.layers[1]);
}

TEST(ModelConfig, Qwen3WindowHoldsInAllLayers) {
  json config = tinyConfig("qwen3-30b-a3b");
  config["use_sliding_window"] = true;
  config["sliding_window"] = 64;
  config.erase("max_window_layers");
  for (const LayerConfig &layer : parsed(config).layers)
    EXPECT_EQ(layer.slidingWindow, 64);
}

TEST(ModelConfig, LayerPlacement) {
  json qwen = readConfig("qwen1.5-moe-a2.7b");
  qwen["decoder_sparse_step"] = 2;
  qwen["mlp_only_layers"] = {3};
  ModelConfig config = parsed(qwen);
  EXPECT_FALSE(config.layers[0].isMoE());
  EXPECT_TRUE(config.layers[1].isMoE());
  EXPECT_FALSE(config.layers[3].isMoE());
  EXPECT_TRUE(config.layers[5].isMoE());

  json deepSeek = readConfig("deepseek-moe-16b");
  deepSeek["first_k_dense_replace"] = 3;
  deepSeek["moe_layer_freq"] = 2;
  config = parsed(deepSeek);
  EXPECT_FALSE(config.layers[2].isMoE());
  EXPECT_FALSE(config.layers[3].isMoE());
  EXPECT_TRUE(config.layers[4].isMoE());
}

TEST(ModelConfig, DeepSeekNormalisesFromTwoExpertsOn) {
  json config = readConfig("deepseek-moe-16b");
  config["norm_topk_prob"] = true;
  EXPECT_TRUE(parsed(config).router.normalizeTopK);
  EXPECT_EQ(parsed(config).router.epsilon, 1e-20);
  config["num_experts_per_tok"] = 1;
  EXPECT_FALSE(parsed(config).router.normalizeTopK);
}

TEST(ModelConfig, NeutralValuesOfPinnedKeysAreAccepted) {
  json config = readConfig("deepseek-moe-16b");
  config["quantization_config"] = nullptr;
  config["routed_scaling_factor"] = 1.0;
  config["topk_method"] = "greedy";
  config["n_group"] = 1;
  EXPECT_TRUE(parsed(config).unknownKeys.empty());
}

//===----------------------------------------------------------------------===//
// What is refused: one test per tag
//===----------------------------------------------------------------------===//

namespace {

struct Refused {
  const char *config;
  std::function<void(json &)> edit;
  const char *tag;
};

/// Sets one key.
std::function<void(json &)> set(const char *key, json value) {
  return [=](json &config) { config[key] = value; };
}

} // namespace

TEST(ModelConfig, RefusesBadValues) {
  const Refused cases[] = {
      {"mixtral-8x7b", set("model_type", "gpt2"), "[moe-config-model-type]"},
      {"mixtral-8x7b", set("model_type", 7), "[moe-config-model-type]"},
      {"mixtral-8x7b", [](json &config) { config.erase("model_type"); },
       "[moe-config-model-type]"},
      {"mixtral-8x7b", [](json &config) { config.erase("hidden_size"); },
       "[moe-config-missing-key]"},
      {"mixtral-8x7b", [](json &config) { config.erase("rope_theta"); },
       "[moe-config-missing-key]"},
      {"qwen3-30b-a3b", [](json &config) { config.erase("norm_topk_prob"); },
       "[moe-config-missing-key]"},
      {"mixtral-8x7b", set("hidden_size", "4096"), "[moe-config-wrong-type]"},
      {"mixtral-8x7b", set("hidden_size", 4096.5), "[moe-config-wrong-type]"},
      {"mixtral-8x7b", set("hidden_size", nullptr), "[moe-config-wrong-type]"},
      {"mixtral-8x7b", set("rms_norm_eps", true), "[moe-config-wrong-type]"},
      {"mixtral-8x7b", set("tie_word_embeddings", 0),
       "[moe-config-wrong-type]"},
      {"mixtral-8x7b", set("hidden_act", 1), "[moe-config-wrong-type]"},
      {"mixtral-8x7b", set("architectures", "MixtralForCausalLM"),
       "[moe-config-wrong-type]"},
      {"mixtral-8x7b", set("rope_scaling", 2), "[moe-config-wrong-type]"},
      {"qwen3-30b-a3b", set("mlp_only_layers", 1), "[moe-config-wrong-type]"},
      {"mixtral-8x7b", set("hidden_size", -4), "[moe-config-out-of-range]"},
      {"mixtral-8x7b", set("vocab_size", 0), "[moe-config-out-of-range]"},
      {"mixtral-8x7b", set("num_hidden_layers", 0),
       "[moe-config-out-of-range]"},
      {"mixtral-8x7b", set("num_hidden_layers", kMaxLayers + 1),
       "[moe-config-out-of-range]"},
      {"mixtral-8x7b", set("intermediate_size", UINT64_MAX),
       "[moe-config-out-of-range]"},
      {"mixtral-8x7b", set("num_local_experts", 0),
       "[moe-config-out-of-range]"},
      {"mixtral-8x7b", set("rms_norm_eps", 0), "[moe-config-out-of-range]"},
      {"mixtral-8x7b", set("rope_theta", -1.0), "[moe-config-out-of-range]"},
      {"mixtral-8x7b", set("eos_token_id", 32000), "[moe-config-out-of-range]"},
      {"mixtral-8x7b", set("sliding_window", -1), "[moe-config-out-of-range]"},
      {"mixtral-8x7b",
       [](json &config) {
         config["num_attention_heads"] = kMaxHeads;
         config["head_dim"] = kMaxHeadDim;
       },
       "[moe-config-out-of-range]"},
      {"deepseek-moe-16b",
       [](json &config) {
         config["n_shared_experts"] = kMaxSharedExperts;
         config["moe_intermediate_size"] = kMaxWidth;
       },
       "[moe-config-out-of-range]"},
      {"qwen3-30b-a3b", set("decoder_sparse_step", 0),
       "[moe-config-out-of-range]"},
      {"qwen3-30b-a3b", set("mlp_only_layers", {48}),
       "[moe-config-out-of-range]"},
      {"qwen3-30b-a3b", set("num_local_experts", 64), "[moe-config-conflict]"},
      {"mixtral-8x7b", set("dtype", "float32"), "[moe-config-conflict]"},
      {"mixtral-8x7b",
       set("rope_parameters",
           {{"rope_type", "default"}, {"rope_theta", 10000.0}}),
       "[moe-config-conflict]"},
      {"mixtral-8x7b",
       set("rope_scaling", {{"rope_type", "default"}, {"type", "linear"}}),
       "[moe-config-conflict]"},
      {"mixtral-8x7b", set("num_key_value_heads", 5), "[moe-config-heads]"},
      {"mixtral-8x7b", set("hidden_size", 4100), "[moe-config-heads]"},
      {"mixtral-8x7b", set("head_dim", 127), "[moe-config-heads]"},
      {"mixtral-8x7b", set("num_experts_per_tok", 9), "[moe-config-experts]"},
      {"mixtral-8x7b",
       set("rope_scaling", {{"rope_type", "linear"}, {"factor", 4.0}}),
       "[moe-config-rope]"},
      {"mixtral-8x7b",
       set("rope_scaling", {{"rope_type", "yarn"}, {"factor", 4.0}}),
       "[moe-config-missing-key]"},
      {"gpt-oss-20b",
       [](json &config) { config["rope_scaling"]["truncate"] = 1; },
       "[moe-config-wrong-type]"},
      {"gpt-oss-20b",
       [](json &config) { config["rope_scaling"]["beta_fast"] = 0; },
       "[moe-config-out-of-range]"},
      {"gpt-oss-20b", set("rope_theta", 1), "[moe-config-out-of-range]"},
      {"gpt-oss-20b",
       set("rope_parameters",
           {{"rope_type", "default"}, {"rope_theta", 150000}}),
       "[moe-config-conflict]"},
      {"gpt-oss-20b", set("swiglu_limit", -7.0), "[moe-config-out-of-range]"},
      {"gpt-oss-20b", [](json &config) { config.erase("layer_types"); },
       "[moe-config-sliding-window]"},
      {"mixtral-8x7b", set("rope_scaling", {{"factor", 4.0}}),
       "[moe-config-rope]"},
      {"mixtral-8x7b", set("partial_rotary_factor", 0.5), "[moe-config-rope]"},
      {"mixtral-8x7b", set("hidden_act", "gelu"), "[moe-config-activation]"},
      {"mixtral-8x7b", set("torch_dtype", "float64"), "[moe-config-dtype]"},
      {"deepseek-moe-16b", set("scoring_func", "sigmoid"),
       "[moe-config-scoring]"},
      {"mixtral-8x7b", set("compression_config", json::object()),
       "[moe-config-unsupported]"},
      {"mixtral-8x7b", set("architectures", {"MixtralForTokenClassification"}),
       "[moe-config-architecture]"},
      {"deepseek-moe-16b", set("routed_scaling_factor", 16.0),
       "[moe-config-unsupported]"},
      {"mixtral-8x7b", set("per_layer_config", json::object()),
       "[moe-config-unsupported]"},
      {"qwen3-30b-a3b",
       set("layer_types", {"full_attention", "linear_attention"}),
       "[moe-config-unsupported]"},
      {"qwen1.5-moe-a2.7b", set("use_sliding_window", true),
       "[moe-config-sliding-window]"},
      {"qwen1.5-moe-a2.7b",
       set("layer_types", std::vector<std::string>(24, "sliding_attention")),
       "[moe-config-sliding-window]"},
      {"qwen1.5-moe-a2.7b", set("layer_types", {"full_attention"}),
       "[moe-config-list]"},
      {"qwen1.5-moe-a2.7b",
       set("layer_types", std::vector<std::string>(24, "linear_attention")),
       "[moe-config-list]"},
      {"mixtral-8x7b",
       set("eos_token_id", std::vector<int64_t>(kMaxTokenIds + 1, 2)),
       "[moe-config-list]"},
  };
  for (const Refused &refused : cases) {
    json config = readConfig(refused.config);
    refused.edit(config);
    SCOPED_TRACE(config.dump());
    expectError(parse(config), refused.tag);
  }
}

/// A model that is not supported is told from a file that is wrong.
TEST(ModelConfig, StatusOfRefusals) {
  auto statusOf = [](const char *key, const json &value) {
    json config = readConfig("qwen1.5-moe-a2.7b");
    config[key] = value;
    return parse(config).error().status;
  };
  EXPECT_EQ(statusOf("model_type", "gpt2"), MOE_UNSUPPORTED);
  EXPECT_EQ(statusOf("model_type", 7), MOE_INVALID_DATA);
  EXPECT_EQ(statusOf("quantization_config", json::object()), MOE_UNSUPPORTED);
  EXPECT_EQ(statusOf("architectures", {"Other"}), MOE_UNSUPPORTED);
  EXPECT_EQ(statusOf("hidden_act", "gelu"), MOE_UNSUPPORTED);
  EXPECT_EQ(statusOf("torch_dtype", "float8"), MOE_UNSUPPORTED);
  EXPECT_EQ(statusOf("rope_scaling", {{"type", "linear"}}), MOE_UNSUPPORTED);
  EXPECT_EQ(statusOf("partial_rotary_factor", 0.5), MOE_UNSUPPORTED);
  EXPECT_EQ(statusOf("use_sliding_window", true), MOE_UNSUPPORTED);
  EXPECT_EQ(
      statusOf("layer_types", std::vector<std::string>(24, "linear_attention")),
      MOE_UNSUPPORTED);
  EXPECT_EQ(statusOf("layer_types", {"full_attention"}), MOE_INVALID_DATA);
  EXPECT_EQ(statusOf("hidden_size", "4096"), MOE_INVALID_DATA);
  EXPECT_EQ(parseModelConfig("{", "config.json").error().status,
            MOE_INVALID_DATA);
}

TEST(ModelConfig, UnknownModelTypeListsTheSupportedOnes) {
  json config = readConfig("mixtral-8x7b");
  config["model_type"] = "gpt2";
  std::string message = parse(config).message();
  for (const std::string &type : supportedModelTypes())
    EXPECT_NE(message.find("'" + type + "'"), std::string::npos) << message;
}

TEST(ModelConfig, ConflictNamesBothKeys) {
  json config = readConfig("qwen3-30b-a3b");
  config["num_local_experts"] = 64;
  std::string message = parse(config).message();
  EXPECT_NE(message.find("'num_experts'"), std::string::npos) << message;
  EXPECT_NE(message.find("'num_local_experts'"), std::string::npos) << message;
}

TEST(ModelConfig, RefusesWhatIsNotJson) {
  for (const char *text :
       {"", "{", "{\"model_type\": \"mixtral\"", "[1, 2]", "7", "{} {}",
        "{\"a\": NaN}", "{\"a\": 1e999}", "{\"a\": \"\xff\"}"})
    expectError(parseModelConfig(text, "config.json"), "[moe-config-json]");
}

TEST(ModelConfig, RefusesWhatFollowsANulByte) {
  std::string text = readConfig("mixtral-8x7b").dump();
  ASSERT_TRUE(parseModelConfig(text, "config.json"));
  for (const std::string &tail : {std::string("\0", 1), std::string("\0{x", 3)})
    expectError(parseModelConfig(text + tail, "config.json"),
                "[moe-config-json]");
  std::string message =
      parseModelConfig(std::string("{\0}", 3), "config.json").message();
  EXPECT_NE(message.find("at byte 1, near '\\x00'"), std::string::npos)
      << message;
}

TEST(ModelConfig, RefusesEveryTruncation) {
  std::string text = readConfig("olmoe-1b-7b").dump();
  for (size_t size = 0; size != text.size(); ++size)
    expectError(parseModelConfig(text.substr(0, size), "config.json"),
                "[moe-config-json]");
}

TEST(ModelConfig, RefusesDuplicateKeys) {
  expectError(parseModelConfig("{\"a\": 1, \"a\": 1}", "config.json"),
              "[moe-config-duplicate-key]");
  expectError(parseModelConfig("{\"b\": {\"a\": 1, \"a\": 2}}", "config.json"),
              "[moe-config-duplicate-key]");
}

TEST(ModelConfig, RefusesDeepNesting) {
  std::string text = "{\"a\": " + std::string(1000000, '[');
  expectError(parseModelConfig(text, "config.json"), "[moe-config-nesting]");
}

TEST(ModelConfig, RefusesTooManyValues) {
  std::string text = "{\"a\": [0";
  for (int64_t i = 0; i != kMaxConfigValues; ++i)
    text += ",0";
  expectError(parseModelConfig(text + "]}", "config.json"),
              "[moe-config-too-many-values]");
}

TEST(ModelConfig, RefusesLargeFiles) {
  std::string path = testing::TempDir() + "/moe-large-config.json";
  std::ofstream(path) << "{\"a\": \""
                      << std::string(static_cast<size_t>(kMaxConfigBytes), 'x')
                      << "\"}";
  expectError(loadModelConfig(path), "[moe-config-too-large]");
  std::remove(path.c_str());
}

TEST(ModelConfig, RefusesUnreadableFiles) {
  expectError(loadModelConfig(configPath("no-such-model")),
              "[moe-config-unreadable]");
  expectError(loadModelConfig("/dev/null"), "[moe-config-unreadable]");
  EXPECT_EQ(loadModelConfig(configPath("no-such-model")).error().status,
            MOE_NOT_FOUND);
  EXPECT_EQ(loadModelConfig("/dev/null").error().status, MOE_INVALID_ARGUMENT);
}

TEST(ModelConfig, MessagesDoNotPassOnControlCharacters) {
  json config = readConfig("mixtral-8x7b");
  config["hidden_act"] = "\x1b[31m" + std::string(1000, 'x');
  std::string message = parse(config).message();
  EXPECT_EQ(message.find('\x1b'), std::string::npos);
  EXPECT_LT(message.size(), 400u);
}

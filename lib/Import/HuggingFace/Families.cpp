//===- Families.cpp - Model families as data ------------------------------===//
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Families.h"

using namespace mlir::moe::hf;

//===----------------------------------------------------------------------===//
// What all families share
//===----------------------------------------------------------------------===//

namespace {

/// The file must give the value.
constexpr const char *Required = nullptr;

// The values under "fixed" are the neutral ones of features that only some
// families have; those families override them.
constexpr KeyRule CommonKeys[] = {
    {Key::Architectures, {"architectures"}, "null"},
    {Key::DTypeName, {"dtype", "torch_dtype"}, Required},
    {Key::VocabSize, {"vocab_size"}, Required},
    {Key::HiddenSize, {"hidden_size"}, Required},
    {Key::NumLayers, {"num_hidden_layers"}, Required},
    {Key::MaxPositions, {"max_position_embeddings"}, Required},
    {Key::TieEmbeddings, {"tie_word_embeddings"}, Required},
    {Key::BosTokens, {"bos_token_id"}, "null"},
    {Key::EosTokens, {"eos_token_id"}, "null"},
    {Key::RmsNormEps, {"rms_norm_eps"}, Required},
    {Key::Activation, {"hidden_act"}, Required},
    {Key::NumHeads, {"num_attention_heads"}, Required},
    {Key::NumKvHeads, {"num_key_value_heads"}, Required},
    {Key::HeadDim, {"head_dim"}, "null"},
    {Key::RopeTheta, {"rope_theta"}, "null"},
    {Key::RopeScaling, {"rope_scaling"}, "null"},
    {Key::RopeParameters, {"rope_parameters"}, "null"},
    {Key::PartialRotary, {"partial_rotary_factor"}, "1"},
    {Key::TopK, {"num_experts_per_tok"}, Required},
    // Fixed.
    {Key::QkvBias, {}, "false"},
    {Key::OutputBias, {}, "false"},
    {Key::ClipQkv, {}, "null"},
    {Key::SlidingWindow, {}, "null"},
    {Key::UseSlidingWindow, {}, "true"},
    {Key::MaxWindowLayers, {}, "0"},
    {Key::LayerTypes, {}, "null"},
    {Key::EmbeddingMultiplier, {}, "1"},
    {Key::ResidualMultiplier, {}, "1"},
    {Key::AttentionMultiplier, {}, "null"},
    {Key::LogitsDivisor, {}, "1"},
    {Key::GateSlope, {}, "null"},
    {Key::GateLimit, {}, "null"},
    {Key::NumExperts, {}, "0"},
    {Key::NormTopK, {}, "false"},
    {Key::ScoringFunction, {}, "\"softmax\""},
    {Key::ExpertWidth, {}, "0"},
    {Key::SharedWidth, {}, "0"},
    {Key::SharedCount, {}, "0"},
    {Key::DenseWidth, {}, "0"},
    {Key::FirstMoELayer, {}, "0"},
    {Key::MoELayerPeriod, {}, "1"},
    {Key::SparseStep, {}, "1"},
    {Key::DenseLayers, {}, "[]"},
};

constexpr bool everyKeyHasACommonRule() {
  for (int key = 0; key != NumKeys; ++key) {
    bool found = false;
    for (const KeyRule &rule : CommonKeys)
      found |= rule.key == static_cast<Key>(key);
    if (!found)
      return false;
  }
  return true;
}
static_assert(everyKeyHasACommonRule(), "keyRule() relies on it");

constexpr TensorRule CommonTensors[] = {
    {Role::Embedding, "model.embed_tokens.weight"},
    {Role::FinalNorm, "model.norm.weight"},
    {Role::OutputMatrix, "lm_head.weight"},
    {Role::AttentionNorm, "model.layers.{layer}.input_layernorm.weight"},
    {Role::Query, "model.layers.{layer}.self_attn.q_proj.weight"},
    {Role::QueryBias, "model.layers.{layer}.self_attn.q_proj.bias"},
    {Role::Key, "model.layers.{layer}.self_attn.k_proj.weight"},
    {Role::KeyBias, "model.layers.{layer}.self_attn.k_proj.bias"},
    {Role::Value, "model.layers.{layer}.self_attn.v_proj.weight"},
    {Role::ValueBias, "model.layers.{layer}.self_attn.v_proj.bias"},
    {Role::QueryNorm, "model.layers.{layer}.self_attn.q_norm.weight"},
    {Role::KeyNorm, "model.layers.{layer}.self_attn.k_norm.weight"},
    {Role::AttentionOut, "model.layers.{layer}.self_attn.o_proj.weight"},
    {Role::AttentionOutBias, "model.layers.{layer}.self_attn.o_proj.bias"},
    {Role::FeedForwardNorm,
     "model.layers.{layer}.post_attention_layernorm.weight"},
    {Role::DenseGate, "model.layers.{layer}.mlp.gate_proj.weight"},
    {Role::DenseUp, "model.layers.{layer}.mlp.up_proj.weight"},
    {Role::DenseDown, "model.layers.{layer}.mlp.down_proj.weight"},
};

constexpr PinnedKey PinnedKeys[] = {
    {"add_cross_attention", {"false"}},
    {"compression_config", {"null"}},
    {"is_encoder_decoder", {"false"}},
    {"layer_types", {"\"full_attention\"", "null"}},
    {"mlp_bias", {"false"}},
    {"mlp_layer_types", {"null"}},
    {"n_group", {"null", "1"}},
    {"per_layer_config", {"null"}},
    {"routed_scaling_factor", {"null", "1"}},
    {"topk_group", {"null", "1"}},
    {"topk_method", {"null", "\"greedy\""}},
};

// Training, bookkeeping, generation, and switches between implementations of
// the same function.
constexpr const char *IgnoredKeys[] = {
    "_attn_implementation",
    "_attn_implementation_autoset",
    "_name_or_path",
    "attention_dropout",
    "auto_map",
    "aux_loss_alpha",
    "chunk_size_feed_forward",
    "embedding_dropout",
    "experts_implementation",
    "id2label",
    "initial_context_length",
    "initializer_range",
    "label2id",
    "model_type",
    "output_attentions",
    "output_hidden_states",
    "output_router_logits",
    "pad_token_id",
    "pretraining_tp",
    "problem_type",
    "return_dict",
    "router_aux_loss_coef",
    "router_jitter_noise",
    "router_z_loss_coef",
    "seq_aux",
    "transformers_version",
    "use_cache",
};

constexpr const char *IgnoredTensorSuffixes[] = {
    ".rotary_emb.inv_freq",
};

//===----------------------------------------------------------------------===//
// Layouts
//===----------------------------------------------------------------------===//

/// "mlp.experts.E.{gate,up,down}_proj": Qwen, OLMoE, DeepSeek.
constexpr TensorRule PerExpertProjections[] = {
    {Role::ExpertGate, "model.layers.{layer}.mlp.experts.{e}.gate_proj.weight"},
    {Role::ExpertUp, "model.layers.{layer}.mlp.experts.{e}.up_proj.weight"},
    {Role::ExpertDown, "model.layers.{layer}.mlp.experts.{e}.down_proj.weight"},
    {Role::Router, "model.layers.{layer}.mlp.gate.weight"},
};

/// How transformers 5 holds experts in memory, and what it writes when told not
/// to restore the published names.
constexpr TensorRule FusedProjections[] = {
    {Role::ExpertGate, "model.layers.{layer}.mlp.experts.gate_up_proj",
     Rows::FirstHalf},
    {Role::ExpertUp, "model.layers.{layer}.mlp.experts.gate_up_proj",
     Rows::SecondHalf},
    {Role::ExpertDown, "model.layers.{layer}.mlp.experts.down_proj"},
    {Role::Router, "model.layers.{layer}.mlp.gate.weight"},
};

constexpr Layout ProjectionLayouts[] = {
    {"published", PerExpertProjections},
    {"fused", FusedProjections},
};

//===----------------------------------------------------------------------===//
// DeepSeek-MoE (remote code of DeepSeek-MoE 16B)
//===----------------------------------------------------------------------===//

constexpr KeyRule DeepSeekKeys[] = {
    {Key::QkvBias, {"attention_bias"}, Required},
    {Key::OutputBias, {"attention_bias"}, Required},
    {Key::NumExperts, {"n_routed_experts"}, Required},
    {Key::NormTopK, {"norm_topk_prob"}, Required},
    {Key::ScoringFunction, {"scoring_func"}, Required},
    {Key::ExpertWidth, {"moe_intermediate_size"}, Required},
    {Key::SharedCount, {"n_shared_experts"}, Required},
    {Key::DenseWidth, {"intermediate_size"}, Required},
    {Key::FirstMoELayer, {"first_k_dense_replace"}, Required},
    {Key::MoELayerPeriod, {"moe_layer_freq"}, Required},
};

constexpr TensorRule DeepSeekTensors[] = {
    {Role::SharedGate,
     "model.layers.{layer}.mlp.shared_experts.gate_proj.weight"},
    {Role::SharedUp, "model.layers.{layer}.mlp.shared_experts.up_proj.weight"},
    {Role::SharedDown,
     "model.layers.{layer}.mlp.shared_experts.down_proj.weight"},
};

//===----------------------------------------------------------------------===//
// gpt-oss
//===----------------------------------------------------------------------===//

// Published files do not give the type: that of the tensors which are floats.
constexpr KeyRule GptOssKeys[] = {
    {Key::DTypeName, {"dtype", "torch_dtype"}, "\"bfloat16\""},
    {Key::QkvBias, {"attention_bias"}, Required},
    {Key::OutputBias, {"attention_bias"}, Required},
    {Key::SlidingWindow, {"sliding_window"}, Required},
    {Key::LayerTypes, {"layer_types"}, "null"},
    {Key::GateSlope, {"swiglu_alpha"}, "1.702"},
    {Key::GateLimit, {"swiglu_limit"}, "7.0"},
    {Key::NumExperts, {"num_local_experts", "num_experts"}, Required},
    {Key::TopK, {"num_experts_per_tok", "experts_per_token"}, Required},
    {Key::ExpertWidth, {"intermediate_size"}, Required},
};

constexpr TensorRule GptOssTensors[] = {
    {Role::AttentionSinks, "model.layers.{layer}.self_attn.sinks"},
    {Role::Router, "model.layers.{layer}.mlp.router.weight"},
    {Role::RouterBias, "model.layers.{layer}.mlp.router.bias"},
    {Role::ExpertGateBias, "model.layers.{layer}.mlp.experts.gate_up_proj_bias",
     Rows::Even},
    {Role::ExpertUpBias, "model.layers.{layer}.mlp.experts.gate_up_proj_bias",
     Rows::Odd},
    {Role::ExpertDownBias, "model.layers.{layer}.mlp.experts.down_proj_bias"},
};

/// Names of the floats; those of MXFP4 have the endings of its parts.
constexpr TensorRule GptOssPublished[] = {
    {Role::ExpertGate, "model.layers.{layer}.mlp.experts.gate_up_proj",
     Rows::Even, Orientation::InOut},
    {Role::ExpertUp, "model.layers.{layer}.mlp.experts.gate_up_proj", Rows::Odd,
     Orientation::InOut},
    {Role::ExpertDown, "model.layers.{layer}.mlp.experts.down_proj", Rows::All,
     Orientation::InOut},
};

constexpr Layout GptOssLayouts[] = {
    {"published", GptOssPublished},
};

//===----------------------------------------------------------------------===//
// Granite-MoE
//===----------------------------------------------------------------------===//

constexpr KeyRule GraniteKeys[] = {
    {Key::QkvBias, {"attention_bias"}, Required},
    {Key::OutputBias, {"attention_bias"}, Required},
    {Key::EmbeddingMultiplier, {"embedding_multiplier"}, Required},
    {Key::ResidualMultiplier, {"residual_multiplier"}, Required},
    {Key::AttentionMultiplier, {"attention_multiplier"}, Required},
    {Key::LogitsDivisor, {"logits_scaling"}, Required},
    {Key::NumExperts, {"num_local_experts"}, Required},
    {Key::ExpertWidth, {"intermediate_size"}, Required},
};

constexpr TensorRule GranitePublished[] = {
    {Role::ExpertGate,
     "model.layers.{layer}.block_sparse_moe.input_linear.weight",
     Rows::FirstHalf},
    {Role::ExpertUp,
     "model.layers.{layer}.block_sparse_moe.input_linear.weight",
     Rows::SecondHalf},
    {Role::ExpertDown,
     "model.layers.{layer}.block_sparse_moe.output_linear.weight"},
    {Role::Router, "model.layers.{layer}.block_sparse_moe.router.layer.weight"},
};

constexpr TensorRule GraniteFused[] = {
    {Role::ExpertGate,
     "model.layers.{layer}.block_sparse_moe.experts.gate_up_proj",
     Rows::FirstHalf},
    {Role::ExpertUp,
     "model.layers.{layer}.block_sparse_moe.experts.gate_up_proj",
     Rows::SecondHalf},
    {Role::ExpertDown,
     "model.layers.{layer}.block_sparse_moe.experts.down_proj"},
    {Role::Router, "model.layers.{layer}.block_sparse_moe.router.weight"},
};

constexpr Layout GraniteLayouts[] = {
    {"published", GranitePublished},
    {"fused", GraniteFused},
};

//===----------------------------------------------------------------------===//
// Mixtral
//===----------------------------------------------------------------------===//

constexpr KeyRule MixtralKeys[] = {
    {Key::SlidingWindow, {"sliding_window"}, Required},
    {Key::NumExperts, {"num_local_experts", "num_experts"}, Required},
    {Key::NormTopK, {}, "true"},
    {Key::ExpertWidth, {"intermediate_size"}, Required},
};

constexpr TensorRule MixtralPublished[] = {
    {Role::ExpertGate,
     "model.layers.{layer}.block_sparse_moe.experts.{e}.w1.weight"},
    {Role::ExpertUp,
     "model.layers.{layer}.block_sparse_moe.experts.{e}.w3.weight"},
    {Role::ExpertDown,
     "model.layers.{layer}.block_sparse_moe.experts.{e}.w2.weight"},
    {Role::Router, "model.layers.{layer}.block_sparse_moe.gate.weight"},
};

constexpr Layout MixtralLayouts[] = {
    {"published", MixtralPublished},
    {"fused", FusedProjections},
};

//===----------------------------------------------------------------------===//
// OLMoE
//===----------------------------------------------------------------------===//

constexpr KeyRule OlmoeKeys[] = {
    {Key::QkvBias, {"attention_bias"}, Required},
    {Key::OutputBias, {"attention_bias"}, Required},
    {Key::ClipQkv, {"clip_qkv"}, Required},
    {Key::NumExperts, {"num_experts", "num_local_experts"}, Required},
    {Key::NormTopK, {"norm_topk_prob"}, Required},
    {Key::ExpertWidth, {"intermediate_size"}, Required},
};

//===----------------------------------------------------------------------===//
// Qwen1.5-MoE and Qwen2-MoE
//===----------------------------------------------------------------------===//

// Published files give neither "qkv_bias" (the class had the biases built in
// before it had the key) nor "mlp_only_layers" (added later, empty).
constexpr KeyRule Qwen2MoeKeys[] = {
    {Key::QkvBias, {"qkv_bias"}, "true"},
    {Key::SlidingWindow, {"sliding_window"}, Required},
    {Key::UseSlidingWindow, {"use_sliding_window"}, Required},
    {Key::MaxWindowLayers, {"max_window_layers"}, "0"},
    {Key::LayerTypes, {"layer_types"}, "null"},
    {Key::NumExperts, {"num_experts"}, Required},
    {Key::NormTopK, {"norm_topk_prob"}, Required},
    {Key::ExpertWidth, {"moe_intermediate_size"}, Required},
    {Key::SharedWidth, {"shared_expert_intermediate_size"}, Required},
    {Key::DenseWidth, {"intermediate_size"}, Required},
    {Key::SparseStep, {"decoder_sparse_step"}, Required},
    {Key::DenseLayers, {"mlp_only_layers"}, "[]"},
};

constexpr TensorRule Qwen2MoeTensors[] = {
    {Role::SharedGate,
     "model.layers.{layer}.mlp.shared_expert.gate_proj.weight"},
    {Role::SharedUp, "model.layers.{layer}.mlp.shared_expert.up_proj.weight"},
    {Role::SharedDown,
     "model.layers.{layer}.mlp.shared_expert.down_proj.weight"},
    {Role::SharedScale, "model.layers.{layer}.mlp.shared_expert_gate.weight"},
};

//===----------------------------------------------------------------------===//
// Qwen3-MoE
//===----------------------------------------------------------------------===//

constexpr KeyRule Qwen3MoeKeys[] = {
    {Key::QkvBias, {"attention_bias"}, Required},
    {Key::OutputBias, {"attention_bias"}, Required},
    {Key::SlidingWindow, {"sliding_window"}, Required},
    {Key::UseSlidingWindow, {"use_sliding_window"}, Required},
    {Key::MaxWindowLayers, {"max_window_layers"}, "0"},
    {Key::NumExperts, {"num_experts", "num_local_experts"}, Required},
    {Key::NormTopK, {"norm_topk_prob"}, Required},
    {Key::ExpertWidth, {"moe_intermediate_size"}, Required},
    {Key::DenseWidth, {"intermediate_size"}, Required},
    {Key::SparseStep, {"decoder_sparse_step"}, Required},
    {Key::DenseLayers, {"mlp_only_layers"}, Required},
};

//===----------------------------------------------------------------------===//
// The table
//===----------------------------------------------------------------------===//

constexpr Family Families[] = {
    {/*modelType=*/"deepseek",
     /*architecture=*/"DeepseekForCausalLM",
     /*keys=*/DeepSeekKeys,
     /*qkNorm=*/QkNorm::None,
     /*scoreDomain=*/ScoreDomain::All,
     /*normalizeEpsilon=*/1e-20,
     /*normalizeMinTopK=*/2,
     /*sharedGated=*/false,
     /*windowNeedsLayerTypes=*/false,
     /*tensors=*/DeepSeekTensors,
     /*layouts=*/ProjectionLayouts},
    {/*modelType=*/"gpt_oss",
     /*architecture=*/"GptOssForCausalLM",
     /*keys=*/GptOssKeys,
     /*qkNorm=*/QkNorm::None,
     /*scoreDomain=*/ScoreDomain::Selected,
     /*normalizeEpsilon=*/0,
     /*normalizeMinTopK=*/1,
     /*sharedGated=*/false,
     /*windowNeedsLayerTypes=*/true,
     /*tensors=*/GptOssTensors,
     /*layouts=*/GptOssLayouts,
     /*attentionSinks=*/true,
     /*routerBias=*/true,
     /*expertBiases=*/true},
    {/*modelType=*/"granitemoe",
     /*architecture=*/"GraniteMoeForCausalLM",
     /*keys=*/GraniteKeys,
     /*qkNorm=*/QkNorm::None,
     /*scoreDomain=*/ScoreDomain::Selected,
     /*normalizeEpsilon=*/0,
     /*normalizeMinTopK=*/1,
     /*sharedGated=*/false,
     /*windowNeedsLayerTypes=*/false,
     /*tensors=*/{},
     /*layouts=*/GraniteLayouts},
    {/*modelType=*/"mixtral",
     /*architecture=*/"MixtralForCausalLM",
     /*keys=*/MixtralKeys,
     /*qkNorm=*/QkNorm::None,
     /*scoreDomain=*/ScoreDomain::All,
     /*normalizeEpsilon=*/0,
     /*normalizeMinTopK=*/1,
     /*sharedGated=*/false,
     /*windowNeedsLayerTypes=*/false,
     /*tensors=*/{},
     /*layouts=*/MixtralLayouts},
    {/*modelType=*/"olmoe",
     /*architecture=*/"OlmoeForCausalLM",
     /*keys=*/OlmoeKeys,
     /*qkNorm=*/QkNorm::Projection,
     /*scoreDomain=*/ScoreDomain::All,
     /*normalizeEpsilon=*/0,
     /*normalizeMinTopK=*/1,
     /*sharedGated=*/false,
     /*windowNeedsLayerTypes=*/false,
     /*tensors=*/{},
     /*layouts=*/ProjectionLayouts},
    {/*modelType=*/"qwen2_moe",
     /*architecture=*/"Qwen2MoeForCausalLM",
     /*keys=*/Qwen2MoeKeys,
     /*qkNorm=*/QkNorm::None,
     /*scoreDomain=*/ScoreDomain::All,
     /*normalizeEpsilon=*/0,
     /*normalizeMinTopK=*/1,
     /*sharedGated=*/true,
     /*windowNeedsLayerTypes=*/true,
     /*tensors=*/Qwen2MoeTensors,
     /*layouts=*/ProjectionLayouts},
    {/*modelType=*/"qwen3_moe",
     /*architecture=*/"Qwen3MoeForCausalLM",
     /*keys=*/Qwen3MoeKeys,
     /*qkNorm=*/QkNorm::PerHead,
     /*scoreDomain=*/ScoreDomain::All,
     /*normalizeEpsilon=*/0,
     /*normalizeMinTopK=*/1,
     /*sharedGated=*/false,
     /*windowNeedsLayerTypes=*/false,
     /*tensors=*/{},
     /*layouts=*/ProjectionLayouts},
};

const KeyRule *findKey(Table<KeyRule> rules, Key key) {
  for (const KeyRule &rule : rules)
    if (rule.key == key)
      return &rule;
  return nullptr;
}

const TensorRule *findRole(Table<TensorRule> rules, Role role) {
  for (const TensorRule &rule : rules)
    if (rule.role == role)
      return &rule;
  return nullptr;
}

} // namespace

//===----------------------------------------------------------------------===//
// Access
//===----------------------------------------------------------------------===//

Table<Family> mlir::moe::hf::families() { return Families; }
Table<PinnedKey> mlir::moe::hf::pinnedKeys() { return PinnedKeys; }
Table<const char *> mlir::moe::hf::ignoredKeys() { return IgnoredKeys; }
Table<const char *> mlir::moe::hf::ignoredTensorSuffixes() {
  return IgnoredTensorSuffixes;
}

const Family *mlir::moe::hf::findFamily(std::string_view modelType) {
  for (const Family &family : Families)
    if (modelType == family.modelType)
      return &family;
  return nullptr;
}

const KeyRule &mlir::moe::hf::keyRule(const Family &family, Key key) {
  if (const KeyRule *rule = findKey(family.keys, key))
    return *rule;
  return *findKey(CommonKeys, key);
}

const TensorRule *mlir::moe::hf::tensorRule(const Family &family,
                                            const Layout &layout, Role role) {
  for (Table<TensorRule> rules :
       {layout.tensors, family.tensors, Table<TensorRule>(CommonTensors)})
    if (const TensorRule *rule = findRole(rules, role))
      return rule;
  return nullptr;
}

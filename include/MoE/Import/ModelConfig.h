//===- ModelConfig.h - What a config.json says ------------------*- C++ -*-===//
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Reads the config.json of a Hugging Face directory into one description that
// is the same for every model family: names are normalised, rules such as
// "every second layer is a Mixture of Experts" are applied, every value is
// checked. Nothing here depends on MLIR.
//
// A value that the file does not give is never guessed: it is either fixed by
// the family's class (the family descriptions in lib/Import/HuggingFace say so)
// or the import fails.
//
//===----------------------------------------------------------------------===//

#ifndef MOE_IMPORT_MODELCONFIG_H
#define MOE_IMPORT_MODELCONFIG_H

#include "MoE/Import/ImportResult.h"
#include "MoE/Runtime/Abi.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace mlir::moe::hf {

//===----------------------------------------------------------------------===//
// Limits on what a file may ask for
//===----------------------------------------------------------------------===//

/// Bytes of a config.json.
inline constexpr int64_t kMaxConfigBytes = int64_t(16) << 20;
/// Values (scalars, lists, objects) in a config.json.
inline constexpr int64_t kMaxConfigValues = int64_t(1) << 20;

inline constexpr int64_t kMaxVocabSize = int64_t(1) << 24;
inline constexpr int64_t kMaxLayers = int64_t(1) << 10;
/// Of any matrix dimension: hidden size, feed-forward width, heads * head size.
inline constexpr int64_t kMaxWidth = int64_t(1) << 24;
inline constexpr int64_t kMaxHeads = int64_t(1) << 14;
inline constexpr int64_t kMaxHeadDim = int64_t(1) << 14;
inline constexpr int64_t kMaxExperts = int64_t(1) << 16;
inline constexpr int64_t kMaxSharedExperts = int64_t(1) << 10;
inline constexpr int64_t kMaxPositions = int64_t(1) << 30;
inline constexpr int64_t kMaxTokenIds = 1024;
/// Of RoPE bases, clipping bounds and the scalar multipliers.
inline constexpr double kMaxScalar = 1e12;

//===----------------------------------------------------------------------===//
// The description
//===----------------------------------------------------------------------===//

/// The types that are imported; values of moe_dtype.
enum class DType : int32_t { F32 = MOE_F32, BF16 = MOE_BF16, F16 = MOE_F16 };

/// All of them.
inline constexpr DType kImportedDTypes[] = {DType::F32, DType::BF16,
                                            DType::F16};

/// Bytes of one element.
int64_t dtypeBytes(DType dtype);
/// "f32", "bf16", "f16".
const char *dtypeName(DType dtype);

/// Where queries and keys are normalised (RMS norm) before the rotation.
enum class QkNorm {
  None,
  PerHead,   ///< each head by itself, weight of size headDim
  Projection ///< the whole projection, weight of size heads * headDim
};

/// Over which logits an expert's score is taken.
enum class ScoreDomain { All, Selected };

/// How router logits become weights. The score is always a softmax.
struct RouterConfig {
  bool bias = false; ///< of the linear layer
  ScoreDomain domain = ScoreDomain::All;
  /// Divide the weights of a token by (their sum + epsilon).
  bool normalizeTopK = false;
  double epsilon = 0;

  bool operator==(const RouterConfig &other) const {
    return bias == other.bias && domain == other.domain &&
           normalizeTopK == other.normalizeTopK && epsilon == other.epsilon;
  }
};

/// The gate of experts that clamps: of its outputs g and u,
/// h = (clamp(u, -limit, limit) + 1) * c * sigmoid(slope * c), c = min(g,
/// limit) (gpt-oss).
struct ClampedGate {
  double slope = 1;
  double limit = 0;
};

/// Rotary embedding for more positions than the model was trained with (YaRN,
/// Peng et al. 2023): fast rotations stay, slow ones are stretched by `factor`.
struct Yarn {
  double factor = 1;
  double originalPositions = 1;
  /// Rotations over the original positions from which on one is fast, and up to
  /// which it is slow.
  double betaFast = 32, betaSlow = 1;
  /// The bounds are moved to whole dimensions.
  bool truncate = true;
  double attentionFactor = 1; ///< of cosines and sines
};

/// What differs from layer to layer. Layers that compare equal share a
/// function.
struct LayerConfig {
  /// Position i attends to positions j with i - window < j <= i; absent: to all
  /// j <= i.
  std::optional<int64_t> slidingWindow;
  /// Width of the dense feed-forward; 0 in a Mixture-of-Experts layer.
  int64_t denseWidth = 0;

  int64_t numExperts = 0; ///< 0 in a dense layer
  int64_t topK = 0;
  int64_t expertWidth = 0;
  int64_t sharedWidth = 0; ///< of the shared expert; 0: there is none
  /// The shared expert is scaled by the sigmoid of one linear output per token.
  bool sharedGated = false;

  bool isMoE() const { return numExperts != 0; }

  bool operator==(const LayerConfig &other) const {
    return slidingWindow == other.slidingWindow &&
           denseWidth == other.denseWidth && numExperts == other.numExperts &&
           topK == other.topK && expertWidth == other.expertWidth &&
           sharedWidth == other.sharedWidth && sharedGated == other.sharedGated;
  }
};

/// How the files of a quantized checkpoint hold a matrix.
enum class StoredFormat {
  Gptq,   ///< qweight, qzeros, scales, g_idx
  Awq,    ///< qweight, qzeros, scales, in the order of its GEMM
  Packed, ///< weight_packed, weight_scale of compressed-tensors
  Int8,   ///< weight, weight_scale of compressed-tensors
  Mxfp4,  ///< _blocks, _scales: floats of 4 bits of all experts (gpt-oss)
};

/// Which matrices are quantized is what their tensors say.
struct QuantizationConfig {
  StoredFormat format = StoredFormat::Gptq;
  int64_t bits = 4;        ///< 4 or 8
  int64_t group = 0;       ///< columns that share a scale; 0: a whole row
  bool zeroPoints = false; ///< a zero for each scale, not half of all codes
  int64_t zeroOffset = 0;  ///< what is added to stored zeros
};

/// A decoder-only transformer with pre-norm layers (RMS norm), rotary
/// grouped-query attention and gated feed-forwards.
struct ModelConfig {
  std::string modelType; ///< as in the file, e.g. "mixtral"

  int64_t vocabSize = 0;
  int64_t hiddenSize = 0;
  int64_t numHeads = 0;
  int64_t numKvHeads = 0; ///< divides numHeads
  int64_t headDim = 0;    ///< even
  int64_t maxPositions = 0;

  double rmsNormEps = 0;
  double ropeTheta = 0;
  std::optional<Yarn> yarn;
  DType dtype = DType::F32;

  bool tieWordEmbeddings = false; ///< the output matrix is the embedding
  bool qkvBias = false;
  bool outputBias = false; ///< bias of the attention's output projection
  QkNorm qkNorm = QkNorm::None;
  /// Each head has a logit more, of nothing, in its softmax.
  bool attentionSinks = false;
  /// Queries, keys and values are clamped to [-clipQkv, clipQkv].
  std::optional<double> clipQkv;

  double embeddingMultiplier = 1; ///< of the looked-up embeddings
  double residualMultiplier = 1;  ///< of what a block adds to the residual
  double attentionScale = 1;      ///< of q.k before the softmax
  double logitsDivisor = 1;       ///< final logits are divided by it

  std::vector<int64_t> bosTokenIds; ///< none, one or several
  std::vector<int64_t> eosTokenIds;

  RouterConfig router;
  bool expertBiases = false;
  std::optional<ClampedGate> clampedGate; ///< absent: SiLU
  std::vector<LayerConfig> layers;

  /// Absent: all weights are floats.
  std::optional<QuantizationConfig> quantization;

  /// Keys of the file that no list of this importer knows, so that a user can
  /// be warned. They had no influence on this description.
  std::vector<std::string> unknownKeys;

  int64_t queryWidth() const { return numHeads * headDim; }
  int64_t kvWidth() const { return numKvHeads * headDim; }
};

/// Radians per position of the headDim / 2 pairs that rotate.
std::vector<double> rotaryFrequencies(const ModelConfig &config);

//===----------------------------------------------------------------------===//
// Reading
//===----------------------------------------------------------------------===//

/// Parses the text of a config.json. `origin` names it in messages.
ImportResult<ModelConfig> parseModelConfig(std::string_view json,
                                           std::string_view origin);

/// Reads `path`: a config.json, or a directory that holds one.
ImportResult<ModelConfig> loadModelConfig(const std::string &path);

/// Parses the text of a generation_config.json: the ids in it that end a text,
/// or nothing if it does not say. `origin` names it in messages.
ImportResult<std::optional<std::vector<int64_t>>>
parseEndOfText(std::string_view json, std::string_view origin,
               int64_t vocabSize);

/// The ids that end a text of the model in `directory`, whose config.json says
/// `config`: those of its generation_config.json, which has precedence, else
/// ModelConfig::eosTokenIds.
ImportResult<std::vector<int64_t>> loadEndOfText(const std::string &directory,
                                                 const ModelConfig &config);

/// The values of "model_type" that can be imported, sorted.
std::vector<std::string> supportedModelTypes();

} // namespace mlir::moe::hf

#endif // MOE_IMPORT_MODELCONFIG_H

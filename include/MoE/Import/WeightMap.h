//===- WeightMap.h - The weights of a model and their sources ---*- C++ -*-===//
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// From a ModelConfig to the list of all weights that the model needs: for each
// its name in the IR, type, shape, and where its elements lie in a checkpoint.
// Checkpoints of one model come in several layouts (one tensor per expert, or
// all experts fused in one tensor); a source says which window of which file
// tensor is meant, so nothing is ever copied to make layouts equal.
//
//===----------------------------------------------------------------------===//

#ifndef MOE_IMPORT_WEIGHTMAP_H
#define MOE_IMPORT_WEIGHTMAP_H

#include "MoE/Import/ModelConfig.h"

#include <map>

struct moe_checkpoint;

namespace mlir::moe::hf {

/// Tensors that a checkpoint may need. A hostile configuration could otherwise
/// ask for billions of names.
inline constexpr int64_t kMaxFileTensors = int64_t(1) << 20;

/// What a weight is for. Matrices have the layout [out, in].
enum class Role {
  Embedding,    ///< "embed" [V, H]
  FinalNorm,    ///< "norm" [H]
  OutputMatrix, ///< "lm_head" [V, H]; absent when tied to the embedding
  // In each layer; names have the prefix "layers.N.".
  AttentionNorm,    ///< "attn_norm" [H]
  Query,            ///< "q" [heads * headDim, H]
  QueryBias,        ///< "q_bias" [heads * headDim]
  Key,              ///< "k" [kvHeads * headDim, H]
  KeyBias,          ///< "k_bias" [kvHeads * headDim]
  Value,            ///< "v" [kvHeads * headDim, H]
  ValueBias,        ///< "v_bias" [kvHeads * headDim]
  QueryNorm,        ///< "q_norm" [headDim] or [heads * headDim], see QkNorm
  KeyNorm,          ///< "k_norm" [headDim] or [kvHeads * headDim]
  AttentionSinks,   ///< "sinks" [heads]
  AttentionOut,     ///< "o" [H, heads * headDim]
  AttentionOutBias, ///< "o_bias" [H]
  FeedForwardNorm,  ///< "ffn_norm" [H]
  // In dense layers.
  DenseGate, ///< "gate" [width, H]
  DenseUp,   ///< "up" [width, H]
  DenseDown, ///< "down" [H, width]
  // In Mixture-of-Experts layers.
  Router,         ///< "router" [E, H]
  RouterBias,     ///< "router_bias" [E]
  ExpertGate,     ///< "experts.gate", bank [E, F, H]
  ExpertGateBias, ///< "experts.gate_bias", bank [E, F]
  ExpertUp,       ///< "experts.up", bank [E, F, H]
  ExpertUpBias,   ///< "experts.up_bias", bank [E, F]
  ExpertDown,     ///< "experts.down", bank [E, H, F]
  ExpertDownBias, ///< "experts.down_bias", bank [E, H]
  SharedGate,     ///< "shared.gate" [width, H]
  SharedUp,       ///< "shared.up" [width, H]
  SharedDown,     ///< "shared.down" [H, width]
  SharedScale, ///< "shared.scale" [1, H]: its sigmoid scales the shared expert
};

/// A plain tensor, or a bank: one equally shaped matrix per expert.
enum class WeightKind { Plain, Bank };

/// A window of one file tensor, or of E equally shaped ones; see #moe.source.
/// Its extents are the shape of the weight (of one expert's part with
/// `perExpert`).
struct WeightSource {
  /// Name of the file tensor. With `perExpert` it contains "{e}", which stands
  /// for the decimal index of the expert.
  std::string tensor;
  bool perExpert = false;
  /// Exact shape of the file tensor.
  std::vector<int64_t> fileShape;
  /// First index of the window in each dimension of fileShape.
  std::vector<int64_t> offsets;
  /// From one index of the window to the next in each dimension of fileShape;
  /// empty: 1.
  std::vector<int64_t> strides;
  /// The dimension of fileShape that each one of the window is; empty: the
  /// same.
  std::vector<int64_t> permutation;
};

/// A file tensor, or one per expert, with a part of the codes of matrices.
struct CodePart {
  std::string suffix; ///< of its name in the IR, e.g. "codes"
  int32_t dtype = 0;  ///< moe_dtype
  WeightSource source;
  std::vector<int64_t> shape; ///< of the window
};

/// Where the codes of matrices lie; see #moe.encoded.
struct StoredCodes {
  CodePart codes, scales;
  std::optional<CodePart> zeros, groups;
  std::vector<int64_t> order; ///< of the codes in a word; empty: as they come
};

struct Weight {
  std::string name; ///< in the IR, e.g. "layers.3.experts.up"
  Role role = Role::Embedding;
  WeightKind kind = WeightKind::Plain;
  std::optional<int64_t> layer; ///< absent: not in a layer
  DType dtype = DType::F32;
  std::vector<int64_t> shape;        ///< of a bank: experts first
  std::vector<WeightSource> sources; ///< none with `stored`
  /// Absent: the elements are in the file as they are.
  std::optional<StoredCodes> stored;

  int64_t numExperts() const {
    return kind == WeightKind::Bank ? shape.front() : 0;
  }
};

struct WeightMap {
  std::string layout; ///< name of the checkpoint layout, e.g. "published"
  /// Of the weights that have codes.
  std::optional<QuantizationConfig> quantization;
  /// Embedding, layers in order, final norm, output matrix.
  std::vector<Weight> weights;

  /// The weight of that name, or null.
  const Weight *find(std::string_view name) const;
};

/// A tensor that a checkpoint holds.
struct FileTensor {
  std::string dtype; ///< as written in the file, e.g. "BF16"
  std::vector<int64_t> shape;
};

/// The tensors of a checkpoint by name.
using TensorListing = std::map<std::string, FileTensor, std::less<>>;

/// Names, types and shapes of an open checkpoint.
TensorListing listTensors(const moe_checkpoint *checkpoint);

/// Has a model whose configuration ties the output matrix to the embedding use
/// the matrix that its checkpoint stores all the same: the two need not be
/// equal, and the stored one is what the model was trained with. Returns a
/// notice of that; empty if there is nothing to say.
std::string adoptStoredHead(ModelConfig &config,
                            const TensorListing &checkpoint);

/// The weights of `config` in the published layout of its family, all of
/// config.dtype. Refused if it is quantized: only a checkpoint says which
/// weights are.
ImportResult<WeightMap> buildWeightMap(const ModelConfig &config);

/// The weights of `config` as they lie in a checkpoint: the layout is the one
/// found there, every needed tensor must be there with exactly the expected
/// shape and a supported type, and no other tensor may be (except those that
/// the family says are redundant). The type of a weight is the one in the file;
/// it must be the same for all weights of one role.
ImportResult<WeightMap> buildWeightMap(const ModelConfig &config,
                                       const TensorListing &checkpoint);

/// The number of elements of a weight.
int64_t numElements(const Weight &weight);

/// The bytes that a weight takes in a checkpoint; nothing beyond 2^63.
std::optional<int64_t> numBytes(const Weight &weight);

/// `source.tensor` of one expert: "{e}" replaced by its index.
std::string expertTensorName(const WeightSource &source, int64_t expert);

} // namespace mlir::moe::hf

#endif // MOE_IMPORT_WEIGHTMAP_H

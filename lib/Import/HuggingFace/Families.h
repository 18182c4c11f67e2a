//===- Families.h - Model families as data ----------------------*- C++ -*-===//
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// One description per model family. No code of the importer asks for a family
// by name: to support a further one, add a description to Families.cpp.
//
//===----------------------------------------------------------------------===//

#ifndef MOE_LIB_IMPORT_HUGGINGFACE_FAMILIES_H
#define MOE_LIB_IMPORT_HUGGINGFACE_FAMILIES_H

#include "MoE/Import/WeightMap.h"

#include <cstddef>

namespace mlir::moe::hf {

/// A view of a constant array.
template <typename T> class Table {
public:
  constexpr Table() = default;
  template <size_t N>
  constexpr Table(const T (&rows)[N]) : first(rows), count(N) {}

  constexpr const T *begin() const { return first; }
  constexpr const T *end() const { return first + count; }

private:
  const T *first = nullptr;
  size_t count = 0;
};

/// A normalised configuration key. What a value means does not depend on the
/// family, only under which names files give it.
enum class Key {
  Architectures,
  DTypeName,
  // Sizes.
  VocabSize,
  HiddenSize,
  NumLayers,
  MaxPositions,
  TieEmbeddings,
  BosTokens,
  EosTokens,
  RmsNormEps,
  Activation,
  // Attention.
  NumHeads,
  NumKvHeads, ///< null: as many as heads
  HeadDim,    ///< null: hidden size / heads
  QkvBias,
  OutputBias,
  ClipQkv,        ///< null: no clipping
  RopeTheta,      ///< null: given inside RopeParameters
  RopeScaling,    ///< null: none
  RopeParameters, ///< null: given by RopeTheta and RopeScaling
  PartialRotary,
  SlidingWindow,    ///< null, 0: none
  UseSlidingWindow, ///< false: SlidingWindow has no effect
  MaxWindowLayers,  ///< 0: the window is that of every layer
  LayerTypes,       ///< null: not given; "full_attention", "sliding_attention"
  // Scalar factors.
  EmbeddingMultiplier,
  ResidualMultiplier,
  AttentionMultiplier, ///< null: 1 / sqrt(head size)
  LogitsDivisor,
  // The gate of experts: null where it is a SiLU; see ClampedGate.
  GateSlope,
  GateLimit,
  // Experts.
  NumExperts,
  TopK,
  NormTopK,
  ScoringFunction,
  ExpertWidth,
  SharedWidth, ///< of the shared expert; 0: see SharedCount
  SharedCount, ///< width of the shared expert in multiples of ExpertWidth;
               ///< null: 0
  // Which layers have experts: layer i has when i >= FirstMoELayer, i is a
  // multiple of MoELayerPeriod, i + 1 is a multiple of SparseStep and i is not
  // in DenseLayers.
  DenseWidth,
  FirstMoELayer,
  MoELayerPeriod,
  SparseStep,
  DenseLayers, ///< null: none
};
inline constexpr int NumKeys = static_cast<int>(Key::DenseLayers) + 1;

/// Under which names a family's files give a value.
struct KeyRule {
  Key key;
  /// Accepted names (transformers 4 and 5), ended by null. None: no file of
  /// this family gives it, the class fixes the value `absent`.
  const char *names[3];
  /// JSON text of the value that holds when the file does not give one, as the
  /// class of the family fixes it. Null: the file must give it.
  const char *absent;
};

/// A key that the importer accepts with certain values only, because another
/// value would change the forward computation.
struct PinnedKey {
  const char *name;
  /// JSON texts of the accepted values, ended by null. A list is accepted when
  /// all its elements are.
  const char *accepted[4];
};

/// Which of the rows in the file a weight takes.
enum class Rows { All, FirstHalf, SecondHalf, Even, Odd };

/// How the matrices of a file tensor lie.
enum class Orientation {
  OutIn, ///< [out, in], as everywhere in the IR
  InOut
};

/// The name of the file tensor that holds a role's weight. "{layer}" and "{e}"
/// stand for the decimal indices of layer and expert. A bank whose pattern has
/// no "{e}" is one tensor with the experts as first dimension.
struct TensorRule {
  Role role;
  const char *pattern;
  Rows rows = Rows::All;
  Orientation orientation = Orientation::OutIn;
};

/// A way in which checkpoints store routers and experts.
struct Layout {
  const char *name;
  Table<TensorRule> tensors;
};

struct Family {
  const char *modelType;
  const char *architecture; ///< class of the causal language model
  /// Rules of this family. They come before those of all families.
  Table<KeyRule> keys;
  QkNorm qkNorm;
  ScoreDomain scoreDomain;
  /// Added to the sum of the top-k weights when they are normalised.
  double normalizeEpsilon;
  /// Normalisation takes place from this k on.
  int64_t normalizeMinTopK;
  bool sharedGated;
  /// Versions of the class disagree on which layers have a sliding window
  /// unless the file lists them.
  bool windowNeedsLayerTypes;
  /// Tensors in every layout. They come before those of all families.
  Table<TensorRule> tensors;
  /// The first one is the published one.
  Table<Layout> layouts;
  /// A head's softmax has one more term, which nothing is weighed by.
  bool attentionSinks = false;
  bool routerBias = false;
  bool expertBiases = false;
};

/// All families, sorted by model type.
Table<Family> families();
/// The family of that model type, or null.
const Family *findFamily(std::string_view modelType);

/// Accepted with certain values only, in every family that does not read them.
Table<PinnedKey> pinnedKeys();
/// Keys without influence on the forward computation.
Table<const char *> ignoredKeys();
/// Tensors without influence on the forward computation: a name is ignored when
/// it ends in one of these.
Table<const char *> ignoredTensorSuffixes();

/// The rule of a key in a family; every key has one.
const KeyRule &keyRule(const Family &family, Key key);
/// The rule of a role in a layout, or null when the family has no such weight.
const TensorRule *tensorRule(const Family &family, const Layout &layout,
                             Role role);

} // namespace mlir::moe::hf

#endif // MOE_LIB_IMPORT_HUGGINGFACE_FAMILIES_H

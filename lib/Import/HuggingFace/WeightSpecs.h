//===- WeightSpecs.h - Weights by role --------------------------*- C++ -*-===//
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Name, place and shape of each role. The same for all families.
//
//===----------------------------------------------------------------------===//

#ifndef MOE_LIB_IMPORT_HUGGINGFACE_WEIGHTSPECS_H
#define MOE_LIB_IMPORT_HUGGINGFACE_WEIGHTSPECS_H

#include "MoE/Import/WeightMap.h"

namespace mlir::moe::hf {

/// Part of a model in reports.
enum class Component {
  Embedding,
  OutputMatrix,
  Norms,
  Attention,
  Router,
  Experts,
  SharedExpert,
  DenseFeedForward,
};

/// Which models and layers have a weight. From Layer on: in layers.
enum class Where {
  Model,
  UntiedModel,
  Layer,
  LayerWithQkvBias,
  LayerWithOutputBias,
  LayerWithQkNorm,
  LayerWithSinks,
  DenseLayer,
  MoELayer,
  LayerWithRouterBias,
  LayerWithExpertBiases,
  LayerWithShared,
  LayerWithGatedShared,
};

/// A dimension of a weight.
enum class Dim {
  None, ///< the weight has fewer dimensions
  One,
  Vocab,
  Hidden,
  Heads,
  QueryWidth,
  KvWidth,
  QueryNormWidth,
  KeyNormWidth,
  DenseWidth,
  Experts,
  ExpertWidth,
  SharedWidth,
};

struct WeightSpec {
  Role role;
  const char *name; ///< in the IR; in layers without the prefix "layers.N."
  Component component;
  Where where;
  Dim dims[3];
};

const WeightSpec &weightSpec(Role role);

} // namespace mlir::moe::hf

#endif // MOE_LIB_IMPORT_HUGGINGFACE_WEIGHTSPECS_H

//===- LayerEmitter.h - One layer of a transformer -*- C++ -*-
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef MOE_LIB_IMPORT_HUGGINGFACE_LAYEREMITTER_H
#define MOE_LIB_IMPORT_HUGGINGFACE_LAYEREMITTER_H

#include "GraphEmitter.h"
#include "MoE/Import/HuggingFace.h"
#include <map>

namespace mlir::moe::hf {

/// Arguments of the function of a layer.
struct LayerArguments {
  Value x;         ///< T x H, updated in place
  Value past;      ///< positions in the caches
  Value cos, sin;  ///< S x headDim / 2, of the new positions
  Value keys;      ///< B x kv heads x context x headDim, updated in place
  Value values;    ///< likewise
  Value routerOut; ///< T x E, or null
  Value countsOut; ///< E, or null
  std::map<Role, Value> weights;
};

/// Emits the body of the function: attention, then experts or a dense
/// feed-forward. Returns what x, keys, values, routerOut and countsOut became.
LayerArguments emitLayer(GraphEmitter &g, const ModelConfig &model,
                         const LayerConfig &layer,
                         const LayerArguments &arguments);

/// The matrix of a weight, which is a bank of one if it has codes.
Value takeMatrix(GraphEmitter &g, Value weight);

} // namespace mlir::moe::hf

#endif // MOE_LIB_IMPORT_HUGGINGFACE_LAYEREMITTER_H

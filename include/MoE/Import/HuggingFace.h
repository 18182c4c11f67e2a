//===- HuggingFace.h - Model directories become modules -*- C++ -*-
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef MOE_IMPORT_HUGGINGFACE_H
#define MOE_IMPORT_HUGGINGFACE_H

#include "MoE/Import/ImportOptions.h"
#include "MoE/Import/ModelConfig.h"
#include "MoE/Import/WeightMap.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OwningOpRef.h"

namespace mlir::moe::hf {

/// Builds the graph of a model: `forward(input_ids, past, caches...) ->
/// (logits, caches...)`, or other results (ImportOptions), one private function
/// per distinct layer structure, and a `moe.weight` for each weight. The result
/// is verified.
OwningOpRef<ModuleOp> buildModelGraph(MLIRContext *context,
                                      const ModelConfig &config,
                                      const WeightMap &weights,
                                      const ImportOptions &options);

} // namespace mlir::moe::hf

#endif // MOE_IMPORT_HUGGINGFACE_H

//===- MoEToLoops.h - Routing ops on memrefs become loops -*- C++ -*-
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef MOE_LIB_CONVERSION_MOETOLOOPS_MOETOLOOPS_H
#define MOE_LIB_CONVERSION_MOETOLOOPS_MOETOLOOPS_H

#include "MoE/Transforms/Utils/RowLoop.h"

namespace mlir::moe {

/// The lowerings, one per op; `op` is in its form on memrefs.
void emitRouter(LoopEmitter &emit, RouterOp op);
void emitPlan(LoopEmitter &emit, PlanOp op);
void emitDispatch(LoopEmitter &emit, DispatchOp op);
void emitCombine(LoopEmitter &emit, CombineOp op);
void emitAuxLoss(LoopEmitter &emit, AuxLossOp op);
void emitQuantizeRows(LoopEmitter &emit, QuantizeRowsOp op);

/// The norm of `count` weights that `weight(i)` yields (0 for those left out),
/// with the eps of `attr`.
Value emitNorm(LoopEmitter &emit, NormalizeAttr attr, int64_t count,
               function_ref<Value(Value)> weight);

} // namespace mlir::moe

#endif // MOE_LIB_CONVERSION_MOETOLOOPS_MOETOLOOPS_H

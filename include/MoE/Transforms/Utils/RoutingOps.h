//===- RoutingOps.h - What all lowerings of routing ops do -*- C++ -*-
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef MOE_TRANSFORMS_UTILS_ROUTINGOPS_H
#define MOE_TRANSFORMS_UTILS_ROUTINGOPS_H

#include "MoE/Dialect/MoE/IR/MoE.h"
#include "mlir/Dialect/ControlFlow/IR/ControlFlowOps.h"

namespace mlir::moe {

/// Replaces each routing op (of any kind) below `root` by what
/// `lower` emits before it. Emits an error for those that are not ready: on
/// tensors, or with a rule instead of a capacity. What the verifier of a plan
/// cannot show because the number of tokens is dynamic becomes an assertion.
LogicalResult lowerRoutingOps(Operation *root,
                              function_ref<void(Operation *)> lower);

/// Whether `op` asserts, for a plan, that its slots can be counted: of all
/// calls, whether or not they get to the plan.
bool assertsSlots(cf::AssertOp op);

} // namespace mlir::moe

#endif // MOE_TRANSFORMS_UTILS_ROUTINGOPS_H

//===- Activations.h - In which type experts get their rows -*- C++ -*-
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef MOE_DIALECT_MOE_TRANSFORMS_ACTIVATIONS_H
#define MOE_DIALECT_MOE_TRANSFORMS_ACTIVATIONS_H

namespace mlir::moe {

/// The type of rows that experts multiply with bf16 weights: that of the graph,
/// or rounded to bf16 (moe-narrow-rows).
enum class Activations { F32, BF16 };

} // namespace mlir::moe

#endif // MOE_DIALECT_MOE_TRANSFORMS_ACTIVATIONS_H

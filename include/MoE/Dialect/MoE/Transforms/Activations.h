//===- Activations.h - In which type matmuls get their rows -*- C++ -*-
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef MOE_DIALECT_MOE_TRANSFORMS_ACTIVATIONS_H
#define MOE_DIALECT_MOE_TRANSFORMS_ACTIVATIONS_H

namespace mlir::moe {

/// The type of rows that meet bf16 weights in a matmul, of experts and of dense
/// layers: that of the graph, or rounded to bf16 (moe-narrow-rows).
enum class Activations { F32, BF16 };

} // namespace mlir::moe

#endif // MOE_DIALECT_MOE_TRANSFORMS_ACTIVATIONS_H

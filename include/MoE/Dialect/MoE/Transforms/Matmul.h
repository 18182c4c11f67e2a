//===- Matmul.h - Recognising matmuls with weights -*- C++ -*-
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef MOE_DIALECT_MOE_TRANSFORMS_MATMUL_H
#define MOE_DIALECT_MOE_TRANSFORMS_MATMUL_H

#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include <optional>

namespace mlir::moe {

/// Whether `op` computes init + the sum of products of its two inputs, and
/// nothing else: linalg::isaContractionOpInterface also accepts bodies that
/// apply other functions of one operand in between. A factor may be converted
/// to the type of the sum.
bool isPlainContraction(linalg::LinalgOp op);

/// A matmul of rows with a weight: init[m, n] + the sum over k of
/// rows[m, k] * weight, floats that add up in f32.
struct RowsTimesWeight {
  OpOperand *rows;   ///< M x K
  OpOperand *weight; ///< N x K, or K x N
  /// The weight is K x N, [in, out]; checkpoints store N x K, [out, in].
  bool isTransposed;
};

/// What `op` multiplies, if it is a matmul of rows with a weight.
std::optional<RowsTimesWeight> matchRowsTimesWeight(linalg::LinalgOp op);

/// The one form of such a matmul that kernels know: the weight is N x K and the
/// sum starts from zero.
bool isRowsTimesWeight(linalg::LinalgOp op);

/// init + rows times the transposed weight, in that form but for the init.
Value createRowsTimesWeight(OpBuilder &builder, Location loc, Value rows,
                            Value weight, Value init);

/// Whether `value` is zero in all its elements, as it comes from linalg.fill or
/// a constant.
bool isZeroFilled(Value value);

} // namespace mlir::moe

#endif // MOE_DIALECT_MOE_TRANSFORMS_MATMUL_H

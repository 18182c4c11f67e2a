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

namespace mlir::moe {

/// rows x weight^T: the first input is M x K, the second N x K, as checkpoints
/// store weights; the sum starts from zero.
bool isRowsTimesWeight(linalg::LinalgOp op);

} // namespace mlir::moe

#endif // MOE_DIALECT_MOE_TRANSFORMS_MATMUL_H

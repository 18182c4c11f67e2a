//===- Rowwise.h - Which ops of a body treat each row by itself -*- C++ -*-
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef MOE_DIALECT_MOE_TRANSFORMS_ROWWISE_H
#define MOE_DIALECT_MOE_TRANSFORMS_ROWWISE_H

#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

namespace mlir::moe {

/// Which values in the body of an expert are rows: tensors whose dimension 0 is
/// that of the first argument, each row computed from the same row of it alone.
class RowwiseAnalysis {
public:
  explicit RowwiseAnalysis(Region &body);

  /// A tensor of rows.
  bool areRows(Value value) const { return tensors.contains(value); }
  /// The number of rows.
  bool isCount(Value value) const { return counts.contains(value); }
  /// Neither rows nor computed from them.
  bool isIndependent(Value value) const {
    return !areRows(value) && !isCount(value) && !mixed.contains(value);
  }
  /// The first op that mixes rows, or the terminator if what it yields are
  /// none; null if rows may be processed in any grouping.
  Operation *getObstacle() const { return obstacle; }

private:
  bool add(Operation &op);
  bool takesRows(Operation &op) const;
  bool readsRowsFromBody(linalg::LinalgOp op) const;
  bool isEmptyOfRows(tensor::EmptyOp op) const;
  bool isRowCount(tensor::DimOp op) const;

  DenseSet<Value> tensors, counts;
  DenseSet<Value> mixed; ///< computed from rows, in another way
  Operation *obstacle = nullptr;
};

/// True if `body` computes each row of its result from the same row of its
/// first argument alone, so that its rows may be processed in any grouping. On
/// failure `reason`, if given, says which operation mixes rows.
bool isRowwise(Region &body, std::string *reason = nullptr);

} // namespace mlir::moe

#endif // MOE_DIALECT_MOE_TRANSFORMS_ROWWISE_H

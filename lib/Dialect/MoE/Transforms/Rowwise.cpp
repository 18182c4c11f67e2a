//===- Rowwise.cpp - Which expert bodies treat each row by itself
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "MoE/Dialect/MoE/Transforms/Passes.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "llvm/Support/raw_ostream.h"

using namespace mlir;
using namespace mlir::moe;

namespace {

/// Values of a body that stand for the rows of a tile: tensors whose dimension
/// 0 is the rows, and the number of rows itself.
struct RowValues {
  DenseSet<Value> tensors, counts;

  /// Whether `op`, or an op nested in it, takes one of them.
  bool areUsedBy(Operation &op) const {
    auto uses = [&](Operation *nested) {
      bool any = llvm::any_of(nested->getOperands(), [&](Value v) {
        return tensors.contains(v) || counts.contains(v);
      });
      return any ? WalkResult::interrupt() : WalkResult::advance();
    };
    return op.walk(uses).wasInterrupted();
  }
};

} // namespace

/// The loop of `op` that runs over dimension 0 of every operand that is rows;
/// none if there is no such parallel loop, or if a result is not rows.
static std::optional<unsigned> findRowLoop(linalg::LinalgOp op,
                                           const DenseSet<Value> &rows) {
  std::optional<unsigned> loop;
  for (OpOperand &operand : op->getOpOperands()) {
    if (!rows.contains(operand.get())) {
      if (op.isDpsInit(&operand))
        return std::nullopt;
      continue;
    }
    AffineMap map = op.getMatchingIndexingMap(&operand);
    if (map.getNumResults() == 0)
      return std::nullopt;
    auto dim = dyn_cast<AffineDimExpr>(map.getResult(0));
    if (!dim || (loop && *loop != dim.getPosition()))
      return std::nullopt;
    loop = dim.getPosition();
  }
  if (!loop ||
      op.getIteratorTypesArray()[*loop] != utils::IteratorType::parallel)
    return std::nullopt;
  // The row must not select anything else: a position in the row, or an element
  // of an operand that is shared by all rows.
  for (OpOperand &operand : op->getOpOperands()) {
    AffineMap map = op.getMatchingIndexingMap(&operand);
    bool isRows = rows.contains(operand.get());
    for (AffineExpr expr : map.getResults().drop_front(isRows ? 1 : 0))
      if (expr.isFunctionOfDim(*loop))
        return std::nullopt;
  }
  return loop;
}

/// What the body of `op` can tell rows apart by: its loop indices, or a value
/// such as the number of rows that it takes from outside.
static bool readsRowsFromBody(linalg::LinalgOp op, const RowValues &values) {
  auto reads = [&](Operation *nested) {
    bool any = nested != op.getOperation() &&
               (isa<linalg::IndexOp>(nested) || values.areUsedBy(*nested));
    return any ? WalkResult::interrupt() : WalkResult::advance();
  };
  return op->walk(reads).wasInterrupted();
}

/// An empty tensor of as many rows as `values` has. Their number must not
/// appear in any other dimension.
static bool isEmptyOfRows(tensor::EmptyOp op, const RowValues &values) {
  auto isCount = [&](Value size) { return values.counts.contains(size); };
  return op.getType().getRank() > 0 && op.getType().isDynamicDim(0) &&
         isCount(op.getDynamicSizes().front()) &&
         llvm::none_of(op.getDynamicSizes().drop_front(), isCount);
}

/// The number of rows: dimension 0 of a tensor of rows.
static bool isRowCount(tensor::DimOp op, const RowValues &values) {
  return values.tensors.contains(op.getSource()) &&
         op.getConstantIndex() == std::optional<int64_t>(0);
}

bool moe::isRowwise(Region &body, std::string *reason) {
  RowValues values = {{body.getArgument(0)}, {}};
  auto reject = [&](Operation &op) {
    if (reason)
      llvm::raw_string_ostream(*reason)
          << "'" << op.getName() << "' does not treat each row by itself";
    return false;
  };
  for (Operation &op : body.front().without_terminator()) {
    if (!values.areUsedBy(op)) {
      if (isMemoryEffectFree(&op))
        continue;
      return reject(op);
    }
    if (auto dim = dyn_cast<tensor::DimOp>(op);
        dim && isRowCount(dim, values)) {
      values.counts.insert(dim.getResult());
      continue;
    }
    if (auto empty = dyn_cast<tensor::EmptyOp>(op);
        empty && isEmptyOfRows(empty, values)) {
      values.tensors.insert(empty.getResult());
      continue;
    }
    auto linalgOp = dyn_cast<linalg::LinalgOp>(op);
    if (!linalgOp || !linalgOp.hasPureTensorSemantics() ||
        readsRowsFromBody(linalgOp, values) ||
        !findRowLoop(linalgOp, values.tensors))
      return reject(op);
    values.tensors.insert(op.result_begin(), op.result_end());
  }
  Operation *yield = body.front().getTerminator();
  if (!values.tensors.contains(yield->getOperand(0)))
    return reject(*yield);
  return true;
}

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

/// The loop of `op` that runs over the rows (dimension 0) of every operand in
/// `rows` and of every result; none if there is no such parallel loop.
static std::optional<unsigned> findRowLoop(linalg::LinalgOp op,
                                           const DenseSet<Value> &rows) {
  std::optional<unsigned> loop;
  for (OpOperand &operand : op->getOpOperands()) {
    AffineMap map = op.getMatchingIndexingMap(&operand);
    bool isRows = rows.contains(operand.get()) || op.isDpsInit(&operand);
    if (!isRows)
      continue;
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
    bool isRows = rows.contains(operand.get()) || op.isDpsInit(&operand);
    for (AffineExpr expr : map.getResults().drop_front(isRows ? 1 : 0))
      if (expr.isFunctionOfDim(*loop))
        return std::nullopt;
  }
  return loop;
}

/// What the body of `op` can tell rows apart by: its loop indices, or a value
/// such as the number of rows that it takes from outside.
static bool readsRowsFromBody(linalg::LinalgOp op,
                              const DenseSet<Value> &rows) {
  return op
      ->walk([&](Operation *nested) {
        bool takesRows = nested != op.getOperation() &&
                         llvm::any_of(nested->getOperands(), [&](Value v) {
                           return rows.contains(v);
                         });
        return isa<linalg::IndexOp>(nested) || takesRows
                   ? WalkResult::interrupt()
                   : WalkResult::advance();
      })
      .wasInterrupted();
}

bool moe::isRowwise(Region &body, std::string *reason) {
  DenseSet<Value> rows = {body.getArgument(0)};
  // Bodies of nested regions may take rows from outside.
  auto dependsOnRows = [&](Operation &op) {
    return op
        .walk([&](Operation *nested) {
          return llvm::any_of(nested->getOperands(),
                              [&](Value v) { return rows.contains(v); })
                     ? WalkResult::interrupt()
                     : WalkResult::advance();
        })
        .wasInterrupted();
  };
  auto reject = [&](Operation &op) {
    if (reason)
      llvm::raw_string_ostream(*reason)
          << "'" << op.getName() << "' does not treat each row by itself";
    return false;
  };
  for (Operation &op : body.front().without_terminator()) {
    // The number of rows may size a buffer, whose rows are then rows too.
    if (isa<tensor::DimOp>(op)) {
      rows.insert(op.getResult(0));
      continue;
    }
    if (auto empty = dyn_cast<tensor::EmptyOp>(op)) {
      bool leading = empty.getType().getRank() > 0 &&
                     empty.getType().isDynamicDim(0) && dependsOnRows(op);
      if (leading)
        rows.insert(empty.getResult());
      continue;
    }
    if (!dependsOnRows(op)) {
      if (isMemoryEffectFree(&op))
        continue;
      return reject(op);
    }
    auto linalgOp = dyn_cast<linalg::LinalgOp>(op);
    if (!linalgOp || !linalgOp.hasPureTensorSemantics() ||
        readsRowsFromBody(linalgOp, rows) || !findRowLoop(linalgOp, rows))
      return reject(op);
    rows.insert(op.result_begin(), op.result_end());
  }
  Operation *yield = body.front().getTerminator();
  if (!rows.contains(yield->getOperand(0)))
    return reject(*yield);
  return true;
}

//===- Rowwise.cpp - Which expert bodies treat each row by itself
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "MoE/Dialect/MoE/Transforms/Rowwise.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "llvm/Support/raw_ostream.h"

using namespace mlir;
using namespace mlir::moe;

/// Whether `op`, or an op nested in it, takes a value that `holds` holds for.
static bool takesAny(Operation &op, function_ref<bool(Value)> holds) {
  auto uses = [&](Operation *nested) {
    return llvm::any_of(nested->getOperands(), holds) ? WalkResult::interrupt()
                                                      : WalkResult::advance();
  };
  return op.walk(uses).wasInterrupted();
}

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
bool RowwiseAnalysis::readsRowsFromBody(linalg::LinalgOp op) const {
  auto reads = [&](Operation *nested) {
    bool any = nested != op.getOperation() &&
               (isa<linalg::IndexOp>(nested) || takesRows(*nested));
    return any ? WalkResult::interrupt() : WalkResult::advance();
  };
  return op->walk(reads).wasInterrupted();
}

/// An empty tensor of as many rows as there are. Their number must not appear
/// in any other dimension.
bool RowwiseAnalysis::isEmptyOfRows(tensor::EmptyOp op) const {
  auto isCount = [&](Value size) { return counts.contains(size); };
  return op.getType().getRank() > 0 && op.getType().isDynamicDim(0) &&
         isCount(op.getDynamicSizes().front()) &&
         llvm::none_of(op.getDynamicSizes().drop_front(), isCount);
}

/// The number of rows: dimension 0 of a tensor of rows.
bool RowwiseAnalysis::isRowCount(tensor::DimOp op) const {
  return tensors.contains(op.getSource()) &&
         op.getConstantIndex() == std::optional<int64_t>(0);
}

bool RowwiseAnalysis::takesRows(Operation &op) const {
  return takesAny(op, [&](Value v) {
    return tensors.contains(v) || counts.contains(v) || mixed.contains(v);
  });
}

RowwiseAnalysis::RowwiseAnalysis(Region &body) {
  tensors.insert(body.getArgument(0));
  for (Operation &op : body.front().without_terminator())
    if (!add(op)) {
      mixed.insert(op.result_begin(), op.result_end());
      if (!obstacle)
        obstacle = &op;
    }
  Operation *yield = body.front().getTerminator();
  if (!obstacle && !tensors.contains(yield->getOperand(0)))
    obstacle = yield;
}

/// False if `op` mixes rows, or something that it takes does.
bool RowwiseAnalysis::add(Operation &op) {
  if (takesAny(op, [&](Value v) { return mixed.contains(v); }))
    return false;
  if (!takesRows(op))
    return isMemoryEffectFree(&op);
  if (auto dim = dyn_cast<tensor::DimOp>(op); dim && isRowCount(dim)) {
    counts.insert(dim.getResult());
    return true;
  }
  if (auto empty = dyn_cast<tensor::EmptyOp>(op);
      empty && isEmptyOfRows(empty)) {
    tensors.insert(empty.getResult());
    return true;
  }
  auto linalgOp = dyn_cast<linalg::LinalgOp>(op);
  if (!linalgOp || !linalgOp.hasPureTensorSemantics() ||
      readsRowsFromBody(linalgOp) || !findRowLoop(linalgOp, tensors))
    return false;
  tensors.insert(op.result_begin(), op.result_end());
  return true;
}

bool moe::isRowwise(Region &body, std::string *reason) {
  Operation *obstacle = RowwiseAnalysis(body).getObstacle();
  if (obstacle && reason)
    llvm::raw_string_ostream(*reason)
        << "'" << obstacle->getName() << "' does not treat each row by itself";
  return !obstacle;
}

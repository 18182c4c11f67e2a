//===- ScheduleContractions.cpp - Loop order of contractions
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "MoE/Transforms/Passes.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Linalg/Transforms/Transforms.h"

namespace mlir::moe {
#define GEN_PASS_DEF_SCHEDULECONTRACTIONSPASS
#include "MoE/Transforms/Passes.h.inc"
} // namespace mlir::moe

using namespace mlir;

namespace {

/// The innermost dimension that `map` reads along: the loop of its last result.
std::optional<unsigned> getContiguousLoop(AffineMap map) {
  if (map.getNumResults() == 0)
    return std::nullopt;
  auto dim = dyn_cast<AffineDimExpr>(map.getResults().back());
  if (!dim)
    return std::nullopt;
  return dim.getPosition();
}

/// The loop that most operands run along contiguously becomes innermost. The
/// others keep their order, but parallel loops of the second operand (the
/// weight) come before those of the first alone: a row of weights stays in the
/// nearest cache while the rows of the tile pass by.
SmallVector<unsigned> chooseOrder(linalg::LinalgOp op) {
  unsigned numLoops = op.getNumLoops();
  SmallVector<unsigned> votes(numLoops, 0);
  for (OpOperand &operand : op->getOpOperands())
    if (auto loop = getContiguousLoop(op.getMatchingIndexingMap(&operand)))
      ++votes[*loop];
  unsigned innermost = 0;
  for (unsigned i = 0; i < numLoops; ++i)
    if (votes[i] >= votes[innermost])
      innermost = i;

  AffineMap weight = op.getMatchingIndexingMap(op.getDpsInputOperand(1));
  AffineMap rows = op.getMatchingIndexingMap(op.getDpsInputOperand(0));
  auto rank = [&](unsigned loop) {
    if (loop == innermost)
      return 3;
    bool inWeight = weight.isFunctionOfDim(loop);
    bool inRows = rows.isFunctionOfDim(loop);
    if (inWeight && inRows)
      return 0; // batch loops and reductions that are not contiguous
    return inWeight ? 1 : 2;
  };
  SmallVector<unsigned> order = llvm::to_vector(llvm::seq(0u, numLoops));
  llvm::stable_sort(order,
                    [&](unsigned a, unsigned b) { return rank(a) < rank(b); });
  return order;
}

struct ScheduleContractionsPass
    : public moe::impl::ScheduleContractionsPassBase<ScheduleContractionsPass> {
  void runOnOperation() override {
    SmallVector<linalg::LinalgOp> contractions;
    getOperation()->walk([&](linalg::LinalgOp op) {
      if (op.hasPureBufferSemantics() && linalg::isaContractionOpInterface(op))
        contractions.push_back(op);
    });
    IRRewriter rewriter(&getContext());
    for (linalg::LinalgOp op : contractions) {
      rewriter.setInsertionPoint(op);
      if (succeeded(schedule(rewriter, op)))
        ++numScheduled;
    }
  }

private:
  LogicalResult schedule(IRRewriter &rewriter, linalg::LinalgOp op) {
    auto generic = dyn_cast<linalg::GenericOp>(op.getOperation());
    if (!generic) {
      FailureOr<linalg::GenericOp> generalized =
          linalg::generalizeNamedOp(rewriter, op);
      if (failed(generalized))
        return failure();
      generic = *generalized;
    }
    FailureOr<linalg::GenericOp> ordered = linalg::interchangeGenericOp(
        rewriter, generic,
        chooseOrder(cast<linalg::LinalgOp>(generic.getOperation())));
    if (failed(ordered))
      return failure();
    auto flags = arith::FastMathFlagsAttr::get(
        &getContext(),
        arith::FastMathFlags::reassoc | arith::FastMathFlags::contract);
    ordered->walk([&](Operation *nested) {
      if (auto add = dyn_cast<arith::AddFOp>(nested))
        add.setFastmathAttr(flags);
      if (auto mul = dyn_cast<arith::MulFOp>(nested))
        mul.setFastmathAttr(flags);
    });
    return success();
  }
};

} // namespace

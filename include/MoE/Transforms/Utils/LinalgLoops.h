//===- LinalgLoops.h - The loops of a linalg operation -*- C++ -*-
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef MOE_TRANSFORMS_UTILS_LINALGLOOPS_H
#define MOE_TRANSFORMS_UTILS_LINALGLOOPS_H

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Arith/Utils/Utils.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"

namespace mlir::moe {

/// What those share who emit loops for a linalg operation on memrefs, whose
/// indexing maps are projected permutations, in an order of their own.
class LinalgLoops {
protected:
  LinalgLoops(ImplicitLocOpBuilder &b, linalg::LinalgOp op)
      : b(b), op(op), indices(op.getNumLoops()) {
    for (const Range &range : op.createLoopRanges(b, op.getLoc()))
      sizes.push_back(
          getValueOrCreateConstantIndexOp(b, op.getLoc(), range.size));
  }

  Value constant(int64_t value) {
    return arith::ConstantIndexOp::create(b, value);
  }

  void forEach(Value from, Value to, int64_t step,
               function_ref<void(Value)> body) {
    auto loop = scf::ForOp::create(b, from, to, constant(step));
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPoint(loop.getBody()->getTerminator());
    body(loop.getInductionVar());
  }

  /// All iterations of `loops`, the first outermost; sets their indices.
  void forAll(ArrayRef<unsigned> loops, function_ref<void()> body) {
    if (loops.empty())
      return body();
    forEach(constant(0), sizes[loops.front()], 1, [&](Value index) {
      indices[loops.front()] = index;
      forAll(loops.drop_front(), body);
    });
  }

  /// Where operand `number` is accessed in the current iteration.
  SmallVector<Value> indicesOf(unsigned number) {
    SmallVector<Value> at;
    for (AffineExpr result : op.getIndexingMapsArray()[number].getResults())
      at.push_back(indices[cast<AffineDimExpr>(result).getPosition()]);
    return at;
  }

  ImplicitLocOpBuilder &b;
  linalg::LinalgOp op;
  SmallVector<Value> sizes;   ///< of each loop
  SmallVector<Value> indices; ///< of each loop, where it is known
};

} // namespace mlir::moe

#endif // MOE_TRANSFORMS_UTILS_LINALGLOOPS_H

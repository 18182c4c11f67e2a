//===- Parallelize.cpp - Large operations over threads
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "MoE/Transforms/Passes.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Arith/Utils/Utils.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"
#include "mlir/Interfaces/TilingInterface.h"

namespace mlir::moe {
#define GEN_PASS_DEF_PARALLELIZEPASS
#include "MoE/Transforms/Passes.h.inc"
} // namespace mlir::moe

using namespace mlir;

namespace {

struct ParallelizePass
    : public moe::impl::ParallelizePassBase<ParallelizePass> {
  using ParallelizePassBase::ParallelizePassBase;

  void runOnOperation() override {
    if (grain < 1 || maxChunks < 1) {
      getOperation()->emitError("expected grain and max-chunks of at least 1, "
                                "but got ")
          << grain.getValue() << " and " << maxChunks.getValue()
          << " [moe-parallelize-options]";
      return signalPassFailure();
    }
    SmallVector<linalg::LinalgOp> ops;
    getOperation()->walk([&](linalg::LinalgOp op) {
      if (op.hasPureBufferSemantics() && op.getNumLoops() > 0 &&
          op.getIteratorTypesArray().front() == utils::IteratorType::parallel &&
          !op->getParentOfType<scf::ParallelOp>())
        ops.push_back(op);
    });
    IRRewriter rewriter(&getContext());
    for (linalg::LinalgOp op : ops) {
      rewriter.setInsertionPoint(op);
      if (succeeded(split(rewriter, op)))
        ++numParallelized;
    }
  }

private:
  /// for each chunk i: the iterations [i * n / chunks, (i + 1) * n / chunks)
  LogicalResult split(IRRewriter &rewriter, linalg::LinalgOp op) {
    ImplicitLocOpBuilder b(op.getLoc(), rewriter);
    auto tilable = cast<TilingInterface>(op.getOperation());
    SmallVector<Range> domain = tilable.getIterationDomain(rewriter);
    auto constant = [&](int64_t value) -> Value {
      return arith::ConstantIndexOp::create(b, value);
    };
    Value zero = constant(0), one = constant(1);
    Value work = one;
    for (const Range &range : domain)
      work = arith::MulIOp::create(
          b, work,
          getValueOrCreateConstantIndexOp(rewriter, op.getLoc(), range.size));
    Value length = getValueOrCreateConstantIndexOp(rewriter, op.getLoc(),
                                                   domain.front().size);
    Value chunks = arith::DivSIOp::create(b, work, constant(grain));
    chunks = arith::MinSIOp::create(b, chunks, constant(maxChunks));
    chunks = arith::MinSIOp::create(b, chunks, length);
    chunks = arith::MaxSIOp::create(b, chunks, one);

    auto loop = scf::ParallelOp::create(b, ValueRange{zero}, ValueRange{chunks},
                                        ValueRange{one});
    rewriter.setInsertionPointToStart(loop.getBody());
    ImplicitLocOpBuilder inner(op.getLoc(), rewriter);
    Value i = loop.getInductionVars().front();
    auto boundary = [&](Value index) -> Value {
      Value scaled = arith::MulIOp::create(inner, index, length);
      return arith::DivSIOp::create(inner, scaled, chunks);
    };
    Value low = boundary(i);
    Value high = boundary(arith::AddIOp::create(inner, i, one));
    SmallVector<OpFoldResult> offsets, sizes;
    for (const Range &range : domain) {
      offsets.push_back(range.offset);
      sizes.push_back(range.size);
    }
    offsets.front() = low;
    sizes.front() = arith::SubIOp::create(inner, high, low).getResult();
    rewriter.setInsertionPoint(loop.getBody()->getTerminator());
    if (failed(tilable.getTiledImplementation(rewriter, offsets, sizes))) {
      rewriter.eraseOp(loop);
      return failure();
    }
    rewriter.eraseOp(op);
    return success();
  }
};

} // namespace

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
  /// How many of the outermost loops are shared between threads: the first may
  /// have a single iteration, as a batch of one has.
  static constexpr unsigned kMostLoops = 2;

  static unsigned countLoopsToSplit(linalg::LinalgOp op) {
    unsigned count = 0;
    for (utils::IteratorType type : op.getIteratorTypesArray()) {
      if (type != utils::IteratorType::parallel || count == kMostLoops)
        break;
      ++count;
    }
    return count;
  }

  /// for each chunk i of a loop of n: the iterations [i * n / chunks,
  /// (i + 1) * n / chunks)
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
    Value wanted = arith::DivSIOp::create(b, work, constant(grain));
    wanted = arith::MinSIOp::create(b, wanted, constant(maxChunks));
    wanted = arith::MaxSIOp::create(b, wanted, one);

    SmallVector<Value> lengths, chunks;
    for (unsigned i = 0, count = countLoopsToSplit(op); i < count; ++i) {
      Value length = getValueOrCreateConstantIndexOp(rewriter, op.getLoc(),
                                                     domain[i].size);
      // Without an iteration there is nothing to split.
      Value some = arith::MaxSIOp::create(b, length, one);
      lengths.push_back(length);
      chunks.push_back(arith::MinSIOp::create(b, wanted, some));
      wanted = arith::CeilDivSIOp::create(b, wanted, chunks.back());
    }
    Value total = chunks.front();
    for (Value count : ArrayRef(chunks).drop_front())
      total = arith::MulIOp::create(b, total, count);
    auto loop = scf::ParallelOp::create(b, ValueRange{zero}, ValueRange{total},
                                        ValueRange{one});
    rewriter.setInsertionPointToStart(loop.getBody());
    ImplicitLocOpBuilder inner(op.getLoc(), rewriter);
    SmallVector<OpFoldResult> offsets, sizes;
    for (const Range &range : domain) {
      offsets.push_back(range.offset);
      sizes.push_back(range.size);
    }
    // The chunk of the innermost loop varies fastest.
    Value rest = loop.getInductionVars().front();
    for (unsigned i = chunks.size(); i-- > 0;) {
      Value index = rest;
      if (i != 0) {
        index = arith::RemSIOp::create(inner, rest, chunks[i]);
        rest = arith::DivSIOp::create(inner, rest, chunks[i]);
      }
      auto boundary = [&](Value chunk) -> Value {
        Value scaled = arith::MulIOp::create(inner, chunk, lengths[i]);
        return arith::DivSIOp::create(inner, scaled, chunks[i]);
      };
      Value low = boundary(index);
      Value high = boundary(arith::AddIOp::create(inner, index, one));
      offsets[i] = low;
      sizes[i] = arith::SubIOp::create(inner, high, low).getResult();
    }
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

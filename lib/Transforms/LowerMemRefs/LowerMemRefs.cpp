//===- LowerMemRefs.cpp - Strided copies and reshapes
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
#include "mlir/Dialect/Linalg/Utils/Utils.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/IR/PatternMatch.h"

namespace mlir::moe {
#define GEN_PASS_DEF_LOWERMEMREFSPASS
#include "MoE/Transforms/Passes.h.inc"
} // namespace mlir::moe

using namespace mlir;

namespace {

/// True if some group of dimensions has more than one dynamic size.
bool hasAmbiguousGroup(memref::ExpandShapeOp op) {
  return llvm::any_of(op.getReassociationIndices(), [&](auto &group) {
    return llvm::count_if(group, [&](int64_t dim) {
             return op.getResultType().isDynamicDim(dim);
           }) > 1;
  });
}

struct LowerMemRefsPass
    : public moe::impl::LowerMemRefsPassBase<LowerMemRefsPass> {
  void runOnOperation() override {
    SmallVector<memref::CopyOp> copies;
    SmallVector<memref::ExpandShapeOp> reshapes;
    getOperation()->walk([&](Operation *op) {
      if (auto copy = dyn_cast<memref::CopyOp>(op))
        copies.push_back(copy);
      auto reshape = dyn_cast<memref::ExpandShapeOp>(op);
      if (reshape && hasAmbiguousGroup(reshape))
        reshapes.push_back(reshape);
    });
    IRRewriter rewriter(&getContext());
    for (memref::CopyOp op : copies)
      if (failed(lowerCopy(rewriter, op)))
        return signalPassFailure();
    for (memref::ExpandShapeOp op : reshapes) {
      if (!op.getSrcType().getLayout().isIdentity()) {
        op.emitOpError("expected a dense source to expand into several dynamic "
                       "sizes, but got ")
            << op.getSrcType() << " [moe-lower-memrefs-layout]";
        return signalPassFailure();
      }
      rewriter.setInsertionPoint(op);
      rewrite(rewriter, op);
    }
  }

private:
  LogicalResult lowerCopy(IRRewriter &rewriter, memref::CopyOp op) {
    for (Type type : op->getOperandTypes())
      if (!isa<MemRefType>(type))
        return op.emitOpError("expected memrefs of known rank to copy, but "
                              "got ")
               << type << "; cast them first [moe-lower-memrefs-unranked]";
    rewriter.setInsertionPoint(op);
    linalg::makeMemRefCopyOp(rewriter, op.getLoc(), op.getSource(),
                             op.getTarget());
    rewriter.eraseOp(op);
    return success();
  }

  void rewrite(IRRewriter &rewriter, memref::ExpandShapeOp op) {
    Location loc = op.getLoc();
    SmallVector<OpFoldResult> sizes = op.getMixedOutputShape();
    SmallVector<OpFoldResult> strides(sizes.size(), rewriter.getIndexAttr(1));
    for (size_t i = sizes.size(); i-- > 1;) {
      std::optional<int64_t> size = getConstantIntValue(sizes[i]);
      std::optional<int64_t> stride = getConstantIntValue(strides[i]);
      if (size && stride) {
        strides[i - 1] = rewriter.getIndexAttr(*size * *stride);
        continue;
      }
      strides[i - 1] =
          arith::MulIOp::create(
              rewriter, loc,
              getValueOrCreateConstantIndexOp(rewriter, loc, sizes[i]),
              getValueOrCreateConstantIndexOp(rewriter, loc, strides[i]))
              .getResult();
    }
    auto view = memref::ReinterpretCastOp::create(
        rewriter, loc, op.getSrc(), rewriter.getIndexAttr(0), sizes, strides);
    rewriter.replaceOpWithNewOp<memref::CastOp>(op, op.getResultType(), view);
  }
};

} // namespace

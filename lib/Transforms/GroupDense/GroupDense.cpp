//===- GroupDense.cpp - Dense matmuls as grouped ones of one group
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The matmuls of a router, of attention and of dense layers run through the
// kernels of experts: a matrix is a bank of one expert.
//
//===----------------------------------------------------------------------===//

#include "MoE/Analysis/WeightFlow.h"
#include "MoE/Dialect/MoE/Transforms/Matmul.h"
#include "MoE/Transforms/Passes.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/IR/PatternMatch.h"

namespace mlir::moe {
#define GEN_PASS_DEF_GROUPDENSEPASS
#include "MoE/Transforms/Passes.h.inc"
} // namespace mlir::moe

using namespace mlir;
using namespace mlir::moe;

/// A matrix that no rounding of the matmul's own follows.
static bool isMatrix(Type type) {
  auto tensor = dyn_cast<RankedTensorType>(type);
  return tensor && tensor.getRank() == 2 && tensor.hasStaticShape() &&
         (tensor.getElementType().isF32() || tensor.getElementType().isBF16() ||
          tensor.getElementType().isF16());
}

/// A bank of one such matrix that is read as a matrix, as those with codes are.
static bool isMatrixOfBank(WeightFlow &flow) {
  auto bank = dyn_cast<BankType>(flow.getType());
  return bank && bank.getNumExperts() == 1 && isMatrix(bank.getSliceType()) &&
         llvm::all_of(flow.reads, [](OpOperand *read) {
           return isa<BankSliceOp>(read->getOwner());
         });
}

/// Whether the weight is what rows of f32 are multiplied with.
static bool isWeightOfMatmul(OpOperand *use) {
  auto matmul = dyn_cast<linalg::LinalgOp>(use->getOwner());
  return matmul && isRowsTimesWeight(matmul) &&
         use == matmul.getDpsInputOperand(1) &&
         matmul.getDpsInputs()[0] != use->get() &&
         getElementTypeOrSelf(matmul.getDpsInits()[0].getType()).isF32();
}

/// Where a matrix is read: of a bank of one, where its slice is.
static SmallVector<OpOperand *> getReadsOfMatrix(WeightFlow &flow) {
  SmallVector<OpOperand *> reads;
  for (OpOperand *read : flow.reads) {
    auto slice = dyn_cast<BankSliceOp>(read->getOwner());
    if (!slice) {
      reads.push_back(read);
      continue;
    }
    for (OpOperand &use : slice.getSlice().getUses())
      reads.push_back(&use);
  }
  return reads;
}

/// The windows of a matrix as those of a bank of one: each states the shape of
/// its file tensor, which has no dimension of experts.
static ArrayAttr makeSources(WeightOp weight) {
  auto source = cast<SourceAttr>(weight.getSources()[0]);
  if (!source.isWhole())
    return weight.getSources();
  ArrayRef<int64_t> shape = cast<RankedTensorType>(weight.getType()).getShape();
  SourceAttr stated = SourceAttr::get(weight.getContext(), source.getTensor(),
                                      shape, {}, {}, {});
  return ArrayAttr::get(weight.getContext(), Attribute(stated));
}

namespace {

struct GroupDensePass : public moe::impl::GroupDensePassBase<GroupDensePass> {
  void runOnOperation() override {
    WeightFlows flows(getOperation());
    for (auto &[leader, flow] : flows) {
      if (!isMatrix(flow.getType()) && !isMatrixOfBank(flow))
        continue;
      SmallVector<OpOperand *> reads = getReadsOfMatrix(flow);
      if (flow.escapes || !llvm::all_of(reads, isWeightOfMatmul)) {
        ++numMissed;
        continue;
      }
      group(flow, reads);
      ++numGrouped;
    }
  }

private:
  void group(WeightFlow &flow, ArrayRef<OpOperand *> reads) {
    SmallVector<linalg::LinalgOp> matmuls =
        llvm::map_to_vector(reads, [](OpOperand *use) {
          return cast<linalg::LinalgOp>(use->getOwner());
        });
    // Before the products are replaced, which ends the reads.
    SmallVector<BankSliceOp> slices;
    for (OpOperand *read : flow.reads)
      if (auto slice = dyn_cast<BankSliceOp>(read->getOwner()))
        slices.push_back(slice);
    if (isMatrix(flow.getType()))
      makeBanks(flow);
    IRRewriter rewriter(&getContext());
    for (linalg::LinalgOp matmul : matmuls)
      replace(rewriter, matmul);
    for (BankSliceOp slice : slices)
      rewriter.eraseOp(slice);
  }

  void makeBanks(WeightFlow &flow) {
    auto tensor = cast<RankedTensorType>(flow.getType());
    SmallVector<int64_t> shape = {1};
    llvm::append_range(shape, tensor.getShape());
    for (WeightOp weight : flow.weights)
      weight.setSourcesAttr(makeSources(weight));
    flow.setType(BankType::get(shape, tensor.getElementType()));
  }

  void replace(IRRewriter &rewriter, linalg::LinalgOp op) {
    rewriter.setInsertionPoint(op);
    Location loc = op.getLoc();
    Value rows = op.getDpsInputs()[0], bank = op.getDpsInputs()[1];
    if (auto slice = bank.getDefiningOp<BankSliceOp>())
      bank = slice.getBank();
    // What the zeros were written to: all of it is written again.
    auto fill = op.getDpsInits()[0].getDefiningOp<linalg::FillOp>();
    Value init = fill.getOutputs()[0];
    auto grouped = GroupedMatmulOp::create(
        rewriter, loc, init.getType(), rows, /*source=*/Value(),
        /*row_sums=*/Value(), /*row_scales=*/Value(), bank,
        /*offsets=*/Value(), /*targets=*/Value(), ValueRange(), ValueRange(),
        ValueRange(), init, CPUScheduleAttr());
    {
      OpBuilder::InsertionGuard guard(rewriter);
      Type f32 = rewriter.getF32Type();
      Block *body =
          rewriter.createBlock(&grouped.getBody(), {}, {f32, f32}, {loc, loc});
      YieldOp::create(rewriter, loc, body->getArgument(0));
    }
    rewriter.replaceOp(op, grouped.getResult(0));
  }
};

} // namespace

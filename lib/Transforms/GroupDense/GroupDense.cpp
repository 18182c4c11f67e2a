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
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
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

/// Whether the weight is what rows are multiplied with, in either order of its
/// dimensions.
static bool isWeightOfMatmul(OpOperand *use) {
  auto matmul = dyn_cast<linalg::LinalgOp>(use->getOwner());
  auto product = matmul ? matchRowsTimesWeight(matmul) : std::nullopt;
  return product && use == product->weight &&
         product->rows->get() != use->get() && matmul.hasPureTensorSemantics();
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
    // What is multiplied is not told from the type of a bank.
    SmallVector<std::pair<linalg::LinalgOp, RowsTimesWeight>> matmuls;
    for (OpOperand *use : reads) {
      auto matmul = cast<linalg::LinalgOp>(use->getOwner());
      matmuls.emplace_back(matmul, *matchRowsTimesWeight(matmul));
    }
    // Before the products are replaced, which ends the reads.
    SmallVector<BankSliceOp> slices;
    for (OpOperand *read : flow.reads)
      if (auto slice = dyn_cast<BankSliceOp>(read->getOwner()))
        slices.push_back(slice);
    if (isMatrix(flow.getType()))
      makeBanks(flow);
    IRRewriter rewriter(&getContext());
    for (auto [matmul, product] : matmuls)
      replace(rewriter, matmul, product);
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

  void replace(IRRewriter &rewriter, linalg::LinalgOp op,
               const RowsTimesWeight &product) {
    rewriter.setInsertionPoint(op);
    Location loc = op.getLoc();
    Value bank = product.weight->get();
    if (auto slice = bank.getDefiningOp<BankSliceOp>())
      bank = slice.getBank();
    if (product.isTransposed)
      bank = TransposeBankOp::create(
          rewriter, loc, cast<BankType>(bank.getType()).getTransposed(), bank);
    // What the sum starts from is read as elements and left as it is.
    Value start = op.getDpsInits()[0];
    SmallVector<Value> elements;
    if (!isZeroFilled(start))
      elements.push_back(start);
    Value init = chooseInit(rewriter, loc, start);
    auto grouped = GroupedMatmulOp::create(
        rewriter, loc, init.getType(), product.rows->get(), /*source=*/Value(),
        /*row_sums=*/Value(), /*row_scales=*/Value(), bank,
        /*offsets=*/Value(), /*targets=*/Value(), ValueRange(), ValueRange(),
        elements, init, CPUScheduleAttr());
    addBody(rewriter, grouped);
    rewriter.replaceOp(op, grouped.getResult(0));
  }

  /// What the zeros of `start` were written to, or new memory: all of it is
  /// written again.
  static Value chooseInit(IRRewriter &rewriter, Location loc, Value start) {
    auto fill = start.getDefiningOp<linalg::FillOp>();
    if (fill && isZeroFilled(start))
      return fill.getOutputs()[0];
    return tensor::EmptyOp::create(rewriter, loc,
                                   tensor::getMixedSizes(rewriter, loc, start),
                                   getElementTypeOrSelf(start.getType()));
  }

  /// The sum, and what it starts from, if that is an operand.
  static void addBody(IRRewriter &rewriter, GroupedMatmulOp grouped) {
    OpBuilder::InsertionGuard guard(rewriter);
    Location loc = grouped.getLoc();
    SmallVector<Type> types(grouped.getElements().size() + 2,
                            rewriter.getF32Type());
    Block *body =
        rewriter.createBlock(&grouped.getBody(), {}, types,
                             SmallVector<Location>(types.size(), loc));
    Value result = body->getArgument(0);
    if (!grouped.getElements().empty())
      result =
          arith::AddFOp::create(rewriter, loc, body->getArgument(1), result);
    YieldOp::create(rewriter, loc, result);
  }
};

} // namespace

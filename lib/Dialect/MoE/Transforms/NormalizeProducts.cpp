//===- NormalizeProducts.cpp - Products in the form that kernels know
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What is one function of rows can be written in many ways:
//
//   linalg.matmul ins(%r, %w) outs(%bias)        // %w is [in, out]
//   %t = linalg.transpose ins(%w) ...            // as torch exports nn.Linear
//   linalg.matmul ins(%r, %t) outs(%zero)
//   linalg.generic { mulf, addf }                // in any order of its loops
//   linalg.softmax, linalg.exp, linalg.map, ...  // names for generic ones
//
// Here all become linalg.generic and one matmul: rows [m, k] times a weight
// [n, k], from zero. In the body of experts a weight [k, n] is a slice of a
// bank that is seen transposed, which costs nothing; what the sum started from
// is added afterwards.
//
//===----------------------------------------------------------------------===//

#include "MoE/Dialect/MoE/Transforms/Matmul.h"
#include "MoE/Dialect/MoE/Transforms/Passes.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Linalg/Transforms/Transforms.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/PatternMatch.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"

namespace mlir::moe {
#define GEN_PASS_DEF_NORMALIZEPRODUCTSPASS
#include "MoE/Dialect/MoE/Transforms/Passes.h.inc"
} // namespace mlir::moe

using namespace mlir;
using namespace mlir::moe;

/// Whether `op` copies its one input with the maps of `from` and `to`.
static bool hasMaps(linalg::GenericOp op, AffineMap from, AffineMap to) {
  return op.getNumDpsInputs() == 1 && op.getNumDpsInits() == 1 &&
         op.getNumParallelLoops() == op.getNumLoops() &&
         op.getMatchingIndexingMap(op.getDpsInputOperand(0)) == from &&
         op.getMatchingIndexingMap(op.getDpsInitOperand(0)) == to;
}

/// The matrix that `op` transposes; null if it does something else.
static Value getTransposed(linalg::GenericOp op) {
  MLIRContext *context = op.getContext();
  AffineMap same = AffineMap::getMultiDimIdentityMap(2, context);
  AffineMap swapped =
      AffineMap::getPermutationMap(ArrayRef<unsigned>{1, 0}, context);
  bool isMatrix = op.getNumLoops() == 2 &&
                  (hasMaps(op, same, swapped) || hasMaps(op, swapped, same));
  if (!isMatrix || op.getBody()->getTerminator()->getOperand(0) !=
                       op.getBody()->getArgument(0))
    return Value();
  return op.getDpsInputs()[0];
}

/// The matrix whose elements `op` widens to f32, which a product of f32 does
/// anyway; null if it does something else.
static Value getWidened(linalg::GenericOp op) {
  AffineMap same = AffineMap::getMultiDimIdentityMap(2, op.getContext());
  if (op.getNumLoops() != 2 || !hasMaps(op, same, same))
    return Value();
  auto extension = op.getBody()
                       ->getTerminator()
                       ->getOperand(0)
                       .getDefiningOp<arith::ExtFOp>();
  if (!extension || extension.getIn() != op.getBody()->getArgument(0) ||
      !extension.getType().isF32())
    return Value();
  return op.getDpsInputs()[0];
}

namespace {

struct NormalizeProductsPass
    : public moe::impl::NormalizeProductsPassBase<NormalizeProductsPass> {
  void runOnOperation() override {
    IRRewriter rewriter(&getContext());
    generalize(rewriter);
    SmallVector<linalg::LinalgOp> ops;
    getOperation()->walk([&](linalg::LinalgOp op) {
      if (op.hasPureTensorSemantics() && matchRowsTimesWeight(op))
        ops.push_back(op);
    });
    for (linalg::LinalgOp op : ops)
      normalize(rewriter, op);
    getOperation()->walk([&](ExpertsOp op) { dropUnusedBanks(op); });
  }

private:
  /// Operations that have names but are no matmuls, nor fill their result,
  /// become generic ones.
  void generalize(IRRewriter &rewriter) {
    SmallVector<linalg::SoftmaxOp> softmaxes;
    getOperation()->walk([&](linalg::SoftmaxOp op) {
      if (op.hasPureTensorSemantics())
        softmaxes.push_back(op);
    });
    for (linalg::SoftmaxOp op : softmaxes) {
      rewriter.setInsertionPoint(op);
      FailureOr<SmallVector<Value>> parts = op.decomposeOperation(rewriter);
      if (succeeded(parts))
        rewriter.replaceOp(op, *parts);
    }
    SmallVector<linalg::LinalgOp> named;
    getOperation()->walk([&](linalg::LinalgOp op) {
      if (!isa<linalg::GenericOp, linalg::FillOp>(op.getOperation()) &&
          op.hasPureTensorSemantics() &&
          !linalg::isaContractionOpInterface(op) &&
          !linalg::isaConvolutionOpInterface(op))
        named.push_back(op);
    });
    for (linalg::LinalgOp op : named) {
      rewriter.setInsertionPoint(op);
      // What cannot be one is lowered by its own name.
      (void)linalg::generalizeNamedOp(rewriter, op);
    }
  }

  void normalize(IRRewriter &rewriter, linalg::LinalgOp op) {
    RowsTimesWeight product = *matchRowsTimesWeight(op);
    Value written = product.weight->get(), weight = written;
    bool isTransposed = product.isTransposed;
    while (auto generic = weight.getDefiningOp<linalg::GenericOp>()) {
      if (Value matrix = getTransposed(generic)) {
        weight = matrix;
        isTransposed = !isTransposed;
      } else if (Value narrow = getWidened(generic)) {
        weight = narrow;
      } else {
        break;
      }
    }
    rewriter.setInsertionPoint(op);
    BlockArgument slice = findSlice(op, weight);
    if (!slice && weight == written)
      return;
    if (slice && isRowsTimesWeight(op) && weight == written)
      return;
    ++numNormalized;
    Value rows = product.rows->get(), init = op.getDpsInits()[0];
    Value result;
    if (slice) {
      result = multiply(rewriter, op, rows,
                        isTransposed ? transposeBank(rewriter, slice) : slice);
    } else if (isTransposed) {
      result = linalg::MatmulOp::create(rewriter, op.getLoc(), init.getType(),
                                        ValueRange{rows, weight}, init)
                   .getResult(0);
    } else {
      result = createRowsTimesWeight(rewriter, op.getLoc(), rows, weight, init);
    }
    rewriter.replaceOp(op, result);
    eraseUnused(rewriter, written);
  }

  /// The slice of a bank that `weight` is, where `op` is in the body.
  static BlockArgument findSlice(linalg::LinalgOp op, Value weight) {
    auto argument = dyn_cast<BlockArgument>(weight);
    auto experts = argument
                       ? dyn_cast<ExpertsOp>(argument.getOwner()->getParentOp())
                       : ExpertsOp();
    return experts && argument.getArgNumber() >= 2 ? argument : BlockArgument();
  }

  /// rows times the transposed `weight`, from zero; then what `op` starts from.
  Value multiply(IRRewriter &rewriter, linalg::LinalgOp op, Value rows,
                 Value weight) {
    Location loc = op.getLoc();
    Value init = op.getDpsInits()[0], empty;
    if (isZeroFilled(init) && init.getDefiningOp<linalg::FillOp>())
      return createRowsTimesWeight(rewriter, loc, rows, weight, init);
    Type f32 = rewriter.getF32Type();
    empty = tensor::EmptyOp::create(
        rewriter, loc, tensor::getMixedSizes(rewriter, loc, init), f32);
    Value zero =
        arith::ConstantOp::create(rewriter, loc, rewriter.getZeroAttr(f32));
    Value zeros =
        linalg::FillOp::create(rewriter, loc, zero, empty).getResult(0);
    Value sum = createRowsTimesWeight(rewriter, loc, rows, weight, zeros);
    if (isZeroFilled(init))
      return sum;
    AffineMap same = rewriter.getMultiDimIdentityMap(2);
    return linalg::GenericOp::create(
               rewriter, loc, empty.getType(), ValueRange{init, sum}, empty,
               ArrayRef<AffineMap>{same, same, same},
               SmallVector<utils::IteratorType>(2,
                                                utils::IteratorType::parallel),
               [](OpBuilder &builder, Location loc, ValueRange arguments) {
                 Value total = arith::AddFOp::create(builder, loc, arguments[0],
                                                     arguments[1]);
                 linalg::YieldOp::create(builder, loc, total);
               })
        .getResult(0);
  }

  /// The slice of the transposed bank that `slice` is of.
  Value transposeBank(IRRewriter &rewriter, BlockArgument slice) {
    auto experts = cast<ExpertsOp>(slice.getOwner()->getParentOp());
    Value bank = experts.getBanks()[slice.getArgNumber() - 2];
    BankType type = cast<BankType>(bank.getType()).getTransposed();
    for (auto [index, other] : llvm::enumerate(experts.getBanks()))
      if (auto view = other.getDefiningOp<TransposeBankOp>();
          view && view.getBank() == bank)
        return slice.getOwner()->getArgument(index + 2);
    OpBuilder::InsertionGuard guard(rewriter);
    rewriter.setInsertionPoint(experts);
    Value view =
        TransposeBankOp::create(rewriter, experts.getLoc(), type, bank);
    rewriter.modifyOpInPlace(experts,
                             [&] { experts.getBanksMutable().append(view); });
    return slice.getOwner()->addArgument(type.getSliceType(), slice.getLoc());
  }

  /// `value` and what it was computed from, where nothing reads it any more.
  static void eraseUnused(IRRewriter &rewriter, Value value) {
    while (auto generic = value.getDefiningOp<linalg::GenericOp>()) {
      if (!generic->use_empty())
        return;
      value = generic.getDpsInputs()[0];
      rewriter.eraseOp(generic);
    }
  }

  static void dropUnusedBanks(ExpertsOp op) {
    if (!op.takesBanks())
      return;
    Block &body = op.getBodies().front().front();
    for (unsigned i = op.getBanks().size(); i-- > 0;) {
      if (!body.getArgument(i + 2).use_empty())
        continue;
      body.eraseArgument(i + 2);
      op.getBanksMutable().erase(i);
    }
  }
};

} // namespace

//===- ExpandMath.cpp - Functions that no later pass lowers
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "MoE/Transforms/Passes.h"
#include "mlir/Conversion/MathToLibm/MathToLibm.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"
#include "mlir/IR/PatternMatch.h"
#include "mlir/IR/TypeUtilities.h"
#include "mlir/Transforms/DialectConversion.h"

namespace mlir::moe {
#define GEN_PASS_DEF_EXPANDMATHPASS
#include "MoE/Transforms/Passes.h.inc"
} // namespace mlir::moe

using namespace mlir;

/// `type` with elements of `element`.
static Type cloneWith(Type type, Type element) {
  if (auto shaped = dyn_cast<ShapedType>(type))
    return shaped.clone(element);
  return element;
}

/// `number` in all elements of a value of `type`.
static Value constant(ImplicitLocOpBuilder &b, Type type, double number) {
  TypedAttr element = b.getFloatAttr(getElementTypeOrSelf(type), number);
  if (auto shaped = dyn_cast<ShapedType>(type))
    element = DenseElementsAttr::get(shaped, element);
  return arith::ConstantOp::create(b, element);
}

static Value isEqual(ImplicitLocOpBuilder &b, Value x, Value y) {
  return arith::CmpFOp::create(b, arith::CmpFPredicate::OEQ, x, y);
}

//===----------------------------------------------------------------------===//
// Functions
//===----------------------------------------------------------------------===//

/// log(u) * x / (u - 1) with u = 1 + x: the rounding of u is the same in both.
static Value expand(ImplicitLocOpBuilder &b, math::Log1pOp op) {
  Value x = op.getOperand(), one = constant(b, x.getType(), 1);
  Value infinity =
      constant(b, x.getType(), std::numeric_limits<double>::infinity());
  Value u = arith::AddFOp::create(b, one, x);
  Value log = math::LogOp::create(b, u);
  Value rounded = arith::SubFOp::create(b, u, one);
  Value ratio = arith::DivFOp::create(b, x, rounded);
  Value product = arith::MulFOp::create(b, log, ratio);
  Value small = arith::SelectOp::create(b, isEqual(b, u, one), x, product);
  return arith::SelectOp::create(b, isEqual(b, u, infinity), u, small);
}

/// (u - 1) * x / log(u) with u = exp(x).
static Value expand(ImplicitLocOpBuilder &b, math::ExpM1Op op) {
  Value x = op.getOperand(), one = constant(b, x.getType(), 1);
  Value zero = constant(b, x.getType(), 0);
  Value infinity =
      constant(b, x.getType(), std::numeric_limits<double>::infinity());
  Value u = math::ExpOp::create(b, x);
  Value difference = arith::SubFOp::create(b, u, one);
  Value log = math::LogOp::create(b, u);
  Value ratio = arith::DivFOp::create(b, x, log);
  Value product = arith::MulFOp::create(b, difference, ratio);
  Value small = arith::SelectOp::create(b, isEqual(b, u, one), x, product);
  // Where exp is 0 or infinite, its logarithm says nothing.
  Value isEnd =
      arith::OrIOp::create(b, isEqual(b, u, zero), isEqual(b, u, infinity));
  return arith::SelectOp::create(b, isEnd, difference, small);
}

static Value expand(ImplicitLocOpBuilder &b, math::ClampFOp op) {
  Value bounded = arith::MaximumFOp::create(b, op.getValue(), op.getMin());
  return arith::MinimumFOp::create(b, bounded, op.getMax());
}

static Value expand(ImplicitLocOpBuilder &b, math::IsInfOp op) {
  Value x = op.getOperand();
  Value infinity =
      constant(b, x.getType(), std::numeric_limits<double>::infinity());
  return isEqual(b, math::AbsFOp::create(b, x), infinity);
}

/// Neither 0, nor subnormal, infinite or no number.
static Value expand(ImplicitLocOpBuilder &b, math::IsNormalOp op) {
  Value x = op.getOperand(), magnitude = math::AbsFOp::create(b, x);
  auto type = cast<FloatType>(getElementTypeOrSelf(x.getType()));
  double smallest =
      llvm::APFloat::getSmallestNormalized(type.getFloatSemantics())
          .convertToDouble();
  Value isLarge = arith::CmpFOp::create(b, arith::CmpFPredicate::OGE, magnitude,
                                        constant(b, x.getType(), smallest));
  Value isFinite = arith::CmpFOp::create(
      b, arith::CmpFPredicate::OLT, magnitude,
      constant(b, x.getType(), std::numeric_limits<double>::infinity()));
  return arith::AndIOp::create(b, isLarge, isFinite);
}

/// The exponent as a float, which has all integers that make a difference: of
/// larger ones only 0, 1, infinities and their signs are powers.
static Value expand(ImplicitLocOpBuilder &b, math::FPowIOp op) {
  Type type = op.getType(), f64 = cloneWith(type, b.getF64Type());
  Value base = op.getLhs();
  bool isNarrow = getElementTypeOrSelf(type).getIntOrFloatBitWidth() < 64;
  if (isNarrow)
    base = arith::ExtFOp::create(b, f64, base);
  Value exponent = arith::SIToFPOp::create(b, f64, op.getRhs());
  Value power = math::PowFOp::create(b, base, exponent);
  return isNarrow ? arith::TruncFOp::create(b, type, power).getResult() : power;
}

namespace {

struct ExpandMathPass : public moe::impl::ExpandMathPassBase<ExpandMathPass> {
  using ExpandMathPassBase::ExpandMathPassBase;

  void runOnOperation() override {
    expandAll<math::IsInfOp, math::IsNormalOp>();
    computeInF32();
    expandAll<math::ClampFOp, math::FPowIOp>();
    if (!library)
      expandAll<math::Log1pOp, math::ExpM1Op>();
    else if (failed(callLibrary()))
      signalPassFailure();
  }

private:
  /// Functions of floats of 16 bits.
  void computeInF32() {
    SmallVector<Operation *> ops;
    getOperation()->walk([&](Operation *op) {
      auto isNarrow = [](Type type) {
        return getElementTypeOrSelf(type).isBF16() ||
               getElementTypeOrSelf(type).isF16();
      };
      if (isa_and_present<math::MathDialect>(op->getDialect()) &&
          llvm::any_of(op->getOperandTypes(), isNarrow))
        ops.push_back(op);
    });
    IRRewriter rewriter(&getContext());
    for (Operation *op : ops)
      computeInF32(rewriter, op);
  }

  static void computeInF32(IRRewriter &rewriter, Operation *op) {
    rewriter.setInsertionPoint(op);
    auto widen = [&](Type type) {
      Type element = getElementTypeOrSelf(type);
      return element.isBF16() || element.isF16()
                 ? cloneWith(type, rewriter.getF32Type())
                 : type;
    };
    IRMapping mapping;
    for (Value operand : op->getOperands())
      if (Type wide = widen(operand.getType()); wide != operand.getType())
        mapping.map(operand,
                    arith::ExtFOp::create(rewriter, op->getLoc(), wide, operand)
                        .getResult());
    Operation *computed = rewriter.clone(*op, mapping);
    SmallVector<Value> results;
    for (OpResult result : computed->getResults()) {
      Type narrow = result.getType(), wide = widen(narrow);
      if (wide == narrow) {
        results.push_back(result);
        continue;
      }
      result.setType(wide);
      results.push_back(
          arith::TruncFOp::create(rewriter, op->getLoc(), narrow, result));
    }
    rewriter.replaceOp(op, results);
  }

  LogicalResult callLibrary() {
    RewritePatternSet patterns(&getContext());
    populateMathToLibmConversionPatterns(patterns);
    ConversionTarget target(getContext());
    target.markUnknownOpDynamicallyLegal([](Operation *) { return true; });
    target.addIllegalOp<math::Log1pOp, math::ExpM1Op>();
    return applyPartialConversion(getOperation(), target, std::move(patterns));
  }

  template <typename... Ops> void expandAll() {
    IRRewriter rewriter(&getContext());
    (expandEach<Ops>(rewriter), ...);
  }

  template <typename Op> void expandEach(IRRewriter &rewriter) {
    SmallVector<Op> ops;
    getOperation()->walk([&](Op op) { ops.push_back(op); });
    for (Op op : ops) {
      rewriter.setInsertionPoint(op);
      ImplicitLocOpBuilder b(op.getLoc(), rewriter);
      rewriter.replaceOp(op, expand(b, op));
    }
  }
};

} // namespace

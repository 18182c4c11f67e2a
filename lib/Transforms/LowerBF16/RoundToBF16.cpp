//===- RoundToBF16.cpp - Rounding to bf16 by integer arithmetic
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// bf16 is the upper half of f32. Rounding to nearest, ties to even, adds half
// of the last place that stays, less one if that place is even; what is lost is
// the lower half. A NaN could become an infinity that way, so that it is made
// quiet instead.
//
// Everything happens on integers: where a processor has no bf16, LLVM turns a
// select of two bf16 values, as upstream's expansion has, into a call of
// __truncsfbf2, which Debian 12's libgcc lacks.
//
//===----------------------------------------------------------------------===//

#include "MoE/Transforms/Passes.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"
#include "mlir/IR/PatternMatch.h"
#include "mlir/IR/TypeUtilities.h"

namespace mlir::moe {
#define GEN_PASS_DEF_ROUNDTOBF16PASS
#include "MoE/Transforms/Passes.h.inc"
} // namespace mlir::moe

using namespace mlir;

/// `type` with elements of `element`.
static Type cloneWith(Type type, Type element) {
  if (auto shaped = dyn_cast<ShapedType>(type))
    return shaped.clone(element);
  return element;
}

static Value round(ImplicitLocOpBuilder &b, Value value, Type result) {
  Type integers = cloneWith(value.getType(), b.getI32Type());
  auto constant = [&](int64_t number) -> Value {
    Attribute attribute = b.getI32IntegerAttr(number);
    if (auto shaped = dyn_cast<ShapedType>(integers))
      attribute = DenseElementsAttr::get(shaped, attribute);
    return arith::ConstantOp::create(b, cast<TypedAttr>(attribute));
  };
  Value bits = arith::BitcastOp::create(b, integers, value);
  Value upper = arith::ShRUIOp::create(b, bits, constant(16));
  Value isOdd = arith::AndIOp::create(b, upper, constant(1));
  Value half = arith::AddIOp::create(b, isOdd, constant(0x7fff));
  Value sum = arith::AddIOp::create(b, bits, half);
  Value rounded = arith::ShRUIOp::create(b, sum, constant(16));
  Value quiet = arith::OrIOp::create(b, upper, constant(0x40));
  Value isNaN =
      arith::CmpFOp::create(b, arith::CmpFPredicate::UNO, value, value);
  Value chosen = arith::SelectOp::create(b, isNaN, quiet, rounded);
  Value narrow = arith::TruncIOp::create(
      b, cloneWith(integers, b.getIntegerType(16)), chosen);
  return arith::BitcastOp::create(b, result, narrow);
}

namespace {

struct RoundToBF16Pass
    : public moe::impl::RoundToBF16PassBase<RoundToBF16Pass> {
  void runOnOperation() override {
    SmallVector<arith::TruncFOp> ops;
    getOperation()->walk([&](arith::TruncFOp op) {
      if (getElementTypeOrSelf(op.getIn()).isF32() &&
          getElementTypeOrSelf(op.getType()).isBF16())
        ops.push_back(op);
    });
    IRRewriter rewriter(&getContext());
    for (arith::TruncFOp op : ops) {
      rewriter.setInsertionPoint(op);
      ImplicitLocOpBuilder builder(op.getLoc(), rewriter);
      rewriter.replaceOp(op, round(builder, op.getIn(), op.getType()));
    }
  }
};

} // namespace

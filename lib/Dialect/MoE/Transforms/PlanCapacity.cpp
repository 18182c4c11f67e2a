//===- PlanCapacity.cpp - Capacity rules become values
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "MoE/Dialect/MoE/Transforms/Passes.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"
#include "mlir/IR/Remarks.h"

namespace mlir::moe {
#define GEN_PASS_DEF_PLANCAPACITYPASS
#include "MoE/Dialect/MoE/Transforms/Passes.h.inc"
} // namespace mlir::moe

using namespace mlir;
using namespace mlir::moe;

namespace {

/// Index arithmetic.
struct IndexBuilder : public ImplicitLocOpBuilder {
  using ImplicitLocOpBuilder::ImplicitLocOpBuilder;
  Value constant(int64_t value) {
    return arith::ConstantIndexOp::create(*this, getLoc(), value);
  }
  Value f64(double value) {
    return arith::ConstantOp::create(*this, getLoc(), getF64FloatAttr(value));
  }
  Value toF64(Value index) {
    Value integer =
        arith::IndexCastOp::create(*this, getLoc(), getI64Type(), index);
    return arith::SIToFPOp::create(*this, getLoc(), getF64Type(), integer);
  }
  Value toIndex(Value f64) {
    Value integer = arith::FPToSIOp::create(*this, getLoc(), getI64Type(), f64);
    return arith::IndexCastOp::create(*this, getLoc(), getIndexType(), integer);
  }
  template <typename OpTy> Value binary(Value a, Value b) {
    return OpTy::create(*this, getLoc(), a, b);
  }
};

/// How many segments the plan has; null without segment offsets.
Value countSegments(IndexBuilder &b, PlanOp op) {
  if (!op.getSegmentOffsets())
    return Value();
  Value bounds = tensor::DimOp::create(b, op.getSegmentOffsets(), 0);
  return b.binary<arith::SubIOp>(bounds, b.constant(1));
}

/// The value of `rule` for `tokens` tokens, by the formula in
/// docs/spec/plan.md: the whole number T or k * T first, then in f64.
Value computeCapacity(IndexBuilder &b, CapacityAttr rule, Value tokens,
                      int64_t experts, int64_t topK) {
  Value value = b.f64(rule.getFactor().convertToDouble());
  switch (rule.getBasis()) {
  case CapacityBasis::Fixed:
    break;
  case CapacityBasis::SlotsPerExpert:
    tokens = b.binary<arith::MulIOp>(tokens, b.constant(topK));
    [[fallthrough]];
  case CapacityBasis::TokensPerExpert:
    value = b.binary<arith::MulFOp>(value, b.toF64(tokens));
    value = b.binary<arith::DivFOp>(value, b.f64(experts));
    break;
  case CapacityBasis::Tokens:
    value = b.binary<arith::MulFOp>(value, b.toF64(tokens));
    break;
  }
  switch (rule.getRounding()) {
  case Rounding::Ceil:
    value = math::CeilOp::create(b, value);
    break;
  case Rounding::Floor:
    value = math::FloorOp::create(b, value);
    break;
  case Rounding::NearestEven:
    value = math::RoundEvenOp::create(b, value);
    break;
  }
  Value capacity = b.toIndex(value);
  if (rule.getMultipleOf() > 1) {
    Value multiple = b.constant(rule.getMultipleOf());
    capacity = b.binary<arith::MulIOp>(
        b.binary<arith::CeilDivSIOp>(capacity, multiple), multiple);
  }
  if (rule.getAtLeast() > 0)
    capacity =
        b.binary<arith::MaxSIOp>(capacity, b.constant(rule.getAtLeast()));
  return capacity;
}

/// min(T * k, E * capacity * segments). A factor above the number of slots
/// bounds nothing; taking the minimum before each product keeps it below 2^62,
/// as there are fewer than 2^31 slots and experts.
Value boundRows(IndexBuilder &b, PlanOp op, Value tokens, Value segments) {
  Value slots = b.binary<arith::MulIOp>(tokens, b.constant(op.getTopK()));
  auto atMostSlots = [&](Value value) {
    return b.binary<arith::MinSIOp>(value, slots);
  };
  Value rows = b.binary<arith::MulIOp>(atMostSlots(op.getCapacity()),
                                       b.constant(op.getNumExperts()));
  if (segments)
    rows = b.binary<arith::MulIOp>(atMostSlots(rows), atMostSlots(segments));
  return atMostSlots(rows);
}

struct PlanCapacityPass
    : public moe::impl::PlanCapacityPassBase<PlanCapacityPass> {
  void runOnOperation() override {
    getOperation()->walk([&](PlanOp op) {
      if (op.hasTensorSemantics())
        plan(op);
    });
  }

private:
  void plan(PlanOp op) {
    remark::RemarkOpts options =
        remark::RemarkOpts::name("PlanCapacity").category("moe-plan-capacity");
    if (op.isDropless()) {
      ++numDropless;
      remark::passed(op.getLoc(), options)
          << "dropless: at most T * " << std::to_string(op.getTopK())
          << " rows";
      return;
    }
    IndexBuilder b(op.getLoc(), op);
    Value tokens = tensor::DimOp::create(b, op.getIds(), 0);
    Value segments = countSegments(b, op);
    int64_t experts = op.getNumExperts();
    if (auto rule = op.getCapacityRule()) {
      Value perSegment = tokens;
      if (segments) // no segments, no tokens: avoid 0 / 0
        perSegment = b.binary<arith::CeilDivSIOp>(
            tokens, b.binary<arith::MaxSIOp>(segments, b.constant(1)));
      Value capacity =
          computeCapacity(b, *rule, perSegment, experts, op.getTopK());
      op.getCapacityMutable().assign(capacity);
      op.removeCapacityRuleAttr();
    }
    if (!op.getRows())
      op.getRowsMutable().assign(boundRows(b, op, tokens, segments));
    ++numBounded;
    remark::passed(op.getLoc(), options)
        << "at most min(T * " << std::to_string(op.getTopK()) << ", "
        << std::to_string(experts) << " * capacity * segments) rows";
  }
};

} // namespace

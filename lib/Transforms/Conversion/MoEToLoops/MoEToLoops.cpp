//===- MoEToLoops.cpp - Routing ops on memrefs become loops
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "MoEToLoops.h"
#include "MoE/Transforms/Passes.h"
#include "MoE/Transforms/Utils/RoutingOps.h"
#include "mlir/Dialect/ControlFlow/IR/ControlFlow.h"
#include "llvm/ADT/TypeSwitch.h"

namespace mlir::moe {
#define GEN_PASS_DEF_CONVERTMOETOLOOPSPASS
#include "MoE/Transforms/Passes.h.inc"
} // namespace mlir::moe

using namespace mlir;
using namespace mlir::moe;

Value moe::emitNorm(LoopEmitter &emit, NormalizeAttr attr, int64_t count,
                    function_ref<Value(Value)> weight) {
  double p = attr.getP().convertToDouble();
  Value sum = emit.fold(count, emit.f32(0), [&](Value i, Value sum) {
    Value magnitude = emit.abs(weight(i));
    if (p == 2)
      magnitude = emit.mul(magnitude, magnitude);
    else if (p != 1)
      magnitude = math::PowFOp::create(emit, magnitude, emit.f32(p));
    return emit.add(sum, magnitude);
  });
  if (p == 2)
    sum = math::SqrtOp::create(emit, sum);
  else if (p != 1)
    sum = math::PowFOp::create(emit, sum, emit.f32(1 / p));
  switch (attr.getEpsMode()) {
  case EpsMode::None:
    return sum;
  case EpsMode::Add:
    return emit.add(sum, emit.f32(attr.getEps().convertToDouble()));
  case EpsMode::Clamp:
    return emit.maximum(sum, emit.f32(attr.getEps().convertToDouble()));
  }
  llvm_unreachable("all modes are handled");
}

void moe::emitDispatch(LoopEmitter &emit, DispatchOp op) {
  Value x = op.getX(), rows = op.getInto()[0];
  Value width = emit.dim(x, 1);
  if (Value weights = op.getWeights()) {
    Value position = op.getPosition();
    emit.forEach(emit.index(0), emit.dim(position, 0), [&](Value t) {
      emit.forEach(emit.index(0), emit.dim(position, 1), [&](Value j) {
        Value r = emit.toIndex(emit.load(position, {t, j}));
        emit.ifThen(emit.isInside(r, emit.dim(rows, 0)), [&] {
          Value weight = emit.load(weights, {t, j});
          emit.forEach(emit.index(0), width, [&](Value h) {
            emit.store(emit.mul(weight, emit.load(x, {t, h})), rows, {r, h});
          });
        });
      });
    });
    return;
  }
  Value last = emit.sub(emit.dim(op.getOffsets(), 0), emit.index(1));
  Value used = emit.toIndex(emit.load(op.getOffsets(), last));
  Value numRows = emit.minSigned(used, emit.dim(op.getSource(), 0));
  emit.forEach(emit.index(0), numRows, [&](Value r) {
    Value t = emit.toIndex(emit.load(op.getSource(), r));
    emit.ifThen(emit.isInside(t, emit.dim(x, 0)), [&] {
      emit.forEach(emit.index(0), width, [&](Value h) {
        emit.store(emit.load(x, {t, h}), rows, {r, h});
      });
    });
  });
}

void moe::emitCombine(LoopEmitter &emit, CombineOp op) {
  Value rows = op.getRows(), position = op.getPosition();
  Value result = op.getInto()[0];
  Value width = emit.dim(rows, 1);
  auto combineToken = [&](Value t) {
    emit.forEach(emit.index(0), width,
                 [&](Value h) { emit.store(emit.f32(0), result, {t, h}); });
    // result[t] += weight * source[row]
    auto accumulate = [&](Value weight, Value source, Value row) {
      emit.forEach(emit.index(0), width, [&](Value h) {
        Value term = emit.load(source, {row, h});
        if (weight)
          term = emit.mul(weight, term);
        emit.store(emit.add(emit.load(result, {t, h}), term), result, {t, h});
      });
    };
    emit.forEach(emit.index(0), emit.dim(position, 1), [&](Value j) {
      Value row = emit.toIndex(emit.load(position, {t, j}));
      Value weight;
      if (op.getWeights())
        weight = emit.load(op.getWeights(), {t, j});
      Value kept = emit.isInside(row, emit.dim(rows, 0));
      emit.ifThen(kept, [&] { accumulate(weight, rows, row); });
      if (Value passthrough = op.getPassthrough()) {
        Value zero = emit.equalF(weight, emit.f32(0));
        emit.ifThen(emit.negate(emit.either(kept, zero)),
                    [&] { accumulate(weight, passthrough, t); });
      }
    });
  };
  auto type = cast<MemRefType>(rows.getType());
  int64_t elements = type.isDynamicDim(1) ? 1024 : type.getDimSize(1);
  forRanges(emit, emit.dim(position, 0), {elements},
            [&](Value, Value low, Value high) {
              emit.forEach(low, high, combineToken);
            });
}

namespace {

struct ConvertMoEToLoopsPass
    : public moe::impl::ConvertMoEToLoopsPassBase<ConvertMoEToLoopsPass> {
  void runOnOperation() override {
    auto lower = [](Operation *op) {
      LoopEmitter emit(op->getLoc(), op);
      llvm::TypeSwitch<Operation *>(op)
          .Case([&](RouterOp op) { emitRouter(emit, op); })
          .Case([&](PlanOp op) { emitPlan(emit, op); })
          .Case([&](DispatchOp op) { emitDispatch(emit, op); })
          .Case([&](CombineOp op) { emitCombine(emit, op); })
          .Case([&](AuxLossOp op) { emitAuxLoss(emit, op); })
          .Case([&](QuantizeRowsOp op) { emitQuantizeRows(emit, op); });
    };
    if (failed(lowerRoutingOps(getOperation(), lower)))
      signalPassFailure();
  }
};

} // namespace

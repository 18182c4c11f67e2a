//===- AuxLoss.cpp - moe.aux_loss as loops
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Follows docs/spec/aux_loss.md. All in f64: sums over many tokens would lose
// digits in f32, and next to the experts the arithmetic costs nothing.
//
//===----------------------------------------------------------------------===//

#include "MoEToLoops.h"
#include <limits>

using namespace mlir;
using namespace mlir::moe;

namespace {

class AuxLossEmitter {
public:
  AuxLossEmitter(LoopEmitter &emit, AuxLossOp op)
      : emit(emit), op(op), experts(op.getNumExperts()),
        tokens(emit.dim(op.getValues(), 0)) {}

  void run() {
    Value loss = emitLoss();
    // Means over no tokens are 0 / 0.
    Value isEmpty = emit.equal(tokens, emit.index(0));
    loss = emit.select(isEmpty, emit.f64(0), loss);
    emit.store(emit.toF32(loss), op.getInto()[0], {});
  }

private:
  Value emitLoss() {
    switch (op.getKind()) {
    case Loss::FractionProbability:
      return fractionProbability();
    case Loss::Z:
      return meanSquaredLogSumExp();
    case Loss::ImportanceCv2:
      return importanceCv2();
    }
    llvm_unreachable("all kinds are handled");
  }

  Value fractionProbability() {
    Value counts = countSlots(), sums = sumOverTokens();
    Value total = sumOverExperts([&](Value e) {
      return emit.mul(emit.load(counts, e), emit.load(sums, e));
    });
    // Both factors are still to be divided by T.
    auto ids = cast<ShapedType>(op.getIds().getType());
    int64_t k = op.getNormalizeK() ? ids.getDimSize(1) : 1;
    Value count = emit.toF64(tokens);
    Value divisor = emit.mul(emit.f64(k), emit.mul(count, count));
    return emit.div(emit.mul(emit.f64(experts), total), divisor);
  }

  Value meanSquaredLogSumExp() {
    Value sum = emit.fold(emit.index(0), tokens, ValueRange{emit.f64(0)},
                          [&](Value t, ValueRange sum) -> SmallVector<Value> {
                            Value l = logSumExp(t);
                            return {emit.add(sum[0], emit.mul(l, l))};
                          })
                    .front();
    return emit.div(sum, emit.toF64(tokens));
  }

  /// log(sum over e of exp(values[t, e]))
  Value logSumExp(Value t) {
    Value infinity = emit.f64(std::numeric_limits<double>::infinity());
    Value lowest = emit.f64(-std::numeric_limits<double>::infinity());
    Value peak = emit.fold(experts, lowest, [&](Value e, Value m) {
      return emit.maximum(m, value(t, e));
    });
    // Shifted by the largest logit no exponential overflows; one that is not
    // finite would make inf - inf, and needs no shift to come out right.
    Value isFinite = emit.greater(infinity, emit.abs(peak));
    Value shift = emit.select(isFinite, peak, emit.f64(0));
    Value sum = sumOverExperts(
        [&](Value e) { return emit.exp(emit.sub(value(t, e), shift)); });
    return emit.add(shift, emit.log(sum));
  }

  Value importanceCv2() {
    Value sums = sumOverTokens();
    Value count = emit.f64(experts);
    Value mean = emit.div(
        sumOverExperts([&](Value e) { return emit.load(sums, e); }), count);
    Value squares = sumOverExperts([&](Value e) {
      Value d = emit.sub(emit.load(sums, e), mean);
      return emit.mul(d, d);
    });
    return emit.div(emit.div(squares, count), emit.mul(mean, mean));
  }

  Value value(Value t, Value e) {
    return emit.toF64(emit.load(op.getValues(), {t, e}));
  }

  Value sumOverExperts(function_ref<Value(Value)> term) {
    return emit.fold(experts, emit.f64(0), [&](Value e, Value sum) {
      return emit.add(sum, term(e));
    });
  }

  /// One value per expert: the sum of its column.
  Value sumOverTokens() {
    Value sums = zeros();
    emit.forEach(emit.index(0), tokens, [&](Value t) {
      emit.forEach(experts, [&](Value e) { accumulate(value(t, e), sums, e); });
    });
    return sums;
  }

  /// One value per expert: how many slots chose it. f64 counts them exactly.
  Value countSlots() {
    Value counts = zeros();
    Value k = emit.dim(op.getIds(), 1);
    emit.forEach(emit.index(0), tokens, [&](Value t) {
      emit.forEach(emit.index(0), k, [&](Value j) {
        Value id = emit.load(op.getIds(), {t, j});
        emit.ifThen(emit.isInside(id, emit.i32(experts)),
                    [&] { accumulate(emit.f64(1), counts, emit.toIndex(id)); });
      });
    });
    return counts;
  }

  Value zeros() {
    Value memref = emit.alloc({experts}, emit.getF64Type());
    emit.forEach(experts, [&](Value e) { emit.store(emit.f64(0), memref, e); });
    return memref;
  }

  void accumulate(Value term, Value memref, Value e) {
    emit.store(emit.add(emit.load(memref, e), term), memref, e);
  }

  LoopEmitter &emit;
  AuxLossOp op;
  int64_t experts;
  Value tokens;
};

} // namespace

void moe::emitAuxLoss(LoopEmitter &emit, AuxLossOp op) {
  AuxLossEmitter(emit, op).run();
}

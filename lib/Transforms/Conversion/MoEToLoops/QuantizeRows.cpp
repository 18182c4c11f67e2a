//===- QuantizeRows.cpp - moe.quantize_rows as loops
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Follows docs/spec/quantize_rows.md. Magnitudes are compared as integers: the
// order is the same, NaNs are largest, and LLVM vectorizes it.
//
//===----------------------------------------------------------------------===//

#include "MoEToLoops.h"

using namespace mlir;
using namespace mlir::moe;

namespace {

/// A number above this is no magnitude of a finite f32.
constexpr int64_t kInfinityBits = 0x7f800000;

class RowQuantizer {
public:
  RowQuantizer(LoopEmitter &emit, QuantizeRowsOp op)
      : emit(emit), op(op), codes(op.getInto()[0]), scales(op.getInto()[1]),
        sums(op.getInto()[2]) {}

  void run() {
    RowLoop::create(emit, emit.dim(op.getX(), 0), {op.getNumColumns()},
                    [&](Value, Value low, Value high) {
                      emit.forEach(low, high,
                                   [&](Value row) { quantize(row); });
                    });
  }

private:
  void quantize(Value row) {
    auto quantizeRun = [&](const Factors &factors, Value run, Value low,
                           Value high) {
      emit.ifThenElse(
          factors.haveCodes,
          [&] { storeRun(row, run, low, high, factors.inverse); },
          [&] { storeZeros(row, run, low, high); });
    };
    if (op.getRunScales()) {
      forRuns([&](Value run, Value low, Value high) {
        quantizeRun(storeScale(row, low, high, {row, run}), run, low, high);
      });
      return;
    }
    Factors ofRow =
        storeScale(row, emit.index(0), emit.index(op.getNumColumns()), {row});
    forRuns([&](Value run, Value low, Value high) {
      quantizeRun(ofRow, run, low, high);
    });
  }

  /// What elements are multiplied with to become codes, and whether they do.
  struct Factors {
    Value inverse, haveCodes;
  };

  /// Stores the scale of columns [low, high) of a row at `place`.
  Factors storeScale(Value row, Value low, Value high, ValueRange place) {
    Value bits = largestMagnitude(row, low, high);
    Value largest = arith::BitcastOp::create(emit, emit.getF32Type(), bits);
    Value inverse = emit.div(emit.f32(127), largest);
    Value isFinite = isFiniteBits(bits);
    Value hasCodes = emit.both(isFinite, isFiniteBits(bitsOf(inverse)));
    Value scale =
        emit.select(hasCodes, emit.div(largest, emit.f32(127)), emit.f32(0));
    Value notANumber = emit.f32(std::numeric_limits<double>::quiet_NaN());
    emit.store(emit.select(isFinite, scale, notANumber), scales, place);
    return {inverse, hasCodes};
  }

  Value element(Value row, Value column) {
    Value value = emit.load(op.getX(), {row, column});
    if (value.getType().isF32())
      return value;
    return arith::ExtFOp::create(emit, emit.getF32Type(), value);
  }

  Value bitsOf(Value value) {
    return arith::BitcastOp::create(emit, emit.getI32Type(), value);
  }

  /// Of a number that is not negative.
  Value isFiniteBits(Value bits) {
    return emit.less(bits, emit.i32(kInfinityBits));
  }

  Value largestMagnitude(Value row, Value low, Value high) {
    return emit
        .fold(low, high, ValueRange{emit.i32(0)},
              [&](Value k, ValueRange largest) -> SmallVector<Value> {
                Value bits = bitsOf(element(row, k));
                Value magnitude = emit.both(bits, emit.i32(0x7fffffff));
                return {emit.maxSigned(largest[0], magnitude)};
              })
        .front();
  }

  /// Runs of columns that share a sum: (number, first, end).
  void forRuns(function_ref<void(Value, Value, Value)> body) {
    int64_t group = op.getGroupSize(), columns = op.getNumColumns();
    emit.forEach(columns / group, [&](Value run) {
      Value low = emit.mul(run, emit.index(group));
      body(run, low, emit.add(low, emit.index(group)));
    });
    if (columns % group != 0)
      body(emit.index(columns / group), emit.index(columns / group * group),
           emit.index(columns));
  }

  /// Rounds to nearest, ties to even: beyond 2^23 f32 has no fractions.
  Value roundToInteger(Value value) {
    Value anchor = emit.f32(0x1.8p23);
    Value rounded = emit.sub(emit.add(value, anchor), anchor);
    return arith::FPToSIOp::create(emit, emit.getI32Type(), rounded);
  }

  void storeRun(Value row, Value run, Value low, Value high, Value inverse) {
    SmallVector<Value> sum = emit.fold(
        low, high, ValueRange{emit.i32(0)},
        [&](Value k, ValueRange carried) -> SmallVector<Value> {
          Value code = roundToInteger(emit.mul(element(row, k), inverse));
          emit.store(arith::TruncIOp::create(emit, emit.getI8Type(), code),
                     codes, {row, k});
          return {emit.add(carried[0], code)};
        });
    emit.store(sum.front(), sums, {row, run});
  }

  void storeZeros(Value row, Value run, Value low, Value high) {
    Value zero = arith::ConstantIntOp::create(emit, 0, 8);
    emit.forEach(low, high,
                 [&](Value k) { emit.store(zero, codes, {row, k}); });
    emit.store(emit.i32(0), sums, {row, run});
  }

  LoopEmitter &emit;
  QuantizeRowsOp op;
  Value codes, scales, sums;
};

} // namespace

void moe::emitQuantizeRows(LoopEmitter &emit, QuantizeRowsOp op) {
  RowQuantizer(emit, op).run();
}

//===- FloatSums.cpp - Rows times a panel of floats
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Sums.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

using namespace mlir;
using namespace mlir::moe;

namespace {

class FloatSums {
public:
  FloatSums(LoopEmitter &emit, GroupedMatmulOp op, const KernelTask &task)
      : emit(emit), op(op), task(task), schedule(*op.getSchedule()),
        packed(op.getBankType().getPacked()), lanes(schedule.getLanes()),
        vectors(packed.getPanel() / lanes), depth(packed.getDepth()) {}

  SmallVector<Value> run() {
    Value zero = arith::ConstantOp::create(
        emit, emit.getZeroAttr(vectorOf(emit.getF32Type())));
    SmallVector<Value> sums(task.banks.size() * task.numRows * vectors, zero);
    int64_t size = op.getBankType().getSliceShape()[1];
    int64_t steps = size / depth;
    // Long sums in f32 lose digits: those of parts are added up. What rounding
    // to bf16 loses is more.
    int64_t parts = 1;
    if (schedule.getDot() == Dot::FMA)
      parts = llvm::divideNearest(steps, kStepsOfSum);
    sums.push_back(task.prefetch);
    sums = parts <= 1 ? addSteps(emit.index(0), emit.index(steps), sums)
                      : addParts(parts, steps, zero, sums);
    sums.pop_back();
    if (size % depth != 0)
      sums = addStep(emit.index(steps), size % depth, sums);
    return sums;
  }

private:
  VectorType vectorOf(Type element, int64_t count = 0) {
    return VectorType::get(count ? count : lanes, element);
  }

  /// Index of the sum of a bank, row and vector among all sums.
  size_t at(size_t bank, size_t row, size_t vector) {
    return (bank * task.numRows + row) * vectors + vector;
  }

  /// Steps whose products are added one by one.
  static constexpr int64_t kStepsOfSum = 64;

  /// carried + steps [low, high); the last of `carried` is what to fetch.
  SmallVector<Value> addSteps(Value low, Value high, ValueRange carried) {
    return emit.fold(low, high, carried, [&](Value step, ValueRange carried) {
      SmallVector<Value> next = addStep(step, depth, carried.drop_back());
      next.push_back(emitPrefetch(emit, carried.back(), task));
      return next;
    });
  }

  /// carried + `steps` steps, of which each of `parts` parts has a sum of its
  /// own that starts from `zero`.
  SmallVector<Value> addParts(int64_t parts, int64_t steps, Value zero,
                              ValueRange carried) {
    auto boundary = [&](Value part) -> Value {
      Value scaled = emit.mul(part, emit.index(steps));
      return arith::DivUIOp::create(emit, scaled, emit.index(parts));
    };
    return emit.fold(
        emit.index(0), emit.index(parts), carried,
        [&](Value part, ValueRange totals) {
          SmallVector<Value> sums(totals.size() - 1, zero);
          sums.push_back(totals.back());
          sums = addSteps(boundary(part),
                          boundary(emit.add(part, emit.index(1))), sums);
          for (auto [sum, total] : llvm::zip(sums, totals.drop_back()))
            sum = emit.add(total, sum);
          return sums;
        });
  }

  /// sums + the products of step `step`, which has `count` columns of K.
  SmallVector<Value> addStep(Value step, int64_t count, ValueRange sums) {
    SmallVector<Value> next(sums);
    SmallVector<SmallVector<Value>> panels;
    for (Value bank : task.banks)
      panels.push_back(loadStep(bank, step));
    for (int64_t i = 0; i < task.numRows; ++i) {
      Value row = broadcastRow(task.sources[i], step, count);
      for (auto [b, panel] : llvm::enumerate(panels))
        for (auto [v, vector] : llvm::enumerate(panel)) {
          Value &sum = next[at(b, i, v)];
          sum = dot(row, vector, sum);
        }
    }
    return next;
  }

  /// The vectors of one step of a panel, as the dot instruction takes them.
  SmallVector<Value> loadStep(Value bank, Value step) {
    Type element = cast<MemRefType>(bank.getType()).getElementType();
    SmallVector<Value> loaded;
    for (int64_t v = 0; v < vectors; ++v) {
      Value vector = vector::LoadOp::create(
          emit, vectorOf(element, lanes * depth), bank,
          ValueRange{task.panel, step, emit.index(v * lanes * depth)});
      loaded.push_back(schedule.getDot() == Dot::FMA ? toF32(vector) : vector);
    }
    return loaded;
  }

  Value toF32(Value value) {
    if (getElementTypeOrSelf(value).isF32())
      return value;
    Type type = emit.getF32Type();
    if (auto vector = dyn_cast<VectorType>(value.getType()))
      type = vector.clone(type);
    return arith::ExtFOp::create(emit, type, value);
  }

  /// Columns [step * depth, step * depth + count) of a row, in every lane.
  Value broadcastRow(Value row, Value step, int64_t count) {
    Value from = op.getRows();
    if (schedule.getDot() == Dot::FMA) {
      Value element = toF32(emit.load(from, {row, step}));
      return vector::BroadcastOp::create(emit, vectorOf(emit.getF32Type()),
                                         element);
    }
    Value column = emit.mul(step, emit.index(depth));
    Type bf16 = emit.getBF16Type();
    Value pair;
    if (count == depth) {
      pair = vector::LoadOp::create(emit, vectorOf(bf16, depth), from,
                                    ValueRange{row, column});
    } else {
      Value zero = arith::ConstantOp::create(emit, emit.getZeroAttr(bf16));
      pair = vector::FromElementsOp::create(
          emit, vectorOf(bf16, depth),
          ValueRange{emit.load(from, {row, column}), zero});
    }
    Type i32 = emit.getI32Type();
    Value bits = vector::BitCastOp::create(emit, vectorOf(i32, 1), pair);
    Value scalar = vector::ExtractOp::create(emit, bits, ArrayRef<int64_t>{0});
    Value all = vector::BroadcastOp::create(emit, vectorOf(i32), scalar);
    return vector::BitCastOp::create(emit, vectorOf(bf16, lanes * depth), all);
  }

  Value dot(Value row, Value vector, Value sum) {
    switch (schedule.getDot()) {
    case Dot::FMA:
      return vector::FMAOp::create(emit, row, vector, sum);
    case Dot::BF16Pairs:
      return LLVM::CallIntrinsicOp::create(
                 emit, sum.getType(),
                 emit.getStringAttr("llvm.x86.avx512bf16.dpbf16ps." +
                                    Twine(lanes * 32)),
                 ValueRange{sum, row, vector})
          .getResult(0);
    case Dot::I8Quads:
      llvm_unreachable("checked: products of codes are no floats");
    }
    llvm_unreachable("all instructions are handled");
  }

  LoopEmitter &emit;
  GroupedMatmulOp op;
  const KernelTask &task;
  CPUScheduleAttr schedule;
  PackedAttr packed;
  int64_t lanes, vectors, depth;
};

} // namespace

SmallVector<Value> moe::emitFloatSums(LoopEmitter &emit, GroupedMatmulOp op,
                                      const KernelTask &task) {
  return FloatSums(emit, op, task).run();
}

//===- Plan.cpp - moe.plan as loops
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "MoEToLoops.h"
#include <limits>

using namespace mlir;
using namespace mlir::moe;

namespace {

class PlanEmitter {
public:
  PlanEmitter(LoopEmitter &emit, PlanOp op)
      : emit(emit), op(op), experts(op.getNumExperts()), topK(op.getTopK()),
        counts(op.getInto()[0]), offsets(op.getInto()[1]),
        source(op.getInto()[2]), position(op.getInto()[3]),
        weights(op.getInto()[4]) {}

  void run() {
    tokens = emit.dim(op.getIds(), 0);
    emit.forEach(experts, [&](Value e) { emit.store(emit.i32(0), counts, e); });
    // First who is kept: position is 0 for a kept slot and -1 for others.
    if (op.isDropless())
      keepAll();
    else
      keepWithinCapacity();
    emitOffsets();
    emitRows();
    emitWeights();
  }

private:
  Value idOf(Value t, Value j) { return emit.load(op.getIds(), {t, j}); }
  Value isExpert(Value id) { return emit.isInside(id, emit.i32(experts)); }
  void increment(Value memref, Value i) {
    emit.store(emit.add(emit.load(memref, i), emit.i32(1)), memref, i);
  }
  void forSlots(function_ref<void(Value, Value)> body) {
    emit.forEach(emit.index(0), tokens, [&](Value t) {
      emit.forEach(topK, [&](Value j) { body(t, j); });
    });
  }

  void keepAll() {
    forSlots([&](Value t, Value j) {
      Value id = idOf(t, j);
      emit.ifThenElse(
          isExpert(id),
          [&] {
            emit.store(emit.i32(0), position, {t, j});
            increment(counts, emit.toIndex(id));
          },
          [&] { emit.store(emit.i32(-1), position, {t, j}); });
    });
  }

  /// Slots claim a place in order of priority, segment by segment.
  void keepWithinCapacity() {
    Type i32 = emit.getI32Type();
    Value used = emit.alloc({experts}, i32);
    Value order;
    if (op.getPriority() == Priority::Batch) {
      order = emit.alloc({ShapedType::kDynamic}, i32, tokens);
      scratch = emit.alloc({ShapedType::kDynamic}, i32, tokens);
      emitPriorities();
    }
    auto segment = [&](Value first, Value last) {
      emit.forEach(experts, [&](Value e) { emit.store(emit.i32(0), used, e); });
      if (order)
        sortTokens(order, first, last);
      emit.forEach(topK, [&](Value j) {
        emit.forEach(first, last, [&](Value i) {
          Value t = order ? emit.toIndex(emit.load(order, i)) : i;
          claim(t, j, used);
        });
      });
    };
    Value bounds = op.getSegmentOffsets();
    if (!bounds)
      return segment(emit.index(0), tokens);
    // Segments neither overlap nor leave the tokens, whatever their bounds are;
    // tokens outside of them have no row.
    forSlots(
        [&](Value t, Value j) { emit.store(emit.i32(-1), position, {t, j}); });
    Value segments = emit.sub(emit.dim(bounds, 0), emit.index(1));
    emit.fold(emit.index(0), segments, ValueRange{emit.index(0)},
              [&](Value i, ValueRange carried) -> SmallVector<Value> {
                Value next = emit.add(i, emit.index(1));
                Value bound = emit.toIndex(emit.load(bounds, next));
                Value first = carried[0];
                Value last =
                    emit.minSigned(emit.maxSigned(bound, first), tokens);
                segment(first, last);
                return {last};
              });
  }

  void claim(Value t, Value j, Value used) {
    Value id = idOf(t, j);
    emit.store(emit.i32(-1), position, {t, j});
    emit.ifThen(isExpert(id), [&] {
      Value e = emit.toIndex(id);
      Value place = emit.toIndex(emit.load(used, e));
      emit.ifThen(emit.less(place, op.getCapacity()), [&] {
        emit.store(emit.i32(0), position, {t, j});
        increment(counts, e);
      });
      increment(used, e);
    });
  }

  /// What orders the tokens: the operand, or the largest weight of the slots
  /// that hold an expert.
  void emitPriorities() {
    priorities = op.getPriorityScores();
    if (priorities)
      return;
    priorities = emit.alloc({ShapedType::kDynamic}, emit.getF32Type(), tokens);
    emit.forEach(emit.index(0), tokens, [&](Value t) {
      Value lowest = emit.f32(std::numeric_limits<double>::quiet_NaN());
      Value largest = emit.fold(topK, lowest, [&](Value j, Value largest) {
        Value weight = emit.load(op.getWeights(), {t, j});
        Value wins =
            emit.both(isExpert(idOf(t, j)), emit.ranksBefore(weight, largest));
        return emit.select(wins, weight, largest);
      });
      emit.store(largest, priorities, t);
    });
  }

  /// order[first..last) = the tokens first..last, higher priority first, ties
  /// by token: a bottom-up merge sort, which is stable.
  void sortTokens(Value order, Value first, Value last) {
    emit.forEach(first, last,
                 [&](Value i) { emit.store(emit.toI32(i), order, i); });
    Value length = emit.sub(last, first);
    Type index = emit.getIndexType();
    auto loop =
        scf::WhileOp::create(emit, TypeRange{index}, ValueRange{emit.index(1)});
    OpBuilder::InsertionGuard guard(emit);
    Block *before =
        emit.createBlock(&loop.getBefore(), {}, index, emit.getLoc());
    scf::ConditionOp::create(emit, emit.less(before->getArgument(0), length),
                             before->getArguments());
    Block *after = emit.createBlock(&loop.getAfter(), {}, index, emit.getLoc());
    Value width = after->getArgument(0);
    Value twice = emit.add(width, width);
    auto runs = scf::ForOp::create(emit, first, last, twice);
    {
      OpBuilder::InsertionGuard inner(emit);
      emit.setInsertionPointToStart(runs.getBody());
      Value low = runs.getInductionVar();
      Value middle = emit.minSigned(emit.add(low, width), last);
      merge(order, low, middle, emit.minSigned(emit.add(low, twice), last));
    }
    emit.forEach(first, last,
                 [&](Value i) { emit.store(emit.load(scratch, i), order, i); });
    scf::YieldOp::create(emit, twice);
  }

  /// scratch[low..high) = the runs [low, middle) and [middle, high) merged.
  void merge(Value order, Value low, Value middle, Value high) {
    emit.fold(low, high, ValueRange{low, middle},
              [&](Value out, ValueRange carried) -> SmallVector<Value> {
                Value a = carried[0], b = carried[1];
                Value hasA = emit.less(a, middle), hasB = emit.less(b, high);
                // Loads stay inside the runs even when one of them is used up.
                Value one = emit.index(1);
                Value lastA = emit.minSigned(a, emit.sub(high, one));
                Value lastB = emit.minSigned(b, emit.sub(high, one));
                Value tokenA = emit.load(order, lastA);
                Value tokenB = emit.load(order, lastB);
                Value priorityA = emit.load(priorities, emit.toIndex(tokenA));
                Value priorityB = emit.load(priorities, emit.toIndex(tokenB));
                Value bFirst = emit.ranksBefore(priorityB, priorityA);
                Value takeB =
                    emit.both(hasB, emit.either(emit.negate(hasA), bFirst));
                emit.store(emit.select(takeB, tokenB, tokenA), scratch, out);
                return {emit.select(takeB, a, emit.add(a, one)),
                        emit.select(takeB, emit.add(b, one), b)};
              });
  }

  /// offsets = prefix sums of counts
  void emitOffsets() {
    emit.store(emit.i32(0), offsets, emit.index(0));
    emit.fold(experts, emit.i32(0), [&](Value e, Value sum) {
      Value next = emit.add(sum, emit.load(counts, e));
      emit.store(next, offsets, emit.add(e, emit.index(1)));
      return next;
    });
  }

  /// The kept slots get their rows, in token order inside a group.
  void emitRows() {
    Value next = emit.alloc({experts}, emit.getI32Type());
    emit.forEach(experts,
                 [&](Value e) { emit.store(emit.load(offsets, e), next, e); });
    forSlots([&](Value t, Value j) {
      Value kept = emit.atLeast(emit.load(position, {t, j}), emit.i32(0));
      emit.ifThen(kept, [&] {
        Value e = emit.toIndex(idOf(t, j));
        Value row = emit.load(next, e);
        emit.store(emit.add(row, emit.i32(1)), next, e);
        emit.store(emit.toI32(t), source, emit.toIndex(row));
        emit.store(row, position, {t, j});
      });
    });
  }

  void emitWeights() {
    emit.forEach(emit.index(0), tokens, [&](Value t) {
      auto isKept = [&](Value j) {
        return emit.atLeast(emit.load(position, {t, j}), emit.i32(0));
      };
      Value norm;
      if (op.getRenormalize())
        norm = emitNorm(emit, *op.getRenormalize(), topK, [&](Value j) {
          return emit.select(isKept(j), emit.load(op.getWeights(), {t, j}),
                             emit.f32(0));
        });
      emit.forEach(topK, [&](Value j) {
        Value weight = emit.load(op.getWeights(), {t, j});
        Value kept = weight;
        if (norm) {
          Value zero = emit.equalF(norm, emit.f32(0));
          kept = emit.select(zero, emit.f32(0), emit.div(weight, norm));
        }
        // A dropped slot keeps its weight for the token itself, or loses it.
        Value dropped = emit.f32(0);
        if (op.getOverflow() == Overflow::Residual)
          dropped = emit.select(isExpert(idOf(t, j)), weight, emit.f32(0));
        emit.store(emit.select(isKept(j), kept, dropped), weights, {t, j});
      });
    });
  }

  LoopEmitter &emit;
  PlanOp op;
  int64_t experts, topK;
  Value counts, offsets, source, position, weights;
  Value tokens, priorities, scratch;
};

} // namespace

void moe::emitPlan(LoopEmitter &emit, PlanOp op) {
  PlanEmitter(emit, op).run();
}

//===- Router.cpp - moe.router as loops
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Follows the steps of docs/spec/router.md for one token at a time, with a few
// rows of E values as scratch. Threads share the tokens; each range of them has
// scratch of its own.
//
//===----------------------------------------------------------------------===//

#include "MoEToLoops.h"
#include <limits>

using namespace mlir;
using namespace mlir::moe;

namespace {

class RouterEmitter {
public:
  RouterEmitter(LoopEmitter &emit, RouterOp op)
      : emit(emit), op(op), experts(op.getNumExperts()), topK(op.getTopK()),
        weights(op.getInto()[0]), ids(op.getInto()[1]),
        needsScores(op.getDomain() == ScoreDomain::All || op.returnsScores() ||
                    !op.comparesLogits()) {}

  void run() {
    Type f32 = emit.getF32Type();
    Value logits = emit.alloc({kMostRanges, experts}, f32);
    Value keys = emit.alloc({kMostRanges, experts}, f32);
    Value scores =
        needsScores ? emit.alloc({kMostRanges, experts}, f32) : Value();
    Value marks, orders;
    if (usesThreshold())
      marks = emit.alloc({kMostRanges, experts}, emit.getI1Type());
    else if (op.getSelection() != Selection::Table)
      orders = emit.alloc({kMostRanges, experts}, emit.getI64Type());
    Value groupScores;
    if (auto limit = op.getGroupLimit())
      groupScores = emit.alloc({kMostRanges, limit->getGroups()}, f32);
    // Each pass over the scores costs about half a step per expert.
    RowCost cost = {experts * (topK + 8) / 2};
    RowLoop::create(emit, emit.dim(op.getLogits(), 0), cost,
                    [&](Value range, Value low, Value high) {
                      z = emit.row(logits, range);
                      key = emit.row(keys, range);
                      s = scores ? emit.row(scores, range) : Value();
                      if (marks)
                        taken = emit.row(marks, range);
                      if (orders)
                        order = emit.row(orders, range);
                      if (groupScores)
                        groupScore = emit.row(groupScores, range);
                      emitTokens(low, high);
                    });
  }

private:
  /// SparseMixer: the weight of a slot depends on who was selected before.
  bool usesThreshold() { return op.getDomain() == ScoreDomain::Threshold; }

  void emitTokens(Value low, Value high) {
    emit.forEach(low, high, [&](Value token) {
      t = token;
      loadLogits();
      if (needsScores)
        emitScores();
      if (op.getSelection() != Selection::Table) {
        emitKeys();
        if (op.getGroupLimit())
          limitGroups(*op.getGroupLimit());
      }
      select();
      if (op.getDomain() == ScoreDomain::Selected &&
          op.getScore() == Score::Softmax)
        softmaxOverSelected();
      finishWeights();
    });
  }

  Value isExpert(Value id) { return emit.isInside(id, emit.i32(experts)); }

  /// z[e] = normalised logits[t, e]
  void loadLogits() {
    auto norm = op.getLogitNorm();
    auto logit = [&](Value e) { return emit.load(op.getLogits(), {t, e}); };
    Value mean, factor;
    if (norm && norm->getKind() == LogitNorm::ZScore) {
      Value count = emit.f32(experts);
      mean = emit.div(emit.fold(experts, emit.f32(0),
                                [&](Value e, Value sum) {
                                  return emit.add(sum, logit(e));
                                }),
                      count);
      Value squares = emit.fold(experts, emit.f32(0), [&](Value e, Value sum) {
        Value d = emit.sub(logit(e), mean);
        return emit.add(sum, emit.mul(d, d));
      });
      Value deviation = math::SqrtOp::create(emit, emit.div(squares, count));
      factor =
          emit.div(emit.f32(norm->getValue().convertToDouble()), deviation);
    }
    emit.forEach(experts, [&](Value e) {
      Value value = logit(e);
      if (norm) {
        Value c = emit.f32(norm->getValue().convertToDouble());
        switch (norm->getKind()) {
        case LogitNorm::None:
          break;
        case LogitNorm::ZScore:
          value = emit.mul(emit.sub(value, mean), factor);
          break;
        case LogitNorm::SoftCap:
          value = emit.mul(c, math::TanhOp::create(emit, emit.div(value, c)));
          break;
        case LogitNorm::Scale:
          value = emit.mul(c, value);
          break;
        }
      }
      emit.store(value, z, e);
    });
  }

  /// A score that looks at one logit only.
  Value pointwise(Value logit) {
    switch (op.getScore()) {
    case Score::Sigmoid: {
      Value negated = arith::NegFOp::create(emit, logit);
      return emit.div(emit.f32(1), emit.add(emit.f32(1), emit.exp(negated)));
    }
    case Score::SqrtSoftplus: {
      // log(1 + e^z) = max(z, 0) + log1p(e^-|z|), which cannot overflow.
      Value negated = arith::NegFOp::create(emit, emit.abs(logit));
      Value tail = log1p(emit.exp(negated));
      Value softplus = emit.add(emit.maximum(logit, emit.f32(0)), tail);
      return math::SqrtOp::create(emit, softplus);
    }
    case Score::Identity:
    case Score::Softmax:
      return logit;
    }
    llvm_unreachable("all scores are handled");
  }

  /// log(1 + x) for x in [0, 1], to full precision for small x too (upstream
  /// lowers math.log1p to log(1 + x)): the rounding of u = 1 + x is undone by
  /// the factor x / (u - 1).
  Value log1p(Value x) {
    Value u = emit.add(emit.f32(1), x);
    Value rounded = emit.sub(u, emit.f32(1));
    Value tiny = emit.equalF(rounded, emit.f32(0));
    Value divisor = emit.select(tiny, emit.f32(1), rounded);
    Value logarithm = math::LogOp::create(emit, u);
    return emit.select(tiny, x, emit.div(emit.mul(logarithm, x), divisor));
  }

  /// s[e] = score(z)[e]
  void emitScores() {
    if (op.getScore() != Score::Softmax) {
      emit.forEach(experts, [&](Value e) {
        emit.store(pointwise(emit.load(z, e)), s, e);
      });
    } else {
      Value peak = largestLogit();
      // The exponentials have a loop of their own, which vectorizes.
      emit.forEach(experts, [&](Value e) {
        emit.store(emit.exp(emit.sub(emit.load(z, e), peak)), s, e);
      });
      Value sum = emit.fold(experts, emit.f32(0), [&](Value e, Value sum) {
        return emit.addInAnyOrder(sum, emit.load(s, e));
      });
      emit.forEach(experts, [&](Value e) {
        emit.store(emit.div(emit.load(s, e), sum), s, e);
      });
    }
    if (op.returnsScores())
      emit.forEach(experts, [&](Value e) {
        emit.store(emit.load(s, e), op.getInto()[2], {t, e});
      });
  }

  /// Of z, found among integers, which LLVM vectorizes. Beside a NaN it may be
  /// any of them: the sum of the exponentials is NaN all the same.
  Value largestLogit() {
    Value lowest = emit.i32(std::numeric_limits<int32_t>::min());
    Value largest = emit.fold(experts, lowest, [&](Value e, Value largest) {
      Value bits =
          arith::BitcastOp::create(emit, emit.getI32Type(), emit.load(z, e));
      return emit.maxSigned(largest, orderOfBits(bits));
    });
    return arith::BitcastOp::create(emit, emit.getF32Type(),
                                    orderOfBits(largest));
  }

  void emitKeys() {
    emit.forEach(experts, [&](Value e) {
      Value value = emit.load(op.comparesLogits() ? z : s, e);
      if (op.getBias())
        value = emit.add(value, emit.load(op.getBias(), e));
      emit.store(value, key, e);
    });
  }

  /// How many of `count` values of `memref` from `first` on rank before the one
  /// at first + i.
  Value rank(Value memref, Value first, Value i, int64_t count) {
    Value mine = emit.load(memref, emit.add(first, i));
    return emit.fold(count, emit.index(0), [&](Value j, Value before) {
      Value other = emit.load(memref, emit.add(first, j));
      Value tie = emit.negate(emit.either(emit.ranksBefore(mine, other),
                                          emit.ranksBefore(other, mine)));
      Value wins = emit.either(emit.ranksBefore(other, mine),
                               emit.both(tie, emit.less(j, i)));
      return emit.select(wins, emit.add(before, emit.index(1)), before);
    });
  }

  /// Replaces the keys of all experts outside the best groups.
  void limitGroups(GroupLimitAttr limit) {
    int64_t size = experts / limit.getGroups();
    Value zero = emit.index(0);
    emit.forEach(limit.getGroups(), [&](Value g) {
      Value first = emit.mul(g, emit.index(size));
      int64_t top = limit.getScore() == GroupScore::Max ? 1 : limit.getTop();
      Value score = emit.fold(size, emit.f32(0), [&](Value i, Value sum) {
        Value isTop = emit.less(rank(key, first, i, size), emit.index(top));
        Value value = emit.load(key, emit.add(first, i));
        return emit.select(isTop, emit.add(sum, value), sum);
      });
      emit.store(score, groupScore, g);
    });
    Value fill = emit.f32(limit.getFill() == GroupFill::Zero
                              ? 0.0
                              : -std::numeric_limits<double>::infinity());
    emit.forEach(limit.getGroups(), [&](Value g) {
      Value first = emit.mul(g, emit.index(size));
      Value kept = emit.less(rank(groupScore, zero, g, limit.getGroups()),
                             emit.index(limit.getKeep()));
      emit.ifThen(emit.negate(kept), [&] {
        emit.forEach(
            size, [&](Value i) { emit.store(fill, key, emit.add(first, i)); });
      });
    });
  }

  /// Fills ids[t], and weights[t] as far as one selected expert decides it.
  void select() {
    if (op.getSelection() == Selection::Table) {
      emit.forEach(topK, [&](Value j) {
        Value id = emit.load(op.getTable(), {t, j});
        emit.store(id, ids, {t, j});
        emit.ifThenElse(
            isExpert(id),
            [&] { emit.store(weightOf(emit.toIndex(id)), weights, {t, j}); },
            [&] { emit.store(emit.f32(0), weights, {t, j}); });
      });
      return;
    }
    if (usesThreshold())
      return selectByThreshold();
    sortBest();
    emit.forEach(topK, [&](Value j) {
      Value best = emit.toIndex(emit.load(ids, {t, j}));
      emit.store(weightOf(best), weights, {t, j});
    });
  }

  void selectByThreshold() {
    emit.forEach(experts,
                 [&](Value e) { emit.store(emit.boolean(false), taken, e); });
    emit.forEach(topK, [&](Value j) {
      Value best = argmax();
      emit.store(emit.toI32(best), ids, {t, j});
      emit.store(thresholdWeight(best), weights, {t, j});
      emit.store(emit.boolean(true), taken, best);
    });
  }

  /// Fills ids[t] with the experts whose keys rank first, in order. Each of k
  /// passes finds the largest number below the one before: no branch depends on
  /// data, and LLVM vectorizes it.
  void sortBest() {
    emit.forEach(experts, [&](Value e) {
      emit.store(orderOf(emit.load(key, e), e), order, e);
    });
    Value first = emit.i64(std::numeric_limits<int64_t>::max());
    Value none = emit.i64(std::numeric_limits<int64_t>::min());
    emit.fold(emit.index(0), emit.index(topK), ValueRange{first},
              [&](Value j, ValueRange last) -> SmallVector<Value> {
                Value best = emit.fold(experts, none, [&](Value e, Value best) {
                  Value mine = emit.load(order, e);
                  Value isLeft = emit.less(mine, last[0]);
                  return emit.maxSigned(best, emit.select(isLeft, mine, none));
                });
                emit.store(expertOf(best), ids, {t, j});
                return {best};
              });
  }

  /// A number for expert `e` that no other one has, and that is larger for
  /// those that rank before: the bits of the key, as an integer of the same
  /// order, before those of ~e. NaNs are all alike, and so are zeros.
  Value orderOf(Value mine, Value e) {
    Value zero = emit.f32(0);
    Value bits = arith::BitcastOp::create(
        emit, emit.getI32Type(),
        emit.select(emit.equalF(mine, zero), zero, mine));
    Value ordered = emit.select(emit.isNaN(mine),
                                emit.i32(std::numeric_limits<int32_t>::min()),
                                orderOfBits(bits));
    Type i64 = emit.getI64Type();
    Value high = arith::ShLIOp::create(
        emit, arith::ExtSIOp::create(emit, i64, ordered), emit.i64(32));
    Value low = arith::ExtUIOp::create(emit, i64, complement(emit.toI32(e)));
    return emit.either(high, low);
  }

  /// The bits of an f32 as an integer of the same order, and back: the larger
  /// the magnitude, the smaller is a negative number.
  Value orderOfBits(Value bits) {
    Value sign = arith::ShRSIOp::create(emit, bits, emit.i32(31));
    return arith::XOrIOp::create(emit, bits,
                                 emit.both(sign, emit.i32(0x7fffffff)));
  }

  Value expertOf(Value order) {
    return complement(arith::TruncIOp::create(emit, emit.getI32Type(), order));
  }

  Value complement(Value i32) {
    return arith::XOrIOp::create(emit, i32, emit.i32(-1));
  }

  /// The expert not yet taken whose key ranks first; ties to the lower index.
  Value argmax() {
    Value none = emit.index(-1);
    SmallVector<Value> best = emit.fold(
        emit.index(0), emit.index(experts), ValueRange{none, emit.f32(0)},
        [&](Value e, ValueRange carried) -> SmallVector<Value> {
          Value mine = emit.load(key, e);
          Value first = emit.less(carried[0], emit.index(0));
          Value wins =
              emit.both(emit.negate(emit.load(taken, e)),
                        emit.either(first, emit.ranksBefore(mine, carried[1])));
          return {emit.select(wins, e, carried[0]),
                  emit.select(wins, mine, carried[1])};
        });
    return best[0];
  }

  /// The weight before normalisation; with a softmax over the selected logits,
  /// the logit for now.
  Value weightOf(Value expert) {
    if (op.getDomain() == ScoreDomain::All)
      return emit.load(s, expert);
    return pointwise(emit.load(z, expert));
  }

  /// SparseMixer: softmax over the logits not taken whose relative distance
  /// from the largest one, at `best`, is at most the threshold.
  Value thresholdWeight(Value best) {
    Value peak = emit.load(z, best);
    Value threshold = emit.f32(op.getThreshold()->convertToDouble());
    Value sum = emit.fold(experts, emit.f32(0), [&](Value e, Value sum) {
      Value logit = emit.load(z, e);
      Value distance =
          emit.div(emit.sub(peak, logit), emit.maximum(emit.abs(logit), peak));
      // A distance of 0 / 0 or NaN is not above the threshold.
      Value near = emit.negate(emit.greater(distance, threshold));
      Value counts = emit.both(near, emit.negate(emit.load(taken, e)));
      Value term = emit.exp(emit.sub(logit, peak));
      return emit.select(counts, emit.add(sum, term), sum);
    });
    return emit.div(emit.f32(1), sum);
  }

  /// weights[t] = softmax(weights[t]) over the slots that hold an expert.
  void softmaxOverSelected() {
    bool mayBeNone = op.getSelection() == Selection::Table;
    auto holds = [&](Value j) {
      return mayBeNone ? isExpert(emit.load(ids, {t, j})) : emit.boolean(true);
    };
    Value lowest = emit.f32(-std::numeric_limits<double>::infinity());
    Value peak = emit.fold(topK, lowest, [&](Value j, Value m) {
      Value value = emit.load(weights, {t, j});
      return emit.maximum(m, emit.select(holds(j), value, lowest));
    });
    Value sum = emit.fold(topK, emit.f32(0), [&](Value j, Value sum) {
      Value value = emit.exp(emit.sub(emit.load(weights, {t, j}), peak));
      value = emit.select(holds(j), value, emit.f32(0));
      emit.store(value, weights, {t, j});
      return emit.add(sum, value);
    });
    emit.forEach(topK, [&](Value j) {
      Value value = emit.div(emit.load(weights, {t, j}), sum);
      value = emit.select(holds(j), value, emit.f32(0));
      emit.store(value, weights, {t, j});
    });
  }

  /// Normalises and scales weights[t].
  void finishWeights() {
    auto normalize = op.getNormalize();
    if (!normalize && !op.getScale() && !op.getExpertScale())
      return;
    Value norm;
    if (normalize)
      norm = emitNorm(emit, *normalize, topK,
                      [&](Value j) { return emit.load(weights, {t, j}); });
    bool mayBeNone = op.getSelection() == Selection::Table;
    emit.forEach(topK, [&](Value j) {
      auto finish = [&](Value id) {
        Value value = emit.load(weights, {t, j});
        if (norm)
          value = emit.div(value, norm);
        if (op.getScale())
          value = emit.mul(value, emit.f32(op.getScale()->convertToDouble()));
        if (op.getExpertScale())
          value =
              emit.mul(value, emit.load(op.getExpertScale(), emit.toIndex(id)));
        emit.store(value, weights, {t, j});
      };
      Value id = emit.load(ids, {t, j});
      if (mayBeNone)
        emit.ifThen(isExpert(id), [&] { finish(id); });
      else
        finish(id);
    });
  }

  LoopEmitter &emit;
  RouterOp op;
  int64_t experts, topK;
  Value weights, ids;
  bool needsScores;
  /// Scratch, E values each: logits, scores, keys, who is taken, the keys as
  /// integers; and the score of each group.
  Value z, s, key, taken, order, groupScore;
  Value t; ///< the token
};

} // namespace

void moe::emitRouter(LoopEmitter &emit, RouterOp op) {
  RouterEmitter(emit, op).run();
}

//===- PlanTest.cpp - Which slots are kept, and where they go -------------===//
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "TestTensor.h"
#include "moe_rt/reference.h"

#include <cmath>
#include <limits>
#include <optional>
#include <utility>

using namespace moe::reference;

namespace {

constexpr double notANumber = std::numeric_limits<double>::quiet_NaN();
constexpr int64_t noCapacity = -1;

using KeepSet = std::vector<std::pair<int64_t, int64_t>>;

/// One call, with N = T * k rows and results of the right shape.
struct PlanCall {
  PlanCall(int64_t experts, const TestTensor &ids, const TestTensor &weights)
      : ids(ids), weights(weights), counts(indexResult({experts})),
        offsets(indexResult({experts + 1})),
        source(indexResult({ids.base.shape[0] * ids.base.shape[1]})),
        position(indexResult({ids.base.shape[0], ids.base.shape[1]})),
        outWeights(realResult({ids.base.shape[0], ids.base.shape[1]})) {
    attrs.num_experts = experts;
  }

  PlanCall &dropping(int64_t limit, moe_overflow overflow = MOE_OVERFLOW_ZERO,
                     moe_priority priority = MOE_PRIORITY_POSITIONAL) {
    capacity = limit;
    attrs.overflow = overflow;
    attrs.priority = priority;
    return *this;
  }

  PlanCall &renormalizing(moe_eps_mode mode = MOE_EPS_NONE, double eps = 0) {
    attrs.renormalize = {MOE_NORMALIZE_LP, mode, 1.0, eps};
    return *this;
  }

  int32_t run() {
    auto get = [](std::optional<TestTensor> &tensor) -> moe_tensor * {
      return tensor ? &tensor->base : nullptr;
    };
    return moe_ref_plan(&attrs, weights, ids, get(segments), capacity,
                        get(priorityScores), counts, offsets, source, position,
                        outWeights, &error);
  }

  void runOk() { ASSERT_EQ(run(), MOE_OK) << error.message; }

  void expectRefused(const char *tag) {
    expectError(run(), error, tag);
    for (int32_t row : position.integers())
      EXPECT_EQ(row, untouchedIndex);
    for (int32_t token : source.integers())
      EXPECT_EQ(token, untouchedIndex);
  }

  /// The slots that have a row, token by token.
  KeepSet keptSlots() const {
    KeepSet result;
    int64_t slots = ids.base.shape[1];
    for (int64_t t = 0; t < ids.base.shape[0]; ++t)
      for (int64_t slot = 0; slot < slots; ++slot)
        if (position.integer(t * slots + slot) >= 0)
          result.push_back({t, slot});
    return result;
  }

  moe_plan_attrs attrs = {};
  int64_t capacity = noCapacity;
  TestTensor ids, weights;
  std::optional<TestTensor> segments, priorityScores;
  TestTensor counts, offsets, source, position, outWeights;
  moe_error error;
};

/// Five tokens with two choices each among three experts.
PlanCall fiveTokens() {
  return PlanCall(
      3, i32({5, 2}, {0, 1, 0, 2, 0, 1, 1, 0, 1, 2}),
      f64({5, 2}, {0.5, 0.05, 0.6, 0.05, 0.9, 0.05, 0.7, 0.05, 0.4, 0.05}));
}

/// One slot per token.
PlanCall topOne(int64_t experts, const std::vector<int32_t> &ids) {
  int64_t tokens = static_cast<int64_t>(ids.size());
  return PlanCall(experts, i32({tokens, 1}, ids),
                  f64({tokens, 1}, std::vector<double>(tokens, 1.0)));
}

} // namespace

//===----------------------------------------------------------------------===//
// Keep sets
//===----------------------------------------------------------------------===//

TEST(PlanVectors, SlotMajorPositional) {
  PlanCall call = fiveTokens().dropping(2);
  call.runOk();
  EXPECT_EQ(call.keptSlots(),
            (KeepSet{{0, 0}, {1, 0}, {1, 1}, {3, 0}, {4, 0}, {4, 1}}));
  EXPECT_EQ(call.counts.integers(), (std::vector<int32_t>{2, 2, 2}));
  EXPECT_EQ(call.offsets.integers(), (std::vector<int32_t>{0, 2, 4, 6}));
  std::vector<int32_t> source(10, untouchedIndex);
  std::copy_n(std::vector<int32_t>{0, 1, 3, 4, 1, 4}.begin(), 6,
              source.begin());
  EXPECT_EQ(call.source.integers(), source);
  EXPECT_EQ(call.position.integers(),
            (std::vector<int32_t>{0, -1, 1, 4, -1, -1, 2, -1, 3, 5}));
  expectNear(call.outWeights.reals(),
             {0.5, 0, 0.6, 0.05, 0, 0, 0.7, 0, 0.4, 0.05});
}

TEST(PlanVectors, BatchPriority) {
  PlanCall call =
      fiveTokens().dropping(2, MOE_OVERFLOW_ZERO, MOE_PRIORITY_BATCH);
  call.runOk();
  EXPECT_EQ(call.keptSlots(),
            (KeepSet{{1, 0}, {1, 1}, {2, 0}, {3, 0}, {4, 0}, {4, 1}}));
  // The order of claims does not show in the rows: token order in each group.
  EXPECT_EQ(call.position.integers(),
            (std::vector<int32_t>{-1, -1, 0, 4, 1, -1, 2, -1, 3, 5}));
}

TEST(Plan, BatchPriorityByGivenScores) {
  PlanCall call = topOne(1, {0, 0, 0, 0})
                      .dropping(2, MOE_OVERFLOW_ZERO, MOE_PRIORITY_BATCH);
  call.priorityScores = f32({4}, {1, 3, 3, 2});
  call.runOk();
  EXPECT_EQ(call.keptSlots(), (KeepSet{{1, 0}, {2, 0}}));
}

TEST(Plan, BatchPriorityTiesTakeTheLowerToken) {
  PlanCall call =
      topOne(1, {0, 0, 0}).dropping(2, MOE_OVERFLOW_ZERO, MOE_PRIORITY_BATCH);
  call.runOk();
  EXPECT_EQ(call.keptSlots(), (KeepSet{{0, 0}, {1, 0}}));
}

TEST(Plan, BatchPriorityRanksNaNLast) {
  PlanCall call(1, i32({3, 1}, {0, 0, 0}), f64({3, 1}, {notANumber, -2, -1}));
  call.dropping(2, MOE_OVERFLOW_ZERO, MOE_PRIORITY_BATCH).runOk();
  EXPECT_EQ(call.keptSlots(), (KeepSet{{1, 0}, {2, 0}}));
}

TEST(Plan, BatchPriorityIgnoresTheWeightOfNone) {
  PlanCall call(1, i32({2, 2}, {0, -1, 0, -1}), f64({2, 2}, {1, 9, 2, 0}));
  call.dropping(1, MOE_OVERFLOW_ZERO, MOE_PRIORITY_BATCH).runOk();
  EXPECT_EQ(call.keptSlots(), (KeepSet{{1, 0}}));
}

TEST(Plan, AllToOneExpert) {
  PlanCall call = topOne(4, {2, 2, 2, 2, 2}).dropping(3);
  call.runOk();
  EXPECT_EQ(call.counts.integers(), (std::vector<int32_t>{0, 0, 3, 0}));
  EXPECT_EQ(call.offsets.integers(), (std::vector<int32_t>{0, 0, 0, 3, 3}));
  EXPECT_EQ(call.position.integers(), (std::vector<int32_t>{0, 1, 2, -1, -1}));
}

TEST(Plan, CapacityZeroDropsAll) {
  PlanCall call = fiveTokens().dropping(0).renormalizing();
  call.runOk();
  EXPECT_TRUE(call.keptSlots().empty());
  EXPECT_EQ(call.offsets.integers(), (std::vector<int32_t>{0, 0, 0, 0}));
  expectNear(call.outWeights.reals(), std::vector<double>(10, 0.0));
}

TEST(Plan, CapacityOfAllTokensDropsNothing) {
  PlanCall bounded = fiveTokens().dropping(5), free = fiveTokens();
  bounded.runOk();
  free.runOk();
  EXPECT_EQ(bounded.position.integers(), free.position.integers());
  EXPECT_EQ(bounded.outWeights.reals(), free.outWeights.reals());
  EXPECT_EQ(free.keptSlots().size(), 10u);
}

TEST(Plan, NoneClaimsNothing) {
  PlanCall call(2, i32({3, 2}, {-1, 0, 0, -1, -1, -1}),
                f64({3, 2}, {7, 1, 2, 7, 7, 7}));
  call.dropping(1, MOE_OVERFLOW_RESIDUAL).runOk();
  EXPECT_EQ(call.position.integers(),
            (std::vector<int32_t>{-1, -1, 0, -1, -1, -1}));
  expectNear(call.outWeights.reals(), {0, 1, 2, 0, 0, 0});
}

TEST(Plan, OneTokenMayClaimAnExpertTwice) {
  PlanCall call(2, i32({2, 2}, {1, 1, 1, 0}), f64({2, 2}, {1, 2, 3, 4}));
  call.runOk();
  EXPECT_EQ(call.source.integers(), (std::vector<int32_t>{1, 0, 0, 1}));
  EXPECT_EQ(call.position.integers(), (std::vector<int32_t>{1, 2, 3, 0}));
}

TEST(Plan, NoTokens) {
  PlanCall call(3, i32({0, 2}, {}), f64({0, 2}, {}));
  call.segments = i32({1}, {0});
  call.runOk();
  EXPECT_EQ(call.offsets.integers(), (std::vector<int32_t>{0, 0, 0, 0}));
}

//===----------------------------------------------------------------------===//
// Segments
//===----------------------------------------------------------------------===//

TEST(PlanSegments, CapacityIsPerSegment) {
  PlanCall call = topOne(2, {0, 0, 0, 1, 0, 0}).dropping(1);
  call.segments = i32({4}, {0, 2, 2, 6});
  call.runOk();
  EXPECT_EQ(call.keptSlots(), (KeepSet{{0, 0}, {2, 0}, {3, 0}}));
  EXPECT_EQ(call.counts.integers(), (std::vector<int32_t>{2, 1}));
  EXPECT_EQ(call.position.integers(),
            (std::vector<int32_t>{0, -1, 1, 2, -1, -1}));
}

TEST(PlanSegments, SlotMajorInsideEachSegment) {
  PlanCall call(1, i32({4, 2}, {-1, 0, 0, -1, -1, 0, 0, -1}),
                f64({4, 2}, std::vector<double>(8, 1.0)));
  call.dropping(1);
  call.segments = i32({3}, {0, 2, 4});
  call.runOk();
  EXPECT_EQ(call.keptSlots(), (KeepSet{{1, 0}, {3, 0}}));
}

TEST(PlanSegments, BatchPriorityIsPerSegment) {
  PlanCall call(1, i32({4, 1}, {0, 0, 0, 0}), f64({4, 1}, {1, 2, 8, 9}));
  call.dropping(1, MOE_OVERFLOW_ZERO, MOE_PRIORITY_BATCH);
  call.segments = i32({3}, {0, 2, 4});
  call.runOk();
  EXPECT_EQ(call.keptSlots(), (KeepSet{{1, 0}, {3, 0}}));
}

TEST(PlanSegments, OneSegmentIsTheDefault) {
  PlanCall plain = fiveTokens().dropping(2), one = fiveTokens().dropping(2);
  one.segments = i32({2}, {0, 5});
  plain.runOk();
  one.runOk();
  EXPECT_EQ(plain.position.integers(), one.position.integers());
}

//===----------------------------------------------------------------------===//
// Weights
//===----------------------------------------------------------------------===//

TEST(PlanWeights, ResidualKeepsWhatIsDropped) {
  PlanCall call = fiveTokens().dropping(2, MOE_OVERFLOW_RESIDUAL);
  call.runOk();
  EXPECT_EQ(call.outWeights.reals(), call.weights.reals());
}

TEST(PlanWeights, RenormalizedOverTheKept) {
  // Token 1 loses its second slot, token 2 both.
  PlanCall call(2, i32({3, 2}, {0, 1, 0, 1, 0, 1}),
                f64({3, 2}, {0.1, 0.3, 0.2, 0.2, 0.5, 0.5}));
  call.dropping(2).renormalizing();
  call.segments = i32({3}, {0, 2, 3});
  call.capacity = 1;
  call.runOk();
  expectNear(call.outWeights.reals(), {0.25, 0.75, 0, 0, 0.5, 0.5});
}

TEST(PlanWeights, RenormalizedResidual) {
  PlanCall call(2, i32({2, 2}, {0, 1, 0, 1}), f64({2, 2}, {1, 3, 2, 4}));
  call.ids = i32({2, 2}, {0, 1, 0, -1});
  call.dropping(1, MOE_OVERFLOW_RESIDUAL).renormalizing();
  call.runOk();
  // Token 1 has nothing kept; its dropped weight is left as it was.
  expectNear(call.outWeights.reals(), {0.25, 0.75, 2, 0});
}

TEST(PlanWeights, RenormalizedWithoutDropping) {
  PlanCall call(2, i32({1, 2}, {0, 1}), f64({1, 2}, {1, 3}));
  call.renormalizing(MOE_EPS_ADD, 4.0).runOk();
  expectNear(call.outWeights.reals(), {0.125, 0.375});
  call.renormalizing(MOE_EPS_CLAMP, 8.0).runOk();
  expectNear(call.outWeights.reals(), {0.125, 0.375});
}

TEST(PlanWeights, ZeroGuard) {
  PlanCall call(2, i32({1, 2}, {0, 1}), f64({1, 2}, {0, 0}));
  call.renormalizing().runOk();
  expectNear(call.outWeights.reals(), {0, 0});
}

TEST(PlanWeights, NaNPropagates) {
  PlanCall call(2, i32({1, 2}, {0, 1}), f64({1, 2}, {notANumber, 1}));
  call.renormalizing().runOk();
  EXPECT_TRUE(std::isnan(call.outWeights.real(0)));
  EXPECT_TRUE(std::isnan(call.outWeights.real(1)));
}

//===----------------------------------------------------------------------===//
// Refused calls
//===----------------------------------------------------------------------===//

TEST(PlanErrors, Null) {
  moe_error error;
  PlanCall call = fiveTokens();
  expectError(moe_ref_plan(nullptr, call.weights, call.ids, nullptr, -1,
                           nullptr, call.counts, call.offsets, call.source,
                           call.position, call.outWeights, &error),
              error, "[moe-ref-null]");
  expectError(moe_ref_plan(&call.attrs, call.weights, call.ids, nullptr, -1,
                           nullptr, call.counts, call.offsets, nullptr,
                           call.position, call.outWeights, &error),
              error, "[moe-ref-null]");
}

TEST(PlanErrors, Tensors) {
  PlanCall offsets = fiveTokens();
  offsets.offsets = indexResult({3});
  offsets.expectRefused("[moe-ref-shape]");
  PlanCall weights = fiveTokens();
  weights.weights = f64({5, 1}, std::vector<double>(5));
  weights.expectRefused("[moe-ref-shape]");
  PlanCall ids = fiveTokens();
  ids.ids.base.dtype = MOE_F32;
  ids.expectRefused("[moe-ref-dtype]");
}

TEST(PlanErrors, Enumerators) {
  PlanCall priority = fiveTokens(), overflow = fiveTokens();
  priority.attrs.priority = 2;
  priority.expectRefused("[moe-ref-enum]");
  overflow.attrs.overflow = 3;
  overflow.expectRefused("[moe-ref-enum]");
}

TEST(PlanErrors, Renormalization) {
  PlanCall p = fiveTokens().renormalizing();
  p.attrs.renormalize.p = 0;
  p.expectRefused("[moe-ref-normalize-p]");
  PlanCall eps = fiveTokens().renormalizing(MOE_EPS_ADD, -1);
  eps.expectRefused("[moe-ref-normalize-eps]");
}

TEST(PlanErrors, NumberOfExperts) {
  for (int64_t experts : {int64_t(0), int64_t(-1), int64_t(INT32_MAX)}) {
    PlanCall call = fiveTokens();
    call.attrs.num_experts = experts;
    call.expectRefused("[moe-ref-plan-experts]");
  }
}

TEST(PlanErrors, NumberOfSlots) {
  PlanCall call = fiveTokens();
  // Refused before any element is read.
  for (TestTensor *tensor :
       {&call.ids, &call.weights, &call.position, &call.outWeights}) {
    tensor->base.shape[0] = int64_t(1) << 20;
    tensor->base.shape[1] = int64_t(1) << 11;
  }
  moe_error error;
  expectError(moe_ref_plan(&call.attrs, call.weights, call.ids, nullptr, -1,
                           nullptr, call.counts, call.offsets, call.source,
                           call.position, call.outWeights, &error),
              error, "[moe-ref-plan-slots]");
}

TEST(PlanErrors, Ids) {
  for (int32_t id : {-2, 3, INT32_MIN, INT32_MAX}) {
    PlanCall call = fiveTokens();
    call.ids = i32({5, 2}, {0, 1, 0, 2, 0, 1, 1, 0, 1, id});
    call.expectRefused("[moe-ref-plan-id]");
  }
}

TEST(PlanErrors, Segments) {
  std::vector<std::vector<int32_t>> invalid = {
      {}, {0}, {1, 5}, {0, 4}, {0, 6}, {0, 3, 2, 5}, {0, -1, 5}};
  for (const std::vector<int32_t> &segments : invalid) {
    PlanCall call = fiveTokens();
    call.segments = i32({static_cast<int64_t>(segments.size())}, segments);
    call.expectRefused("[moe-ref-plan-segments]");
  }
}

TEST(PlanErrors, CapacityWithoutOverflow) {
  PlanCall call = fiveTokens().dropping(2, MOE_OVERFLOW_NONE);
  call.expectRefused("[moe-ref-plan-overflow]");
}

TEST(PlanErrors, PriorityScoresThatNothingReads) {
  PlanCall call = fiveTokens();
  call.priorityScores = f64({5}, {1, 2, 3, 4, 5});
  call.expectRefused("[moe-ref-plan-priority-scores]");
}

TEST(PlanErrors, TooFewRows) {
  PlanCall call = fiveTokens().dropping(2);
  call.source = indexResult({5});
  call.expectRefused("[moe-ref-plan-rows]");
  call.source = indexResult({6});
  call.runOk();
}

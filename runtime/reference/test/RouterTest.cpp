//===- RouterTest.cpp - The rules of moe.router ---------------------------===//
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "RouterVectors.h"
#include "TestTensor.h"
#include "moe_rt/reference.h"

#include <cmath>
#include <limits>
#include <optional>

using namespace moe::reference;
using moe::vectors::RouterAttrs;

namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();
constexpr double notANumber = std::numeric_limits<double>::quiet_NaN();

/// One call, with results of the right shape unless a test replaces them.
struct RouterCall {
  RouterCall(const moe_router_attrs &attrs, const TestTensor &logits)
      : attrs(attrs), logits(logits),
        weights(realResult({logits.base.shape[0], attrs.top_k})),
        ids(indexResult({logits.base.shape[0], attrs.top_k})) {}

  /// One token.
  RouterCall(const moe_router_attrs &attrs, const std::vector<double> &row)
      : RouterCall(attrs, f64({1, static_cast<int64_t>(row.size())}, row)) {}

  int32_t run() {
    auto get = [](std::optional<TestTensor> &tensor) -> moe_tensor * {
      return tensor ? &tensor->base : nullptr;
    };
    return moe_ref_router(&attrs, logits, get(bias), get(perExpertScale),
                          get(table), weights, ids, get(scores), &error);
  }

  /// Runs and expects ids; weights are then there to be looked at.
  void expectIds(const std::vector<int32_t> &expected) {
    ASSERT_EQ(run(), MOE_OK) << error.message;
    EXPECT_EQ(ids.integers(), expected);
  }

  /// Expects that the call is refused and has written nothing.
  void expectRefused(const char *tag) {
    expectError(run(), error, tag);
    for (double weight : weights.reals())
      EXPECT_EQ(weight, untouched);
  }

  moe_router_attrs attrs;
  TestTensor logits;
  std::optional<TestTensor> bias, perExpertScale, table, scores;
  TestTensor weights, ids;
  moe_error error;
};

RouterAttrs identity(int64_t topK) {
  return RouterAttrs(topK).score(MOE_SCORE_IDENTITY);
}

RouterAttrs fromTable(int64_t topK) {
  return RouterAttrs(topK).selection(MOE_SELECT_TABLE);
}

/// A valid call for the negative tests: 2 tokens, 4 experts, 2 slots.
RouterCall validCall(const RouterAttrs &attrs = RouterAttrs(2)) {
  return RouterCall(attrs, f64({2, 4}, {1, 2, 3, 4, 4, 3, 2, 1}));
}

} // namespace

//===----------------------------------------------------------------------===//
// Sizes
//===----------------------------------------------------------------------===//

TEST(Router, NoTokens) {
  RouterCall call(RouterAttrs(2), f64({0, 4}, {}));
  call.scores = realResult({0, 4});
  call.expectIds({});
}

TEST(Router, OneExpert) {
  RouterCall call(RouterAttrs(1).normalize(1), std::vector<double>{-3.0});
  call.expectIds({0});
  expectNear(call.weights.reals(), {1.0});
}

TEST(Router, AllExpertsIsTheDenseMixture) {
  RouterCall call(RouterAttrs(3), {0.0, std::log(2.0), std::log(5.0)});
  call.expectIds({2, 1, 0});
  expectNear(call.weights.reals(), {0.625, 0.25, 0.125});
}

TEST(Router, TokensAreIndependent) {
  RouterCall call(identity(1), f64({3, 2}, {1, 2, 4, 3, notANumber, 5}));
  call.expectIds({1, 0, 1});
  expectNear(call.weights.reals(), {2, 4, 5});
}

//===----------------------------------------------------------------------===//
// Order of keys
//===----------------------------------------------------------------------===//

TEST(Router, TiesTakeTheLowerIndex) {
  RouterCall call(RouterAttrs(3), {1.0, 2.0, 1.0, 2.0});
  call.expectIds({1, 3, 0});
}

TEST(Router, NegativeZeroTiesWithZero) {
  RouterCall call(identity(2), {-0.0, 0.0});
  call.expectIds({0, 1});
}

TEST(Router, NaNRanksBelowMinusInfinity) {
  RouterCall call(identity(5),
                  {notANumber, -infinity, 1.0, notANumber, infinity});
  call.expectIds({4, 2, 1, 0, 3});
  EXPECT_EQ(call.weights.real(2), -infinity);
  EXPECT_TRUE(std::isnan(call.weights.real(3)));
}

TEST(Router, NaNLogitMakesSoftmaxNaNButNotTheSelection) {
  RouterCall call(RouterAttrs(2), {0.0, notANumber, 3.0});
  call.expectIds({2, 0});
  EXPECT_TRUE(std::isnan(call.weights.real(0)));
  EXPECT_TRUE(std::isnan(call.weights.real(1)));
}

TEST(Router, InfiniteLogits) {
  RouterCall softmax(RouterAttrs(2), {0.0, infinity});
  softmax.expectIds({1, 0});
  EXPECT_TRUE(std::isnan(softmax.weights.real(0)));

  RouterCall masked(RouterAttrs(3), {-infinity, 2.0, 2.0});
  masked.expectIds({1, 2, 0});
  expectNear(masked.weights.reals(), {0.5, 0.5, 0.0});

  RouterCall nothing(RouterAttrs(1), {-infinity, -infinity});
  nothing.expectIds({0});
  EXPECT_TRUE(std::isnan(nothing.weights.real(0)));

  for (moe_score score : {MOE_SCORE_SIGMOID, MOE_SCORE_SQRT_SOFTPLUS}) {
    RouterCall pointwise(RouterAttrs(2).score(score), {-infinity, infinity});
    pointwise.expectIds({1, 0});
    EXPECT_EQ(pointwise.weights.real(0),
              score == MOE_SCORE_SIGMOID ? 1 : infinity);
    EXPECT_EQ(pointwise.weights.real(1), 0.0);
  }
}

TEST(Router, SaturatedScoresMakeNoTies) {
  std::vector<double> logits = {800.0, 900.0, 850.0};
  RouterCall sigmoid(RouterAttrs(1).score(MOE_SCORE_SIGMOID), logits);
  sigmoid.expectIds({1});
  RouterCall softmax(RouterAttrs(3), {-900.0, -800.0, 0.0});
  softmax.expectIds({2, 1, 0});
}

TEST(Router, WithABiasSaturatedScoresTie) {
  RouterCall call(RouterAttrs(1).score(MOE_SCORE_SIGMOID),
                  {800.0, 900.0, 850.0});
  call.bias = f64({3}, {0, 0, 0});
  call.expectIds({0});
}

TEST(Router, BiasSelectsButNeverWeighs) {
  RouterCall call(identity(2), {1.0, 2.0, 3.0});
  call.bias = f64({3}, {10, 0, 0});
  call.expectIds({0, 2});
  expectNear(call.weights.reals(), {1, 3});
}

TEST(Router, NaNBias) {
  RouterCall call(identity(3), {1.0, 2.0, 3.0});
  call.bias = f64({3}, {0, notANumber, -5});
  call.expectIds({0, 2, 1});
  expectNear(call.weights.reals(), {1, 3, 2});
}

TEST(Router, SequentialSelectsAsTopK) {
  std::vector<double> logits = {0.5, notANumber, 2.0, 2.0, -1.0};
  for (int64_t slots = 1; slots <= 5; ++slots) {
    RouterCall topK(identity(slots), logits);
    RouterCall sequential(identity(slots).selection(MOE_SELECT_SEQUENTIAL),
                          logits);
    ASSERT_EQ(topK.run(), MOE_OK);
    sequential.expectIds(topK.ids.integers());
  }
}

//===----------------------------------------------------------------------===//
// Groups
//===----------------------------------------------------------------------===//

static RouterAttrs twoGroups(const RouterAttrs &attrs, moe_group_score score,
                             moe_group_fill fill = MOE_FILL_NEG_INF) {
  return attrs.groups(2, 1, score, 2, fill);
}

TEST(RouterGroups, MaxAndSumDiffer) {
  std::vector<double> logits = {9.0, 0.0, 5.0, 5.0};
  RouterCall max(twoGroups(identity(1), MOE_GROUP_MAX), logits);
  max.expectIds({0});
  RouterCall sum(twoGroups(identity(1), MOE_GROUP_SUM_TOP), logits);
  sum.expectIds({2});
}

TEST(RouterGroups, TiesKeepTheLowerGroup) {
  RouterCall call(twoGroups(identity(2), MOE_GROUP_MAX), {1, 7, 7, 6});
  call.expectIds({1, 0});
}

TEST(RouterGroups, MoreSlotsThanAllowedExperts) {
  RouterCall call(twoGroups(identity(4), MOE_GROUP_MAX), {0, 5, 1, 2});
  call.expectIds({1, 0, 2, 3});
  expectNear(call.weights.reals(), {5, 0, 1, 2});
}

TEST(RouterGroups, MaskedExpertsComeBeforeNaN) {
  RouterCall call(twoGroups(identity(3), MOE_GROUP_MAX), {notANumber, 5, 1, 2});
  call.expectIds({1, 2, 3});
}

TEST(RouterGroups, ZeroFillBeatsNegativeKeys) {
  std::vector<double> logits = {-1, -2, -3, -4};
  RouterCall zero(twoGroups(identity(2), MOE_GROUP_MAX, MOE_FILL_ZERO), logits);
  zero.expectIds({2, 3});
  expectNear(zero.weights.reals(), {-3, -4});
  RouterCall negative(twoGroups(identity(2), MOE_GROUP_MAX), logits);
  negative.expectIds({0, 1});
}

TEST(RouterGroups, NaNKeyInAGroup) {
  std::vector<double> logits = {notANumber, 10, 1, 1};
  RouterCall max(twoGroups(identity(1), MOE_GROUP_MAX), logits);
  max.expectIds({1});
  RouterCall sum(twoGroups(identity(1), MOE_GROUP_SUM_TOP), logits);
  sum.expectIds({2});
}

TEST(RouterGroups, LimitComparesScores) {
  RouterCall call(
      twoGroups(RouterAttrs(1).score(MOE_SCORE_SIGMOID), MOE_GROUP_MAX),
      {800, 900, 700, 950});
  call.expectIds({0});
}

TEST(RouterGroups, KeepingAllGroupsMasksNothingButComparesScores) {
  RouterCall call(RouterAttrs(1)
                      .score(MOE_SCORE_SIGMOID)
                      .groups(2, 2, MOE_GROUP_MAX, 1, MOE_FILL_ZERO),
                  {-1, 900, 700, 950});
  call.expectIds({1});
}

TEST(RouterGroups, GroupsOfOneExpert) {
  RouterCall call(
      identity(2).groups(4, 2, MOE_GROUP_SUM_TOP, 1, MOE_FILL_NEG_INF),
      {3, 1, 4, 2});
  call.expectIds({2, 0});
}

//===----------------------------------------------------------------------===//
// Logit normalization
//===----------------------------------------------------------------------===//

TEST(RouterLogits, Zscore) {
  RouterCall call(identity(2).logitNorm(MOE_LOGIT_ZSCORE, 3.0), {1.0, 5.0});
  call.expectIds({1, 0});
  expectNear(call.weights.reals(), {3, -3});
}

TEST(RouterLogits, ZscoreOfEqualLogitsIsNaN) {
  RouterCall call(identity(1).logitNorm(MOE_LOGIT_ZSCORE, 1.0), {2.0, 2.0});
  call.expectIds({0});
  EXPECT_TRUE(std::isnan(call.weights.real(0)));
}

TEST(RouterLogits, SoftcapBoundsInfinity) {
  RouterCall call(identity(2).logitNorm(MOE_LOGIT_SOFTCAP, 30.0),
                  {infinity, -infinity});
  call.expectIds({0, 1});
  expectNear(call.weights.reals(), {30, -30});
}

TEST(RouterLogits, NegativeScaleReversesTheOrder) {
  RouterCall call(identity(2).logitNorm(MOE_LOGIT_SCALE, -2.0), {1.0, 3.0});
  call.expectIds({0, 1});
  expectNear(call.weights.reals(), {-2, -6});
}

//===----------------------------------------------------------------------===//
// Weights
//===----------------------------------------------------------------------===//

TEST(RouterWeights, SelectedDomainForgetsTheOthers) {
  RouterCall call(RouterAttrs(2).domain(MOE_DOMAIN_SELECTED),
                  {100.0 + std::log(3.0), 100.0, -5.0});
  call.expectIds({0, 1});
  expectNear(call.weights.reals(), {0.75, 0.25});
}

TEST(RouterWeights, SelectedDomainOfAPointwiseScoreIsAll) {
  for (moe_score score : {MOE_SCORE_SIGMOID, MOE_SCORE_SQRT_SOFTPLUS}) {
    RouterCall all(RouterAttrs(2).score(score), {1, 2, 3});
    RouterCall selected(RouterAttrs(2).score(score).domain(MOE_DOMAIN_SELECTED),
                        {1, 2, 3});
    ASSERT_EQ(all.run(), MOE_OK);
    ASSERT_EQ(selected.run(), MOE_OK);
    EXPECT_EQ(all.weights.reals(), selected.weights.reals());
  }
}

TEST(RouterWeights, ScoreKeysAreOverAllExpertsInAnyDomain) {
  RouterCall call(RouterAttrs(1).domain(MOE_DOMAIN_SELECTED), {5.0, 4.0});
  call.bias = f64({2}, {0.0, 0.9});
  call.expectIds({1});
  expectNear(call.weights.reals(), {1.0});
}

TEST(RouterWeights, SqrtSoftplus) {
  RouterCall call(RouterAttrs(3).score(MOE_SCORE_SQRT_SOFTPLUS),
                  {0.0, 1e6, -700.0});
  call.expectIds({1, 0, 2});
  expectNear(call.weights.reals(),
             {1000.0, std::sqrt(std::log(2.0)), std::exp(-350.0)});
}

TEST(RouterWeights, NormsAndEpsilons) {
  std::vector<double> logits = {3.0, 4.0};
  auto weights = [&](const RouterAttrs &attrs) {
    RouterCall call(attrs, logits);
    EXPECT_EQ(call.run(), MOE_OK) << call.error.message;
    return call.weights.reals();
  };
  expectNear(weights(identity(2).normalize(1)), {4 / 7.0, 3 / 7.0});
  expectNear(weights(identity(2).normalize(2)), {0.8, 0.6});
  double half = std::pow(2.0 + std::sqrt(3.0), 2.0);
  expectNear(weights(identity(2).normalize(0.5)), {4 / half, 3 / half});
  expectNear(weights(identity(2).normalize(1, MOE_EPS_ADD, 1.0)), {0.5, 0.375});
  expectNear(weights(identity(2).normalize(1, MOE_EPS_CLAMP, 10)), {0.4, 0.3});
  expectNear(weights(identity(2).normalize(1, MOE_EPS_CLAMP, 5)),
             {4 / 7.0, 3 / 7.0});
}

TEST(RouterWeights, NormUsesMagnitudes) {
  RouterCall call(identity(2).normalize(1), {-1.0, 3.0});
  call.expectIds({1, 0});
  expectNear(call.weights.reals(), {0.75, -0.25});
}

TEST(RouterWeights, NormZero) {
  RouterCall bare(identity(2).normalize(1), {0.0, 0.0});
  bare.expectIds({0, 1});
  EXPECT_TRUE(std::isnan(bare.weights.real(0)));
  RouterCall safe(identity(2).normalize(1, MOE_EPS_ADD, 1e-20), {0.0, 0.0});
  safe.expectIds({0, 1});
  expectNear(safe.weights.reals(), {0, 0});
}

TEST(RouterWeights, ClampKeepsNaN) {
  RouterCall call(identity(2).normalize(1, MOE_EPS_CLAMP, 1.0),
                  {notANumber, 1.0});
  call.expectIds({1, 0});
  EXPECT_TRUE(std::isnan(call.weights.real(0)));
}

TEST(RouterWeights, FactorsComeLast) {
  RouterCall call(identity(2).normalize(1).scale(10), {1.0, 3.0});
  call.perExpertScale = f64({2}, {2, notANumber});
  call.expectIds({1, 0});
  EXPECT_TRUE(std::isnan(call.weights.real(0)));
  EXPECT_NEAR(call.weights.real(1), 5.0, 1e-12);
}

TEST(RouterWeights, ScoresAreOverAllExperts) {
  RouterCall call(
      RouterAttrs(1).domain(MOE_DOMAIN_SELECTED).normalize(1).scale(7),
      {std::log(3.0), 0.0});
  call.scores = f32({1, 2}, {-1, -1});
  call.expectIds({0});
  expectNear(call.scores->reals(), {0.75, 0.25}, 1e-7);
}

//===----------------------------------------------------------------------===//
// SparseMixer
//===----------------------------------------------------------------------===//

static double softmaxOfTwo(double first, double second) {
  return 1.0 / (1.0 + std::exp(second - first));
}

TEST(RouterSparseMixer, ThreeRounds) {
  RouterCall call(RouterAttrs(3).sparseMixer(0.01), {2.02, 2.05, 2.0, 1.0});
  call.expectIds({1, 0, 2});
  // 2.0 is further than 2 % below 2.05, and near enough to 2.02.
  expectNear(call.weights.reals(),
             {softmaxOfTwo(2.05, 2.02), softmaxOfTwo(2.02, 2.0), 1.0});
}

TEST(RouterSparseMixer, NegativeMaximumDividesByTheOther) {
  RouterCall call(RouterAttrs(2).sparseMixer(0.01), {-1.0, -1.005, -3.0});
  call.expectIds({0, 1});
  expectNear(call.weights.reals(), {softmaxOfTwo(-1.0, -1.005), 1.0});
}

TEST(RouterSparseMixer, ZeroMaximumStaysInItsSet) {
  RouterCall call(RouterAttrs(2).sparseMixer(0.01), {0.0, -1.0});
  call.expectIds({0, 1});
  expectNear(call.weights.reals(), {1, 1});
}

TEST(RouterSparseMixer, TiesTakeTheLowerIndex) {
  RouterCall call(RouterAttrs(2).sparseMixer(0.01), {1.0, 1.0});
  call.expectIds({0, 1});
  expectNear(call.weights.reals(), {0.5, 1.0});
}

TEST(RouterSparseMixer, NaNPropagates) {
  RouterCall call(RouterAttrs(2).sparseMixer(0.01), {1.0, notANumber});
  call.expectIds({0, 1});
  EXPECT_TRUE(std::isnan(call.weights.real(0)));
  EXPECT_TRUE(std::isnan(call.weights.real(1)));
}

TEST(RouterSparseMixer, WeightsAreNormalizedAndScaledAsUsual) {
  RouterCall call(RouterAttrs(2).sparseMixer(0.01).normalize(1).scale(6),
                  {1.0, 1.0});
  call.expectIds({0, 1});
  expectNear(call.weights.reals(), {2, 4});
}

//===----------------------------------------------------------------------===//
// Table
//===----------------------------------------------------------------------===//

TEST(RouterTable, WeightsComeFromTheScores) {
  RouterCall call(fromTable(2).score(MOE_SCORE_IDENTITY),
                  f64({2, 3}, {1, 2, 3, 4, 5, 6}));
  call.table = i32({2, 2}, {0, 2, 1, 1});
  call.expectIds({0, 2, 1, 1});
  expectNear(call.weights.reals(), {1, 3, 5, 5});
}

TEST(RouterTable, NoneHasNoPartInTheWeights) {
  RouterCall call(
      fromTable(3).domain(MOE_DOMAIN_SELECTED).normalize(1).scale(2),
      {9.0, 0.0, std::log(3.0)});
  call.table = i32({1, 3}, {2, -1, 1});
  call.expectIds({2, -1, 1});
  expectNear(call.weights.reals(), {1.5, 0.0, 0.5});
}

TEST(RouterTable, OnlyNone) {
  for (moe_score_domain domain : {MOE_DOMAIN_ALL, MOE_DOMAIN_SELECTED}) {
    RouterCall call(fromTable(2).domain(domain).normalize(1),
                    {notANumber, notANumber});
    call.table = i32({1, 2}, {-1, -1});
    call.expectIds({-1, -1});
    expectNear(call.weights.reals(), {0, 0});
  }
}

//===----------------------------------------------------------------------===//
// Element types
//===----------------------------------------------------------------------===//

TEST(RouterTypes, AllInputsAndResults) {
  // 1.5, 3.0, -2.0 in each format.
  TestTensor inputs[] = {f64({1, 3}, {1.5, 3, -2}), f32({1, 3}, {1.5, 3, -2}),
                         halves(MOE_BF16, {1, 3}, {0x3fc0, 0x4040, 0xc000}),
                         halves(MOE_F16, {1, 3}, {0x3e00, 0x4200, 0xc000})};
  for (const TestTensor &logits : inputs) {
    RouterCall call(identity(2), logits);
    call.weights = f32({1, 2}, {-1, -1});
    call.expectIds({1, 0});
    expectNear(call.weights.reals(), {3, 1.5});
  }
}

//===----------------------------------------------------------------------===//
// Refused calls
//===----------------------------------------------------------------------===//

TEST(RouterErrors, Arguments) {
  moe_error error;
  RouterCall call = validCall();
  expectError(moe_ref_router(nullptr, call.logits, nullptr, nullptr, nullptr,
                             call.weights, call.ids, nullptr, &error),
              error, "[moe-ref-null]");
  expectError(moe_ref_router(&call.attrs, nullptr, nullptr, nullptr, nullptr,
                             call.weights, call.ids, nullptr, &error),
              error, "[moe-ref-null]");
  expectError(moe_ref_router(&call.attrs, call.logits, nullptr, nullptr,
                             nullptr, nullptr, call.ids, nullptr, &error),
              error, "[moe-ref-null]");
  EXPECT_EQ(moe_ref_router(&call.attrs, call.logits, nullptr, nullptr, nullptr,
                           nullptr, call.ids, nullptr, nullptr),
            MOE_INVALID_ARGUMENT);
}

TEST(RouterErrors, SuccessClearsTheError) {
  RouterCall call = validCall();
  call.error.status = MOE_INTERNAL;
  ASSERT_EQ(call.run(), MOE_OK);
  EXPECT_EQ(call.error.status, MOE_OK);
  EXPECT_STREQ(call.error.message, "");
}

TEST(RouterErrors, Tensors) {
  RouterCall rank = validCall();
  rank.logits = f64({8}, std::vector<double>(8));
  rank.expectRefused("[moe-ref-rank]");

  RouterCall dtype = validCall();
  dtype.logits.base.dtype = MOE_I8;
  dtype.expectRefused("[moe-ref-dtype]");

  RouterCall wideIds = validCall();
  wideIds.ids.base.dtype = MOE_I64;
  wideIds.expectRefused("[moe-ref-dtype]");

  RouterCall halfResult = validCall();
  halfResult.scores = halves(MOE_BF16, {2, 4}, std::vector<uint16_t>(8));
  halfResult.expectRefused("[moe-ref-dtype]");

  RouterCall shape = validCall();
  shape.bias = f64({3}, {0, 0, 0});
  shape.expectRefused("[moe-ref-shape]");

  RouterCall slots = validCall();
  slots.ids = indexResult({2, 3});
  slots.expectRefused("[moe-ref-shape]");

  RouterCall negative = validCall();
  negative.logits.base.shape[0] = -2;
  negative.expectRefused("[moe-ref-size]");

  RouterCall huge = validCall();
  huge.logits.base.shape[0] = int64_t(1) << 59;
  huge.expectRefused("[moe-ref-size]");

  RouterCall data = validCall();
  data.logits.base.data = nullptr;
  data.expectRefused("[moe-ref-data]");
}

TEST(RouterErrors, UnknownEnumerators) {
  auto refused = [](void (*edit)(moe_router_attrs &)) {
    RouterCall call =
        validCall(RouterAttrs(2)
                      .groups(2, 1, MOE_GROUP_MAX, 1, MOE_FILL_ZERO)
                      .normalize(1));
    edit(call.attrs);
    call.expectRefused("[moe-ref-enum]");
  };
  refused([](moe_router_attrs &attrs) { attrs.score = 4; });
  refused([](moe_router_attrs &attrs) { attrs.score = -1; });
  refused([](moe_router_attrs &attrs) { attrs.score_domain = 3; });
  refused([](moe_router_attrs &attrs) { attrs.key = 2; });
  refused([](moe_router_attrs &attrs) { attrs.selection = 3; });
  refused([](moe_router_attrs &attrs) { attrs.logit_norm = 4; });
  refused([](moe_router_attrs &attrs) { attrs.group_score = 2; });
  refused([](moe_router_attrs &attrs) { attrs.group_fill = 2; });
  refused([](moe_router_attrs &attrs) { attrs.normalize.mode = 2; });
  refused([](moe_router_attrs &attrs) { attrs.normalize.eps_mode = 3; });
}

TEST(RouterErrors, TopK) {
  for (int64_t topK : {int64_t(0), int64_t(-1), int64_t(5), INT64_MAX}) {
    RouterCall call = validCall();
    call.attrs.top_k = topK;
    call.expectRefused("[moe-ref-top-k]");
  }
  RouterCall noExperts(RouterAttrs(1), f64({2, 0}, {}));
  noExperts.expectRefused("[moe-ref-top-k]");
}

TEST(RouterErrors, MoreExpertsThanIds) {
  RouterCall call(RouterAttrs(1), f64({0, 4}, {}));
  call.logits.base.shape[1] = int64_t(1) << 31;
  call.expectRefused("[moe-ref-experts]");
}

TEST(RouterErrors, LogitNorm) {
  for (double value : {0.0, -1.0, notANumber, infinity}) {
    RouterCall call =
        validCall(RouterAttrs(2).logitNorm(MOE_LOGIT_SOFTCAP, value));
    call.expectRefused("[moe-ref-logit-norm-value]");
  }
  for (moe_logit_norm norm : {MOE_LOGIT_SCALE, MOE_LOGIT_ZSCORE}) {
    RouterCall call = validCall(RouterAttrs(2).logitNorm(norm, infinity));
    call.expectRefused("[moe-ref-logit-norm-value]");
  }
}

TEST(RouterErrors, Groups) {
  auto grouped = [](int64_t count, int64_t kept, int64_t top) {
    return validCall(RouterAttrs(2).groups(count, kept, MOE_GROUP_SUM_TOP, top,
                                           MOE_FILL_NEG_INF));
  };
  grouped(3, 1, 1).expectRefused("[moe-ref-num-groups]");
  grouped(-2, 1, 1).expectRefused("[moe-ref-num-groups]");
  grouped(8, 1, 1).expectRefused("[moe-ref-num-groups]");
  grouped(2, 0, 1).expectRefused("[moe-ref-groups-kept]");
  grouped(2, 3, 1).expectRefused("[moe-ref-groups-kept]");
  grouped(2, 1, 0).expectRefused("[moe-ref-group-top]");
  grouped(2, 1, 3).expectRefused("[moe-ref-group-top]");
}

TEST(RouterErrors, Normalization) {
  for (double p : {0.0, -1.0, notANumber, infinity})
    validCall(RouterAttrs(2).normalize(p))
        .expectRefused("[moe-ref-normalize-p]");
  for (double eps : {-1.0, notANumber, infinity})
    validCall(RouterAttrs(2).normalize(1, MOE_EPS_CLAMP, eps))
        .expectRefused("[moe-ref-normalize-eps]");
}

TEST(RouterErrors, Scale) {
  validCall(RouterAttrs(2).scale(notANumber)).expectRefused("[moe-ref-scale]");
  validCall(RouterAttrs(2).scale(-infinity)).expectRefused("[moe-ref-scale]");
}

TEST(RouterErrors, Threshold) {
  for (double epsilon : {-0.01, notANumber, infinity})
    validCall(RouterAttrs(2).sparseMixer(epsilon))
        .expectRefused("[moe-ref-threshold]");
}

TEST(RouterErrors, ThresholdWithWhatItDoesNotRead) {
  RouterAttrs mixer = RouterAttrs(2).sparseMixer(0.01);
  const char *tag = "[moe-ref-threshold-form]";
  validCall(mixer.selection(MOE_SELECT_TOPK)).expectRefused(tag);
  validCall(mixer.score(MOE_SCORE_SIGMOID)).expectRefused(tag);
  validCall(mixer.groups(2, 1, MOE_GROUP_MAX, 1, MOE_FILL_ZERO))
      .expectRefused(tag);
  RouterCall biased = validCall(mixer);
  biased.bias = f64({4}, {0, 0, 0, 0});
  biased.expectRefused("[moe-ref-threshold-form]");
}

TEST(RouterErrors, Table) {
  RouterCall missing = validCall(fromTable(2));
  missing.expectRefused("[moe-ref-table-operand]");

  RouterCall unused = validCall();
  unused.table = i32({2, 2}, {0, 1, 2, 3});
  unused.expectRefused("[moe-ref-table-operand]");

  RouterCall biased = validCall(fromTable(2));
  biased.table = i32({2, 2}, {0, 1, 2, 3});
  biased.bias = f64({4}, {0, 0, 0, 0});
  biased.expectRefused("[moe-ref-table-keys]");

  for (int32_t id : {-2, 4, INT32_MIN, INT32_MAX}) {
    RouterCall range = validCall(fromTable(2));
    range.table = i32({2, 2}, {0, 1, 2, id});
    range.expectRefused("[moe-ref-table-id]");
  }
}

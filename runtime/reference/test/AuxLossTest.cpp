//===- AuxLossTest.cpp - What routers are judged by -----------------------===//
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

using namespace moe::reference;

namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();
const double notANumber = std::numeric_limits<double>::quiet_NaN();

/// Two tokens and four experts: expert 0 has one slot, expert 1 two, and one
/// slot is none.
struct LossCall {
  int32_t run() {
    return moe_ref_aux_loss(&attrs, values, ids ? &ids->base : nullptr, loss,
                            &error);
  }

  double value() {
    EXPECT_EQ(run(), MOE_OK) << error.message;
    return loss.real(0);
  }

  void expectRefused(const char *tag) {
    expectError(run(), error, tag);
    EXPECT_EQ(loss.real(0), untouched);
  }

  moe_aux_loss_attrs attrs = {MOE_LOSS_FRACTION_PROBABILITY, 0};
  TestTensor values =
      f32({2, 4}, {0.5, 0.25, 0.125, 0.125, 0.25, 0.5, 0.125, 0.125});
  std::optional<TestTensor> ids = i32({2, 2}, {0, 1, 1, -1});
  TestTensor loss = realResult({});
  moe_error error;
};

/// A loss that takes no ids.
LossCall lossOf(moe_loss kind, std::vector<int64_t> shape,
                const std::vector<double> &values) {
  LossCall call;
  call.attrs.kind = kind;
  call.values = f64(std::move(shape), values);
  call.ids.reset();
  return call;
}

double zOf(const std::vector<double> &logits) {
  int64_t experts = static_cast<int64_t>(logits.size());
  return lossOf(MOE_LOSS_Z, {1, experts}, logits).value();
}

} // namespace

//===----------------------------------------------------------------------===//
// Fraction and probability
//===----------------------------------------------------------------------===//

TEST(AuxLoss, FractionProbability) {
  // f = 1/2, 1, 0, 0 and P = 3/8, 3/8, 1/8, 1/8.
  EXPECT_NEAR(LossCall().value(), 2.25, 1e-12);
}

TEST(AuxLoss, FractionProbabilityDividedByK) {
  LossCall call;
  call.attrs.normalize_k = 1;
  EXPECT_NEAR(call.value(), 1.125, 1e-12);
}

TEST(AuxLoss, AnEvenLoadGivesK) {
  LossCall call;
  call.values = f64({2, 4}, std::vector<double>(8, 0.25));
  call.ids = i32({2, 2}, {0, 1, 2, 3});
  EXPECT_NEAR(call.value(), 2.0, 1e-12);
  call.ids = i32({2, 4}, {0, 1, 2, 3, 3, 2, 1, 0});
  EXPECT_NEAR(call.value(), 4.0, 1e-12);
}

TEST(AuxLoss, OneExpertForAllGivesE) {
  LossCall call;
  call.values = f64({2, 4}, {0, 0, 1, 0, 0, 0, 1, 0});
  call.ids = i32({2, 1}, {2, 2});
  EXPECT_NEAR(call.value(), 4.0, 1e-12);
}

TEST(AuxLoss, AnIdThatRepeatsCountsEachTime) {
  LossCall call;
  call.ids = i32({2, 2}, {0, 0, 0, -1});
  EXPECT_NEAR(call.value(), 4 * 1.5 * 0.375, 1e-12);
}

TEST(AuxLoss, NothingChosen) {
  LossCall call;
  call.ids = i32({2, 2}, {-1, -1, -1, -1});
  EXPECT_EQ(call.value(), 0.0);
  // Experts that nobody chose multiply all the same.
  call.values = f64({2, 4}, {1, 0, 0, infinity, 1, 0, 0, 0});
  EXPECT_TRUE(std::isnan(call.value()));
}

//===----------------------------------------------------------------------===//
// The other kinds
//===----------------------------------------------------------------------===//

TEST(AuxLoss, ZIsTheMeanSquareOfTheLogSumExp) {
  double log2 = std::log(2.0);
  // The rows sum to 4 and to 2.
  LossCall call = lossOf(MOE_LOSS_Z, {2, 2}, {0, std::log(3.0), 0, 0});
  EXPECT_NEAR(call.value(), 2.5 * log2 * log2, 1e-12);
}

TEST(AuxLoss, ZOfLargeLogitsIsFinite) {
  double log2 = std::log(2.0);
  EXPECT_NEAR(zOf({1e4, 1e4}), (1e4 + log2) * (1e4 + log2), 1e-6);
  EXPECT_NEAR(zOf({-1e4, -1e4}), (1e4 - log2) * (1e4 - log2), 1e-6);
}

TEST(AuxLoss, ZOfInfiniteLogits) {
  EXPECT_NEAR(zOf({3, -infinity}), 9.0, 1e-12);
  EXPECT_EQ(zOf({-infinity, -infinity}), infinity);
  EXPECT_EQ(zOf({0, infinity}), infinity);
  EXPECT_EQ(zOf({-infinity, infinity}), infinity);
}

TEST(AuxLoss, ImportanceIsSummedBeforeItIsCompared) {
  // Sums 3/4, 3/4, 1/4, 1/4: mean 1/2, variance 1/16.
  LossCall call;
  call.attrs.kind = MOE_LOSS_IMPORTANCE_CV2;
  call.ids.reset();
  EXPECT_NEAR(call.value(), 0.25, 1e-12);
  // Each token prefers one expert, all tokens together none.
  EXPECT_EQ(
      lossOf(MOE_LOSS_IMPORTANCE_CV2, {2, 2}, {0.75, 0.25, 0.25, 0.75}).value(),
      0.0);
}

TEST(AuxLoss, AMeanImportanceOfZeroDividesByZero) {
  EXPECT_TRUE(
      std::isnan(lossOf(MOE_LOSS_IMPORTANCE_CV2, {1, 2}, {0, 0}).value()));
  EXPECT_EQ(lossOf(MOE_LOSS_IMPORTANCE_CV2, {1, 2}, {1, -1}).value(), infinity);
}

//===----------------------------------------------------------------------===//
// Every kind
//===----------------------------------------------------------------------===//

TEST(AuxLoss, NoTokens) {
  LossCall call;
  call.values = f64({0, 4}, {});
  call.ids = i32({0, 2}, {});
  EXPECT_EQ(call.value(), 0.0);
  EXPECT_EQ(lossOf(MOE_LOSS_Z, {0, 4}, {}).value(), 0.0);
  EXPECT_EQ(lossOf(MOE_LOSS_IMPORTANCE_CV2, {0, 4}, {}).value(), 0.0);
}

TEST(AuxLoss, OneExpert) {
  LossCall call;
  call.values = f64({2, 1}, {0.5, 0.75});
  call.ids = i32({2, 1}, {0, -1});
  EXPECT_NEAR(call.value(), 0.5 * 0.625, 1e-12);
  EXPECT_NEAR(lossOf(MOE_LOSS_Z, {2, 1}, {3, -4}).value(), 12.5, 1e-12);
  EXPECT_EQ(lossOf(MOE_LOSS_IMPORTANCE_CV2, {2, 1}, {3, -4}).value(), 0.0);
}

TEST(AuxLoss, NaNPropagates) {
  LossCall call;
  call.values = f64({2, 4}, {1, 0, 0, notANumber, 1, 0, 0, 0});
  EXPECT_TRUE(std::isnan(call.value())) << "of an expert that nobody chose";
  EXPECT_TRUE(std::isnan(zOf({notANumber, infinity})));
  EXPECT_TRUE(std::isnan(zOf({notANumber, notANumber})));
  EXPECT_TRUE(std::isnan(
      lossOf(MOE_LOSS_IMPORTANCE_CV2, {1, 2}, {notANumber, 1}).value()));
}

//===----------------------------------------------------------------------===//
// Refused calls
//===----------------------------------------------------------------------===//

TEST(AuxLossErrors, Null) {
  LossCall call;
  expectError(
      moe_ref_aux_loss(nullptr, call.values, *call.ids, call.loss, &call.error),
      call.error, "[moe-ref-null]");
  expectError(moe_ref_aux_loss(&call.attrs, call.values, *call.ids, nullptr,
                               &call.error),
              call.error, "[moe-ref-null]");
}

TEST(AuxLossErrors, Kind) {
  for (int32_t kind : {-1, MOE_LOSS_IMPORTANCE_CV2 + 1}) {
    LossCall call;
    call.attrs.kind = kind;
    call.expectRefused("[moe-ref-enum]");
  }
}

TEST(AuxLossErrors, IdsBelongToOneKind) {
  LossCall without;
  without.ids.reset();
  without.expectRefused("[moe-ref-aux-loss-ids]");
  for (moe_loss kind : {MOE_LOSS_Z, MOE_LOSS_IMPORTANCE_CV2}) {
    LossCall with;
    with.attrs.kind = kind;
    with.expectRefused("[moe-ref-aux-loss-ids]");
  }
}

TEST(AuxLossErrors, NormalizeK) {
  LossCall call;
  call.attrs.normalize_k = 2;
  call.expectRefused("[moe-ref-aux-loss-normalize-k]");
  LossCall z = lossOf(MOE_LOSS_Z, {1, 2}, {0, 0});
  z.attrs.normalize_k = 1;
  z.expectRefused("[moe-ref-aux-loss-normalize-k]");
}

TEST(AuxLossErrors, Ids) {
  for (int32_t id : {-2, 4}) {
    LossCall call;
    call.ids = i32({2, 2}, {0, 1, id, -1});
    call.expectRefused("[moe-ref-aux-loss-id]");
  }
}

TEST(AuxLossErrors, Shapes) {
  LossCall tokens;
  tokens.ids = i32({3, 2}, {0, 1, 2, 3, 0, 1});
  tokens.expectRefused("[moe-ref-shape]");
  LossCall slots;
  slots.ids = i32({2, 0}, {});
  slots.expectRefused("[moe-ref-aux-loss-slots]");
  LossCall experts = lossOf(MOE_LOSS_Z, {2, 0}, {});
  experts.expectRefused("[moe-ref-aux-loss-experts]");
  LossCall vector;
  vector.loss = realResult({1});
  vector.expectRefused("[moe-ref-rank]");
}

//===- MovementTest.cpp - Dispatch and combine ----------------------------===//
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

moe_tensor *get(std::optional<TestTensor> &tensor) {
  return tensor ? &tensor->base : nullptr;
}

/// Three tokens of width 2; rows 0 and 1 are expert 0's, row 2 expert 1's, and
/// row 3 nobody's.
struct DispatchCall {
  int32_t run() {
    return moe_ref_dispatch(x, source, offsets, get(weights), get(position),
                            out, &error);
  }

  void expectRefused(const char *tag) {
    expectError(run(), error, tag);
    for (double value : out.reals())
      EXPECT_EQ(value, untouched);
  }

  TestTensor x = f32({3, 2}, {1, 2, 3, 4, 5, 6});
  TestTensor source = i32({4}, {0, 2, 2, -5});
  TestTensor offsets = i32({3}, {0, 2, 3});
  std::optional<TestTensor> weights, position;
  TestTensor out = realResult({4, 2});
  moe_error error;
};

DispatchCall weightedDispatch() {
  DispatchCall call;
  call.weights = f64({3, 2}, {10, 7, 7, 7, 20, 30});
  call.position = i32({3, 2}, {0, -1, -1, -1, 2, 1});
  return call;
}

struct CombineCall {
  int32_t run() {
    return moe_ref_combine(rows, position, get(weights), get(passthrough), out,
                           &error);
  }

  void expectRefused(const char *tag) {
    expectError(run(), error, tag);
    for (double value : out.reals())
      EXPECT_EQ(value, untouched);
  }

  TestTensor rows = f32({3, 2}, {1, 2, 3, 4, 5, 6});
  TestTensor position = i32({2, 2}, {2, 0, -1, 1});
  std::optional<TestTensor> weights, passthrough;
  TestTensor out = realResult({2, 2});
  moe_error error;
};

} // namespace

//===----------------------------------------------------------------------===//
// Dispatch
//===----------------------------------------------------------------------===//

TEST(Dispatch, CopiesRowsAndLeavesTheRest) {
  DispatchCall call;
  ASSERT_EQ(call.run(), MOE_OK) << call.error.message;
  expectNear(call.out.reals(), {1, 2, 5, 6, 5, 6, untouched, untouched});
}

TEST(Dispatch, WeightsOfTheSlots) {
  DispatchCall call = weightedDispatch();
  ASSERT_EQ(call.run(), MOE_OK) << call.error.message;
  expectNear(call.out.reals(),
             {10, 20, 150, 180, 100, 120, untouched, untouched});
}

TEST(Dispatch, NoRows) {
  DispatchCall call;
  call.x = f64({0, 2}, {});
  call.offsets = i32({3}, {0, 0, 0});
  ASSERT_EQ(call.run(), MOE_OK) << call.error.message;
  expectNear(call.out.reals(), std::vector<double>(8, untouched));
}

TEST(DispatchErrors, Null) {
  DispatchCall call;
  moe_error error;
  expectError(moe_ref_dispatch(nullptr, call.source, call.offsets, nullptr,
                               nullptr, call.out, &error),
              error, "[moe-ref-null]");
}

TEST(DispatchErrors, Shapes) {
  DispatchCall call;
  call.out = realResult({4, 3});
  call.expectRefused("[moe-ref-shape]");
}

TEST(DispatchErrors, Offsets) {
  std::vector<std::vector<int32_t>> invalid = {
      {1, 2}, {-1, 2}, {0, 3, 2}, {0, 5}, {0, 5, 3}};
  for (const std::vector<int32_t> &offsets : invalid) {
    DispatchCall call;
    call.offsets = i32({static_cast<int64_t>(offsets.size())}, offsets);
    call.expectRefused("[moe-ref-offsets]");
  }
}

TEST(DispatchErrors, NoOffsets) {
  DispatchCall call;
  call.offsets = i32({0}, {});
  call.expectRefused("[moe-ref-offsets-empty]");
}

TEST(DispatchErrors, Source) {
  for (int32_t token : {-1, 3, INT32_MAX}) {
    DispatchCall call;
    call.source = i32({4}, {0, token, 2, 0});
    call.expectRefused("[moe-ref-source]");
  }
}

TEST(DispatchErrors, WeightsWithoutPosition) {
  DispatchCall weights = weightedDispatch(), position = weightedDispatch();
  weights.position.reset();
  weights.expectRefused("[moe-ref-dispatch-weights]");
  position.weights.reset();
  position.expectRefused("[moe-ref-dispatch-weights]");
}

TEST(DispatchErrors, Position) {
  for (int32_t row : {-2, 3}) {
    DispatchCall call = weightedDispatch();
    call.position = i32({3, 2}, {0, -1, -1, -1, 2, row});
    call.expectRefused("[moe-ref-position]");
  }
}

TEST(DispatchErrors, RowsAndSlotsOfDifferentPlans) {
  DispatchCall missing = weightedDispatch();
  missing.position = i32({3, 2}, {0, -1, -1, -1, 2, -1});
  missing.expectRefused("[moe-ref-dispatch-slots]");
  DispatchCall twice = weightedDispatch();
  twice.position = i32({3, 2}, {0, 0, -1, -1, 2, 1});
  twice.expectRefused("[moe-ref-dispatch-slots]");
  DispatchCall other = weightedDispatch();
  other.position = i32({3, 2}, {1, -1, -1, -1, 2, 0});
  other.expectRefused("[moe-ref-dispatch-token]");
}

//===----------------------------------------------------------------------===//
// Combine
//===----------------------------------------------------------------------===//

TEST(Combine, SumsRows) {
  CombineCall call;
  ASSERT_EQ(call.run(), MOE_OK) << call.error.message;
  expectNear(call.out.reals(), {6, 8, 3, 4});
}

TEST(Combine, Weights) {
  CombineCall call;
  call.weights = f64({2, 2}, {10, 100, 1000, 2});
  ASSERT_EQ(call.run(), MOE_OK) << call.error.message;
  expectNear(call.out.reals(), {150, 260, 6, 8});
}

TEST(Combine, PassthroughOfDroppedSlots) {
  CombineCall call;
  call.weights = f64({2, 2}, {10, 100, 0.5, 2});
  call.passthrough = f64({2, 2}, {-1, -1, 40, 80});
  ASSERT_EQ(call.run(), MOE_OK) << call.error.message;
  expectNear(call.out.reals(), {150, 260, 26, 48});
}

TEST(Combine, WeightZeroPassesNothing) {
  double inf = std::numeric_limits<double>::infinity();
  CombineCall call;
  call.position = i32({2, 2}, {-1, -1, -1, 0});
  call.weights = f64({2, 2}, {0, -0.0, 0, 0});
  call.passthrough = f64({2, 2}, {inf, inf, inf, inf});
  ASSERT_EQ(call.run(), MOE_OK) << call.error.message;
  expectNear(call.out.reals(), {0, 0, 0, 0});
}

TEST(Combine, NaNPropagates) {
  double inf = std::numeric_limits<double>::infinity();
  CombineCall call;
  call.rows = f64({1, 2}, {inf, 1});
  call.position = i32({2, 2}, {0, -1, -1, -1});
  call.weights = f64({2, 2}, {0, 0, std::nan(""), 0});
  call.passthrough = f64({2, 2}, {1, 1, 1, 1});
  ASSERT_EQ(call.run(), MOE_OK) << call.error.message;
  EXPECT_TRUE(std::isnan(call.out.real(0)));
  EXPECT_EQ(call.out.real(1), 0.0);
  EXPECT_TRUE(std::isnan(call.out.real(2)));
}

TEST(Combine, SumsInDoubleAndRoundsOnce) {
  CombineCall call;
  call.rows = f32({3, 1}, {1.0f, 0x1p-25f, -1.0f});
  call.position = i32({1, 3}, {0, 1, 2});
  call.out = f32({1, 1}, {-1});
  ASSERT_EQ(call.run(), MOE_OK) << call.error.message;
  EXPECT_EQ(call.out.real(0), 0x1p-25);
}

TEST(Combine, NoTokens) {
  CombineCall call;
  call.position = i32({0, 2}, {});
  call.out = f64({0, 2}, {});
  ASSERT_EQ(call.run(), MOE_OK) << call.error.message;
}

TEST(CombineErrors, Null) {
  CombineCall call;
  moe_error error;
  expectError(
      moe_ref_combine(call.rows, nullptr, nullptr, nullptr, call.out, &error),
      error, "[moe-ref-null]");
}

TEST(CombineErrors, Shapes) {
  CombineCall call;
  call.weights = f64({2, 1}, {1, 1});
  call.expectRefused("[moe-ref-shape]");
}

TEST(CombineErrors, Position) {
  for (int32_t row : {-2, 3}) {
    CombineCall call;
    call.position = i32({2, 2}, {0, 1, 2, row});
    call.expectRefused("[moe-ref-position]");
  }
}

TEST(CombineErrors, PassthroughWithoutWeights) {
  CombineCall call;
  call.passthrough = f64({2, 2}, {1, 1, 1, 1});
  call.expectRefused("[moe-ref-combine-passthrough]");
}

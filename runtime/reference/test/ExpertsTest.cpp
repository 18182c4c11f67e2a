//===- ExpertsTest.cpp - Matrices and bodies of experts -------------------===//
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

using namespace moe::reference;

namespace {

/// Two experts, three rows, one row that is nobody's.
struct MatmulCall {
  int32_t run(moe_tensor *init = nullptr) {
    moe_tensor slices[] = {first.base, second.base};
    return moe_ref_grouped_matmul(x, slices, 2, offsets, init, out, &error);
  }

  void expectRefused(const char *tag) {
    expectError(run(), error, tag);
    for (double value : out.reals())
      EXPECT_EQ(value, untouched);
  }

  TestTensor x = f32({4, 2}, {1, 2, 3, 4, 5, 6, 7, 8});
  TestTensor first = f64({1, 2}, {1, 10});
  TestTensor second = halves(MOE_BF16, {1, 2}, {0x3f80, 0xbf80}); // 1, -1
  TestTensor offsets = i32({3}, {0, 2, 3});
  TestTensor out = realResult({4, 1});
  moe_error error;
};

/// One expert with 1 x 1 matrices.
double ffnOf(int32_t activation, double x, bool gated) {
  TestTensor input = f64({1, 1}, {x}), offsets = i32({2}, {0, 1});
  TestTensor one = f64({1, 1}, {1}), out = realResult({1, 1});
  moe_error error;
  int32_t status =
      gated ? moe_ref_gated_ffn(input, one, one, one, 1, offsets, activation,
                                out, &error)
            : moe_ref_ffn(input, one, one, 1, offsets, activation, out, &error);
  EXPECT_EQ(status, MOE_OK) << error.message;
  return out.real(0);
}

/// Two experts of different widths and a row that is nobody's.
struct FfnCall {
  int32_t run(int32_t activation, bool gated) {
    moe_tensor gates[] = {gate.base, wideGate.base};
    moe_tensor ups[] = {up.base, wideUp.base};
    moe_tensor downs[] = {down.base, wideDown.base};
    return gated ? moe_ref_gated_ffn(x, gates, ups, downs, 2, offsets,
                                     activation, out, &error)
                 : moe_ref_ffn(x, ups, downs, 2, offsets, activation, out,
                               &error);
  }

  TestTensor x = f64({3, 1}, {2, 3, 4});
  TestTensor gate = f64({1, 1}, {-5}), wideGate = f64({2, 1}, {1, 2});
  TestTensor up = f64({1, 1}, {1}), wideUp = f64({2, 1}, {10, -1});
  TestTensor down = f64({1, 1}, {3}), wideDown = f64({1, 2}, {1, 100});
  TestTensor offsets = i32({3}, {0, 1, 2});
  TestTensor out = realResult({3, 1});
  moe_error error;
};

} // namespace

//===----------------------------------------------------------------------===//
// Grouped matmul
//===----------------------------------------------------------------------===//

TEST(GroupedMatmul, RowsUseTheirExpert) {
  MatmulCall call;
  ASSERT_EQ(call.run(), MOE_OK) << call.error.message;
  expectNear(call.out.reals(), {21, 43, -1, untouched});
}

TEST(GroupedMatmul, Init) {
  MatmulCall call;
  TestTensor init = f32({4, 1}, {1, 2, 3, 4});
  ASSERT_EQ(call.run(init), MOE_OK) << call.error.message;
  expectNear(call.out.reals(), {22, 45, 2, untouched});
}

TEST(GroupedMatmul, InitMayBeTheResult) {
  MatmulCall call;
  call.out = f64({4, 1}, {1, 2, 3, 4});
  ASSERT_EQ(call.run(call.out), MOE_OK) << call.error.message;
  expectNear(call.out.reals(), {22, 45, 2, 4});
}

TEST(GroupedMatmul, EmptyExperts) {
  MatmulCall call;
  call.offsets = i32({3}, {0, 0, 4});
  ASSERT_EQ(call.run(), MOE_OK) << call.error.message;
  expectNear(call.out.reals(), {-1, -1, -1, -1});
}

TEST(GroupedMatmul, EmptySum) {
  TestTensor x = f64({2, 0}, {}), slice = f64({1, 0}, {});
  TestTensor offsets = i32({2}, {0, 2}), out = realResult({2, 1});
  ASSERT_EQ(moe_ref_grouped_matmul(x, slice, 1, offsets, nullptr, out, nullptr),
            MOE_OK);
  expectNear(out.reals(), {0, 0});
}

TEST(GroupedMatmul, NoExperts) {
  TestTensor x = f64({2, 2}, {1, 2, 3, 4}), offsets = i32({1}, {0});
  TestTensor out = realResult({2, 1});
  ASSERT_EQ(
      moe_ref_grouped_matmul(x, nullptr, 0, offsets, nullptr, out, nullptr),
      MOE_OK);
  expectNear(out.reals(), {untouched, untouched});
}

TEST(GroupedMatmulErrors, Null) {
  MatmulCall call;
  moe_error error;
  expectError(moe_ref_grouped_matmul(call.x, nullptr, 2, call.offsets, nullptr,
                                     call.out, &error),
              error, "[moe-ref-null]");
}

TEST(GroupedMatmulErrors, NumberOfSlices) {
  MatmulCall call;
  moe_error error;
  for (int64_t count : {int64_t(-1), int64_t(INT32_MAX), INT64_MAX})
    expectError(moe_ref_grouped_matmul(call.x, call.first, count, call.offsets,
                                       nullptr, call.out, &error),
                error, "[moe-ref-num-slices]");
}

TEST(GroupedMatmulErrors, Shapes) {
  MatmulCall depth, width, offsets;
  depth.second = f64({1, 3}, {1, 2, 3});
  depth.expectRefused("[moe-ref-shape]");
  width.second = f64({2, 2}, {1, 2, 3, 4});
  width.expectRefused("[moe-ref-shape]");
  offsets.offsets = i32({4}, {0, 1, 2, 3});
  offsets.expectRefused("[moe-ref-shape]");
}

TEST(GroupedMatmulErrors, Offsets) {
  MatmulCall call;
  call.offsets = i32({3}, {0, 2, 5});
  call.expectRefused("[moe-ref-offsets]");
}

//===----------------------------------------------------------------------===//
// Whole experts
//===----------------------------------------------------------------------===//

TEST(Ffn, Activations) {
  double x = 1.5;
  double tanhArgument =
      std::sqrt(2.0 / 3.14159265358979323846) * (x + 0.044715 * x * x * x);
  EXPECT_NEAR(ffnOf(MOE_REF_SILU, x, false), x / (1 + std::exp(-x)), 1e-15);
  EXPECT_NEAR(ffnOf(MOE_REF_GELU_TANH, x, false),
              x * 0.5 * (1 + std::tanh(tanhArgument)), 1e-15);
  EXPECT_NEAR(ffnOf(MOE_REF_GELU, x, false),
              x * 0.5 * std::erfc(-x / std::sqrt(2.0)), 1e-15);
  EXPECT_EQ(ffnOf(MOE_REF_RELU, x, false), x);
  EXPECT_EQ(ffnOf(MOE_REF_RELU, -x, false), 0.0);
  EXPECT_EQ(ffnOf(MOE_REF_IDENTITY, -x, false), -x);
  EXPECT_EQ(ffnOf(MOE_REF_IDENTITY, -x, true), x * x);
  EXPECT_TRUE(std::isnan(ffnOf(MOE_REF_RELU, std::nan(""), false)));
}

TEST(Ffn, GatedExpertsOfDifferentWidths) {
  FfnCall call;
  ASSERT_EQ(call.run(MOE_REF_IDENTITY, true), MOE_OK) << call.error.message;
  // 3 (-10 * 2); 1 (3 * 30) + 100 (6 * -3).
  expectNear(call.out.reals(), {-60, -1710, untouched});
  ASSERT_EQ(call.run(MOE_REF_RELU, true), MOE_OK) << call.error.message;
  expectNear(call.out.reals(), {0, -1710, untouched});
}

TEST(Ffn, TwoMatrices) {
  FfnCall call;
  ASSERT_EQ(call.run(MOE_REF_RELU, false), MOE_OK) << call.error.message;
  expectNear(call.out.reals(), {6, 30, untouched});
}

TEST(FfnErrors, Null) {
  FfnCall call;
  moe_error error;
  expectError(moe_ref_gated_ffn(call.x, nullptr, call.up, call.down, 1,
                                call.offsets, MOE_REF_SILU, call.out, &error),
              error, "[moe-ref-null]");
}

TEST(FfnErrors, Activation) {
  FfnCall call;
  expectError(call.run(5, true), call.error, "[moe-ref-enum]");
  expectError(call.run(-1, false), call.error, "[moe-ref-enum]");
}

TEST(FfnErrors, Shapes) {
  FfnCall gate, down;
  gate.gate = f64({2, 1}, {1, 1});
  expectError(gate.run(MOE_REF_SILU, true), gate.error, "[moe-ref-shape]");
  down.wideDown = f64({1, 3}, {1, 1, 1});
  expectError(down.run(MOE_REF_SILU, false), down.error, "[moe-ref-shape]");
}

TEST(FfnErrors, Memory) {
  // More intermediate values than an address space has, from shapes that are
  // valid by themselves. No element is read before the memory is there.
  FfnCall call;
  int64_t hidden = int64_t(1) << 61;
  call.up = halves(MOE_BF16, {1, 1}, {0});
  call.up.base.shape[0] = hidden;
  call.down = halves(MOE_BF16, {1, 1}, {0});
  call.down.base.shape[1] = hidden;
  expectError(call.run(MOE_REF_SILU, false), call.error, "[moe-ref-memory]",
              MOE_OUT_OF_MEMORY);
}

//===- QuantizeTest.cpp - Rows and weights as small integers --------------===//
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

constexpr float infinity = std::numeric_limits<float>::infinity();
const float notANumber = std::numeric_limits<float>::quiet_NaN();

TestTensor codeResult(std::vector<int64_t> shape) {
  std::vector<int8_t> elements(elementCount(shape), 99);
  return TestTensor(MOE_I8, std::move(shape), elements);
}

//===----------------------------------------------------------------------===//
// Rows
//===----------------------------------------------------------------------===//

struct RowsCall {
  int32_t run() {
    return moe_ref_quantize_rows(&attrs, x, codes, scales, sums, &error);
  }
  void expectRefused(const char *tag) { expectError(run(), error, tag); }

  moe_quantize_rows_attrs attrs = {2, 0, 0};
  TestTensor x = f32({1, 3}, {127, 63.5, -2.5});
  TestTensor codes = codeResult({1, 3});
  TestTensor scales = realResult({1}), sums = indexResult({1, 2});
  moe_error error;
};

TEST(QuantizeRows, RoundsTiesToEven) {
  RowsCall call;
  ASSERT_EQ(call.run(), MOE_OK) << call.error.message;
  EXPECT_EQ(call.codes.integers(), std::vector<int32_t>({127, 64, -2}));
  EXPECT_EQ(call.scales.reals(), std::vector<double>({1}));
  EXPECT_EQ(call.sums.integers(), std::vector<int32_t>({191, -2}));
}

TEST(QuantizeRows, OneRunByDefault) {
  RowsCall call;
  call.attrs.group = 0;
  call.sums = indexResult({1, 1});
  ASSERT_EQ(call.run(), MOE_OK) << call.error.message;
  EXPECT_EQ(call.sums.integers(), std::vector<int32_t>({189}));
}

TEST(QuantizeRows, AScaleForEachRun) {
  RowsCall call;
  call.attrs.run_scales = 1;
  call.scales = realResult({1, 2});
  ASSERT_EQ(call.run(), MOE_OK) << call.error.message;
  EXPECT_EQ(call.codes.integers(), std::vector<int32_t>({127, 64, -127}));
  EXPECT_EQ(call.scales.real(0), 1);
  EXPECT_EQ(call.scales.real(1), double(2.5f / 127.0f));
  EXPECT_EQ(call.sums.integers(), std::vector<int32_t>({191, -127}));
}

TEST(QuantizeRows, RowsWithoutCodes) {
  RowsCall call;
  call.x = f32({4, 3}, {0, -0.0, 0, 1e-37f, 0, -1e-37f, infinity, 1, 2, 3,
                        notANumber, 1});
  call.codes = codeResult({4, 3});
  call.scales = realResult({4});
  call.sums = indexResult({4, 2});
  ASSERT_EQ(call.run(), MOE_OK) << call.error.message;
  EXPECT_EQ(call.codes.integers(), std::vector<int32_t>(12, 0));
  EXPECT_EQ(call.scales.real(0), 0);
  EXPECT_EQ(call.scales.real(1), 0);
  EXPECT_TRUE(std::isnan(call.scales.real(2)));
  EXPECT_TRUE(std::isnan(call.scales.real(3)));
}

TEST(QuantizeRows, Refusals) {
  RowsCall call;
  call.sums = indexResult({1, 1});
  call.expectRefused("[moe-ref-quantize-rows-runs]");
  call = RowsCall();
  call.attrs.group = -2;
  call.expectRefused("[moe-ref-quantize-rows-runs]");
  call = RowsCall();
  call.codes = indexResult({1, 3});
  call.expectRefused("[moe-ref-dtype]");
}

//===----------------------------------------------------------------------===//
// Weights
//===----------------------------------------------------------------------===//

struct WeightCall {
  WeightCall(const std::vector<float> &elements, moe_quantization format)
      : format(format),
        w(f32({1, static_cast<int64_t>(elements.size())}, elements)),
        codes(indexResult({1, static_cast<int64_t>(elements.size())})),
        values(realResult({1, static_cast<int64_t>(elements.size())})) {
    int64_t runs = 1;
    if (format.group > 0)
      runs = (static_cast<int64_t>(elements.size()) + format.group - 1) /
             format.group;
    scales = realResult({1, runs});
    zeros = indexResult({1, runs});
  }
  int32_t run() {
    return moe_ref_quantize(&format, w, codes, scales, zeros, values, &error);
  }
  void expect(const std::vector<int32_t> &wantedCodes,
              const std::vector<double> &wantedScales,
              const std::vector<int32_t> &wantedZeros) {
    ASSERT_EQ(run(), MOE_OK) << error.message;
    EXPECT_EQ(codes.integers(), wantedCodes);
    EXPECT_EQ(scales.reals(), wantedScales);
    EXPECT_EQ(zeros.integers(), wantedZeros);
  }
  void expectRefused(const char *tag) { expectError(run(), error, tag); }

  moe_quantization format;
  TestTensor w, codes, values;
  TestTensor scales = realResult({}), zeros = indexResult({});
  moe_error error;
};

TEST(Quantize, EightBits) {
  WeightCall call({-254, 127, 1, 2}, {8, MOE_F32, 4, 0, 0});
  // 0.5 is rounded to 0.
  call.expect({1, 192, 128, 129}, {2}, {128});
  EXPECT_EQ(call.values.reals(), std::vector<double>({-254, 128, 0, 2}));
}

TEST(Quantize, FourBits) {
  // The extreme gets code 0, its opposite no more than 7 steps; of equals the
  // positive one is the extreme.
  WeightCall call({8, -8, 3.5, 2.5}, {4, MOE_F32, 4, 0, 0});
  call.expect({0, 15, 4, 6}, {-1}, {8});
  EXPECT_EQ(call.values.reals(), std::vector<double>({8, -7, 4, 2}));
}

TEST(Quantize, ZeroPoints) {
  WeightCall call({-1, 2, 0, 0.25}, {4, MOE_F32, 4, 1, 0});
  float scale = 3.0f / 15;
  call.expect({0, 15, 5, 6}, {scale}, {5});
}

/// All values on one side of 0: it is in the range nevertheless.
TEST(Quantize, ZeroPointsOfPositiveValues) {
  WeightCall call({30, 15, 20, 2}, {4, MOE_F32, 4, 1, 0});
  call.expect({15, 8, 10, 1}, {2}, {0});
}

TEST(Quantize, RunsAndTypesOfScales) {
  // -100 / -8 is 12.5 in both; 1.01 / -8 has 8 or 11 digits.
  WeightCall call({-100, 0, 1.01f}, {4, MOE_BF16, 2, 0, 0});
  call.expect({0, 8, 0}, {12.5, -0.1259765625}, {8, 8});
  WeightCall half({-100, 0, 1.01f}, {4, MOE_F16, 2, 0, 0});
  half.expect({0, 8, 0}, {12.5, -0.126220703125}, {8, 8});
}

TEST(Quantize, RunsWithoutCodes) {
  WeightCall zeros({0, 0}, {8, MOE_F32, 2, 0, 0});
  zeros.expect({128, 128}, {0}, {128});
  WeightCall tiny({1e-42f, 0}, {8, MOE_F32, 2, 1, 0});
  tiny.expect({128, 128}, {0}, {128});
  for (float bad : {infinity, -infinity, notANumber}) {
    WeightCall call({1, bad}, {4, MOE_F32, 2, 0, 0});
    ASSERT_EQ(call.run(), MOE_OK);
    EXPECT_EQ(call.codes.integers(), std::vector<int32_t>({8, 8}));
    EXPECT_TRUE(std::isnan(call.scales.real(0)));
    EXPECT_TRUE(std::isnan(call.values.real(0)));
  }
  // A scale that f16 cannot hold.
  WeightCall large({1e30f, 1}, {4, MOE_F16, 2, 0, 0});
  ASSERT_EQ(large.run(), MOE_OK);
  EXPECT_TRUE(std::isnan(large.scales.real(0)));
}

TEST(Quantize, Refusals) {
  WeightCall({1}, {5, MOE_F32, 1, 0, 0})
      .expectRefused("[moe-ref-quantize-format]");
  WeightCall({1}, {4, MOE_F64, 1, 0, 0})
      .expectRefused("[moe-ref-quantize-format]");
  WeightCall({1}, {4, MOE_F32, 0, 0, 0})
      .expectRefused("[moe-ref-quantize-format]");
  WeightCall({1}, {4, MOE_F32, 1, 2, 0})
      .expectRefused("[moe-ref-quantize-format]");
  WeightCall call({1, 2}, {4, MOE_F32, 2, 0, 0});
  call.scales = realResult({1, 2});
  call.zeros = indexResult({1, 2});
  call.expectRefused("[moe-ref-quantize-runs]");
}

} // namespace

//===- CompareTest.cpp - Rules of --expect --------------------------------===//
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Compare.h"
#include "Support.h"
#include <limits>

using namespace moe::run;

static constexpr double infinity = std::numeric_limits<double>::infinity();
static constexpr double nan = std::numeric_limits<double>::quiet_NaN();

TEST(MatchesTest, TakesTheLargerTolerance) {
  EXPECT_TRUE(matches(1.0, 1.0, {0, 0}));
  EXPECT_FALSE(matches(1.0, 1.0 + 1e-12, {0, 0}));
  EXPECT_TRUE(matches(101, 100, {0.01, 0}));
  EXPECT_FALSE(matches(102, 100, {0.01, 0}));
  EXPECT_TRUE(matches(0.5, 0, {0.01, 0.5}));
  // The larger one, not the sum.
  EXPECT_FALSE(matches(101.4, 100, {0.01, 0.5}));
  // Relative to what is expected.
  EXPECT_TRUE(matches(90, 100, {0.1, 0}));
  EXPECT_FALSE(matches(100, 90, {0.1, 0}));
}

TEST(MatchesTest, NaNMatchesNothing) {
  EXPECT_FALSE(matches(nan, nan, {1, infinity}));
  EXPECT_FALSE(matches(nan, 1, {1, 1}));
  EXPECT_FALSE(matches(1, nan, {1, 1}));
}

TEST(MatchesTest, InfinityMatchesItself) {
  EXPECT_TRUE(matches(infinity, infinity, {0, 0}));
  EXPECT_FALSE(matches(-infinity, infinity, {1, 1}));
  EXPECT_FALSE(matches(1, infinity, {1, 1}));
  EXPECT_FALSE(matches(infinity, 1, {1, 1}));
}

template <typename T>
static Tensor make(int32_t dtype, llvm::ArrayRef<int64_t> shape,
                   std::vector<T> values) {
  Tensor tensor = take(Tensor::create("test", dtype, shape));
  llvm::copy(values, tensor.elements<T>().begin());
  return tensor;
}

static std::string print(const Tensor &got, const Tensor &want,
                         Tolerance tolerance) {
  std::string text;
  llvm::raw_string_ostream os(text);
  Comparison comparison = compare(got.get(), want.get(), tolerance);
  printComparison(os, "x", comparison, got.get(), want.get());
  return text;
}

TEST(CompareTest, ReportsTheLargestErrorOfAMatch) {
  Tensor got = make<float>(MOE_F32, {2, 2}, {1, 2, 3.5, 4});
  Tensor want = make<float>(MOE_F32, {2, 2}, {1, 2, 3, 4.25});
  EXPECT_EQ(print(got, want, {0, 0.5}),
            "expect x: match (largest error 0.5 at [1, 0], 4 values)\n");
}

TEST(CompareTest, ReportsTheFirstDifference) {
  Tensor got = make<float>(MOE_F32, {2, 2}, {1, 2.5, 3, 8});
  Tensor want = make<float>(MOE_F32, {2, 2}, {1, 2, 3, 4});
  EXPECT_EQ(print(got, want, {0, 0}),
            "expect x: MISMATCH, first at [0, 1]: got 2.5, expected 2 (2 "
            "differ, largest error 4 at [1, 1], 4 values)\n");
}

TEST(CompareTest, NaNIsTheLargestError) {
  Tensor got = make<float>(MOE_F32, {2}, {float(nan), 5});
  Tensor want = make<float>(MOE_F32, {2}, {float(nan), 1});
  Comparison comparison = compare(got.get(), want.get(), {0, 10});
  EXPECT_EQ(comparison.numDifferent, 1);
  EXPECT_EQ(comparison.firstDifferent, 0);
  EXPECT_EQ(comparison.largestError, infinity);
}

TEST(CompareTest, ShapesMustBeEqual) {
  Tensor got = make<float>(MOE_F32, {2}, {1, 2});
  Tensor want = make<float>(MOE_F32, {2, 1}, {1, 2});
  EXPECT_EQ(print(got, want, {1, 1}),
            "expect x: MISMATCH, got f32 [2], expected f32 [2, 1]\n");
}

TEST(CompareTest, IntegersAreExactInAnyWidth) {
  Tensor got = make<int64_t>(MOE_I64, {2}, {1, int64_t(1) << 60});
  Tensor want = make<int64_t>(MOE_I64, {2}, {1, (int64_t(1) << 60) + 1});
  EXPECT_FALSE(compare(got.get(), want.get(), {1, 1}).isMatch());
  Tensor narrow = make<int32_t>(MOE_I32, {1}, {-7});
  Tensor wide = make<int64_t>(MOE_I64, {1}, {-7});
  EXPECT_TRUE(compare(narrow.get(), wide.get(), {0, 0}).isMatch());
}

TEST(CompareTest, IntegersAndFloatsDiffer) {
  Tensor got = make<float>(MOE_F32, {1}, {1});
  Tensor want = make<int32_t>(MOE_I32, {1}, {1});
  EXPECT_FALSE(compare(got.get(), want.get(), {1, 1}).isMatch());
}

TEST(CompareTest, EmptyTensorsMatch) {
  Tensor got = take(Tensor::create("test", MOE_F32, {0, 3}));
  EXPECT_EQ(print(got, got, {0, 0}), "expect x: match (0 values)\n");
}

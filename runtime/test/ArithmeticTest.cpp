//===- ArithmeticTest.cpp - Sizes that cannot wrap around -----------------===//
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "core/Arithmetic.h"

#include <gtest/gtest.h>

using namespace moe::rt;

TEST(Arithmetic, MulOverflow) {
  int64_t out;
  EXPECT_FALSE(mulOverflow<int64_t>(1 << 30, 1 << 30, out));
  EXPECT_EQ(out, int64_t(1) << 60);
  EXPECT_TRUE(mulOverflow<int64_t>(int64_t(1) << 32, int64_t(1) << 31, out));
  EXPECT_TRUE(mulOverflow<int64_t>(INT64_MIN, -1, out));
  uint64_t wide;
  EXPECT_TRUE(mulOverflow<uint64_t>(UINT64_MAX, 2, wide));
}

TEST(Arithmetic, AddOverflow) {
  int64_t out;
  EXPECT_FALSE(addOverflow<int64_t>(INT64_MAX, 0, out));
  EXPECT_TRUE(addOverflow<int64_t>(INT64_MAX, 1, out));
  EXPECT_TRUE(addOverflow<int64_t>(INT64_MIN, -1, out));
}

TEST(Arithmetic, ElementsOfAShape) {
  int64_t elements;
  const int64_t shape[] = {2, 3, 4};
  EXPECT_FALSE(elementsOverflow(shape, 3, elements));
  EXPECT_EQ(elements, 24);
  EXPECT_FALSE(elementsOverflow(shape, 0, elements));
  EXPECT_EQ(elements, 1);
}

TEST(Arithmetic, ElementsOverflowInEveryOrderOfExtents) {
  int64_t elements;
  const int64_t big = int64_t(1) << 62;
  const int64_t zeroFirst[] = {0, big, big}, zeroLast[] = {big, big, 0};
  EXPECT_TRUE(elementsOverflow(zeroFirst, 3, elements));
  EXPECT_TRUE(elementsOverflow(zeroLast, 3, elements));
  const int64_t empty[] = {0, big};
  EXPECT_FALSE(elementsOverflow(empty, 2, elements));
  EXPECT_EQ(elements, 0);
}

TEST(Arithmetic, BytesOverflow) {
  int64_t bytes;
  EXPECT_FALSE(bytesOverflow(INT64_MAX / 4, 4, bytes));
  EXPECT_TRUE(bytesOverflow(INT64_MAX / 4 + 1, 4, bytes));
}

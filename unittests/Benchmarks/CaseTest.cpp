//===- CaseTest.cpp - Sizes, copies and work ------------------------------===//
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Case.h"
#include "Failure.h"
#include "gtest/gtest.h"
#include <cmath>

using namespace moe::bench;

namespace {

const DType &f32() { return *llvm::cantFail(findDType("f32")); }

TEST(Rotation, HasTheBytesAndAtLeastTwoCopies) {
  Rotation rotation = llvm::cantFail(planRotation(100, 950, 1 << 20));
  EXPECT_EQ(rotation.copies, 10);
  EXPECT_EQ(rotation.bufferBytes, 950);
  EXPECT_STREQ(rotation.limit, "");
  EXPECT_EQ(llvm::cantFail(planRotation(100, 0, 1 << 20)).copies, 2);
}

TEST(Rotation, SaysWhatLimitsIt) {
  Rotation byMemory = llvm::cantFail(planRotation(100, 950, 600));
  EXPECT_EQ(byMemory.copies, 3);
  EXPECT_STREQ(byMemory.limit, "memory");
  EXPECT_EQ(byMemory.bufferBytes, 150);
  Rotation byCopies = llvm::cantFail(planRotation(1, 1 << 20, 1 << 20));
  EXPECT_EQ(byCopies.copies, 64);
  EXPECT_STREQ(byCopies.limit, "copies");
}

TEST(Rotation, RefusesALayerThatDoesNotFit) {
  auto rotation = planRotation(100, 950, 199);
  ASSERT_FALSE(bool(rotation));
  EXPECT_NE(llvm::toString(rotation.takeError()).find("[moe-bench-memory]"),
            std::string::npos);
}

TEST(DType, ErrorsAboveTheBoundAreAMismatch) {
  EXPECT_FALSE(bool(f32().checkError(1e-6)));
  for (double error : {1e-3, double(INFINITY), double(NAN)}) {
    llvm::Error failure = f32().checkError(error);
    ASSERT_TRUE(failure.isA<Failure>());
    EXPECT_NE(llvm::toString(std::move(failure)).find("[moe-bench-error]"),
              std::string::npos);
  }
}

TEST(Sizes, CountOperationsAndBytes) {
  Sizes sizes = {8, 2, 16, 24, 5};
  EXPECT_EQ(sizes.getOperations(), 2 * 5 * 16 * (8 + 3 * 2 * 24));
  EXPECT_EQ(sizes.getWeightBytes(f32()), 8 * 3 * 16 * 24 * 4);
}

TEST(Sizes, BytesOfACallDoNotOverflow) {
  Sizes sizes = {8, 2, 16, 24, 5};
  EXPECT_EQ(sizes.getCallBytes(), 5 * 16 * 12 + 5 * 8 * 8 + 10 * (16 + 24) * 8);
  sizes.hidden = int64_t(1) << 62;
  EXPECT_EQ(sizes.getCallBytes(), std::numeric_limits<int64_t>::max());
}

TEST(Case, CountsTheWeightsOfTheExpertsThatAreHit) {
  Options options = {};
  options.sizes = {8, 2, 16, 24, 5};
  options.dtype = &f32();
  options.load = llvm::cantFail(parseLoad("one"));
  auto data = llvm::cantFail(Case::create(options, {3, 0, ""}));
  EXPECT_EQ(data->getWork().expertsHit, 2);
  EXPECT_EQ(data->getWork().weightBytes, 2 * 3 * 16 * 24 * 4 + 8 * 16 * 4);
  EXPECT_EQ(data->getWork().mostTokens, 5);
  EXPECT_EQ(data->getWork().meanTokens, 10.0 / 8);
}

} // namespace

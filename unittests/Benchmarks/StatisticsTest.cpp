//===- StatisticsTest.cpp - Medians, spread and rounds --------------------===//
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Statistics.h"
#include "Json.h"
#include "Rounds.h"
#include "gtest/gtest.h"

using namespace moe::bench;

TEST(Statistics, QuantilesLieBetweenSamples) {
  std::vector<double> samples = {4, 1, 3, 2};
  EXPECT_EQ(getQuantile(samples, 0), 1);
  EXPECT_EQ(getQuantile(samples, 0.5), 2.5);
  EXPECT_EQ(getQuantile(samples, 1), 4);
  EXPECT_EQ(getQuantile({7}, 0.25), 7);
}

TEST(Statistics, SpreadIsRelativeToTheMedian) {
  Summary summary({1, 2, 3, 4, 5});
  EXPECT_EQ(summary.median, 3);
  EXPECT_EQ(summary.lowerQuartile, 2);
  EXPECT_EQ(summary.upperQuartile, 4);
  EXPECT_EQ(summary.count, 5u);
  EXPECT_DOUBLE_EQ(summary.getSpread(), 2.0 / 3);
  EXPECT_EQ(Summary({0, 0}).getSpread(), 0);
}

TEST(Statistics, RatiosAreOfTheSameRound) {
  EXPECT_EQ(getRatios({2, 9}, {1, 3}), (std::vector<double>{2, 3}));
}

TEST(Statistics, JsonHoldsTheFigures) {
  Json json;
  addTimes(json, Summary({1, 2, 3, 4, 5}));
  EXPECT_EQ(json["median_ms"], 3);
  EXPECT_EQ(json["quartiles_ms"], Json({2, 4}));
  EXPECT_EQ(json["rounds"], 5);
}

TEST(Rounds, TakeTheStepsInTurn) {
  double next = 0;
  Step count = [&] { return next++; };
  auto samples = runRounds(3, {count, count});
  ASSERT_TRUE(bool(samples));
  EXPECT_EQ((*samples)[0], (std::vector<double>{0, 2, 4}));
  EXPECT_EQ((*samples)[1], (std::vector<double>{1, 3, 5}));
}

TEST(Rounds, EndAtTheFirstFailure) {
  int calls = 0;
  Step fail = [&]() -> llvm::Expected<double> {
    if (++calls == 2)
      return llvm::createStringError(llvm::inconvertibleErrorCode(), "broken");
    return 0;
  };
  auto samples = runRounds(5, {fail});
  ASSERT_FALSE(bool(samples));
  EXPECT_EQ(llvm::toString(samples.takeError()), "broken");
  EXPECT_EQ(calls, 2);
}

//===- RandomTest.cpp - Philox and sampling -------------------------------===//
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Philox.h"
#include "Sampling.h"
#include "Support.h"
#include <cmath>
#include <limits>

using namespace moe::run;

using Block = Philox::Block;

// From kat_vectors of the Random123 distribution.
TEST(PhiloxTest, KnownAnswers) {
  EXPECT_EQ(Philox(0)({0, 0, 0, 0}),
            (Block{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  EXPECT_EQ(
      Philox(~uint64_t(0))({0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff}),
      (Block{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
  EXPECT_EQ(Philox(0x299f31d0a4093822)(
                {0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}),
            (Block{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

TEST(PhiloxTest, UniformIsInRange) {
  EXPECT_EQ(Philox::toUniform({0, 0, 0, 0}), 0.0);
  double most = Philox::toUniform({0xffffffff, 0xffffffff, 0, 0});
  EXPECT_LT(most, 1.0);
  EXPECT_GT(most, 1.0 - 1e-15);
}

TEST(GreedyTest, FirstOfEqualsWins) {
  EXPECT_EQ(take(findLargest({1, 3, 2, 3})), 1);
  float low = -std::numeric_limits<float>::infinity();
  EXPECT_EQ(take(findLargest({low, low})), 0);
}

TEST(GreedyTest, RefusesNaN) {
  EXPECT_TRUE(hasTag(messageOf(findLargest({1, NAN})), "[moe-run-logits-nan]"));
}

TEST(SamplingTest, RefusesInfiniteLogits) {
  EXPECT_TRUE(hasTag(messageOf(pickToken({1, INFINITY}, {1, 0}, 0, 0)),
                     "[moe-run-logits-infinite]"));
  EXPECT_EQ(take(pickToken({1, INFINITY}, {0, 0}, 0, 0)), 1);
}

TEST(SamplingTest, DependsOnSeedSequenceAndStepAlone) {
  std::vector<float> logits(1000, 0.0f);
  Sampling sampling = {1.0, 42};
  int64_t token = take(pickToken(logits, sampling, 1, 2));
  EXPECT_EQ(take(pickToken(logits, sampling, 1, 2)), token);
  EXPECT_NE(take(pickToken(logits, sampling, 2, 2)), token);
  EXPECT_NE(take(pickToken(logits, sampling, 1, 3)), token);
  EXPECT_NE(take(pickToken(logits, {1.0, 43}, 1, 2)), token);
}

TEST(SamplingTest, FollowsTheProbabilities) {
  std::vector<float> logits = {0.0f, float(std::log(3.0)), -INFINITY};
  std::vector<int> counts(3);
  for (int step = 0; step < 4000; ++step)
    ++counts[take(pickToken(logits, {1.0, 7}, 0, step))];
  EXPECT_NEAR(counts[1], 3000, 150);
  EXPECT_EQ(counts[2], 0);
}

TEST(SamplingTest, TemperatureSharpens) {
  std::vector<float> logits = {0, 1};
  int numLikely = 0;
  for (int step = 0; step < 200; ++step)
    numLikely += take(pickToken(logits, {0.01, 7}, 0, step)) == 1;
  EXPECT_EQ(numLikely, 200);
}

TEST(SamplingTest, NeverPicksTheImpossible) {
  // The largest draw against a total that is reached before the last token.
  std::vector<float> logits = {0, 0, -INFINITY, -INFINITY};
  for (int step = 0; step < 2000; ++step)
    EXPECT_LT(take(pickToken(logits, {1.0, 3}, 0, step)), 2);
}

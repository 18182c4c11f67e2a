//===- RoutingTest.cpp - Which experts the tokens go to -------------------===//
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Routing.h"
#include "Failure.h"
#include "gtest/gtest.h"
#include <cmath>
#include <numeric>
#include <set>

using namespace moe::bench;

namespace {

/// The message of an error; empty for success.
std::string textOf(llvm::Error error) {
  return llvm::toString(std::move(error));
}

Load loadOf(llvm::StringRef text) { return llvm::cantFail(parseLoad(text)); }

Routing makeRouting(const Sizes &sizes, llvm::StringRef load,
                    uint64_t seed = 1) {
  std::mt19937_64 random(seed);
  return Routing(sizes, loadOf(load), random);
}

constexpr Sizes small = {16, 3, 32, 8, 40};

TEST(Routing, EveryTokenHasDifferentExperts) {
  for (const char *load : {"uniform", "zipf:1.5", "zipf:100", "one"}) {
    Routing routing = makeRouting(small, load);
    for (int64_t t = 0; t < small.tokens; ++t) {
      std::set<int64_t> experts;
      for (int64_t j = 0; j < small.topK; ++j)
        experts.insert(routing.getExpert(0, t * small.topK + j));
      EXPECT_EQ(int64_t(experts.size()), small.topK) << load;
    }
  }
}

TEST(Routing, WindowsKeepTheLoadsAndChangeTheExperts) {
  Routing routing = makeRouting({16, 3, 32, 8, 1}, "uniform");
  ASSERT_EQ(routing.getNumHit(), 3);
  std::set<int64_t> experts;
  for (int64_t window = 0; window < 5; ++window) {
    std::vector<int32_t> counts = routing.getCounts(window);
    EXPECT_EQ(std::accumulate(counts.begin(), counts.end(), 0), 3);
    for (int64_t slot = 0; slot < 3; ++slot)
      experts.insert(routing.getExpert(window, slot));
  }
  EXPECT_EQ(experts.size(), 15u); // none again in five windows
}

TEST(Routing, CountsOfLaterWindowsAreThoseOfTheFirstInAnotherOrder) {
  Routing routing = makeRouting(small, "zipf:1");
  std::vector<int32_t> first = routing.getCounts(0);
  std::sort(first.begin(), first.end());
  for (int64_t window : {int64_t(1), int64_t(7), int64_t(1) << 60}) {
    std::vector<int32_t> later = routing.getCounts(window);
    std::sort(later.begin(), later.end());
    EXPECT_EQ(later, first);
  }
}

TEST(Routing, LoadsAreAsUnevenAsTheyShould) {
  auto most = [](const char *load) {
    std::vector<int32_t> counts = makeRouting(small, load).getCounts(0);
    return *std::max_element(counts.begin(), counts.end());
  };
  EXPECT_EQ(most("one"), small.tokens);
  EXPECT_EQ(makeRouting(small, "one").getNumHit(), small.topK);
  EXPECT_LT(most("uniform"), most("zipf:2"));
  EXPECT_EQ(makeRouting(small, "uniform").getNumHit(), small.experts);
}

TEST(Routing, TheSameSeedDrawsTheSame) {
  EXPECT_EQ(makeRouting(small, "zipf:1", 5).getCounts(3),
            makeRouting(small, "zipf:1", 5).getCounts(3));
}

TEST(Load, RefusesWhatItDoesNotKnow) {
  for (const char *text : {"", "Uniform", "zipf", "zipf:", "zipf:-1",
                           "zipf:101", "zipf:nan", "zipf:inf", "zipf:1x"}) {
    auto load = parseLoad(text);
    ASSERT_FALSE(bool(load)) << text;
    EXPECT_NE(textOf(load.takeError()).find("[moe-bench-load]"),
              std::string::npos);
  }
}

TEST(Tokens, LogitsOfTheExpertsOfATokenAreTheLargest) {
  for (Sizes sizes : {small, Sizes{32, 4, 32, 8, 20}, Sizes{1, 1, 1, 1, 3}}) {
    std::mt19937_64 random(sizes.tokens);
    Routing routing(sizes, loadOf("uniform"), random);
    std::normal_distribution<float> normal(0, 1 / std::sqrt(sizes.hidden));
    std::vector<float> router(sizes.experts * sizes.hidden);
    for (float &value : router)
      value = normal(random);
    Tokens tokens(sizes, router, random);
    std::vector<float> x(sizes.tokens * sizes.hidden);
    tokens.write(routing, 2, x.data());
    for (int64_t t = 0; t < sizes.tokens; ++t) {
      std::set<int64_t> chosen;
      for (int64_t j = 0; j < sizes.topK; ++j)
        chosen.insert(routing.getExpert(2, t * sizes.topK + j));
      for (int64_t e = 0; e < sizes.experts; ++e) {
        const float *row = router.data() + e * sizes.hidden;
        float logit = std::inner_product(row, row + sizes.hidden,
                                         x.data() + t * sizes.hidden, 0.0f);
        EXPECT_EQ(chosen.count(e) == 1, logit > 2) << logit;
      }
    }
  }
}

TEST(Counts, ADifferenceIsAMismatch) {
  EXPECT_EQ(textOf(checkCounts({1, 0, 3}, {1, 0, 3})), "");
  llvm::Error error = checkCounts({1, 0, 3}, {1, 2, 1});
  ASSERT_TRUE(error.isA<Failure>());
  handleAllErrors(std::move(error), [](const Failure &failure) {
    EXPECT_EQ(failure.getExitCode(), ExitCode::Mismatch);
    EXPECT_NE(failure.message().find("expert 1 got 0 tokens, expected 2"),
              std::string::npos);
    EXPECT_NE(failure.message().find("[moe-bench-counts]"), std::string::npos);
  });
}

} // namespace

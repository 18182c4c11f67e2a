//===- RouterVectorsTest.cpp - The oracle on known models -----------------===//
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "RouterVectors.h"
#include "TestTensor.h"
#include "moe_rt/reference.h"

#include <algorithm>

using namespace moe::reference;
using moe::vectors::RouterVector;

namespace {

class RouterVectors : public ::testing::TestWithParam<RouterVector> {};

std::vector<double> sequence(const double *begin, int64_t count) {
  return std::vector<double>(begin, begin + count);
}

} // namespace

TEST_P(RouterVectors, IdsAndWeights) {
  const RouterVector &vector = GetParam();
  int64_t experts = vector.numExperts, slots = vector.attrs.top_k;
  TestTensor logits = f64({1, experts}, sequence(vector.logits, experts));
  TestTensor bias = f64({8}, sequence(moe::vectors::bias, 8));
  TestTensor weights = realResult({1, slots}), ids = indexResult({1, slots});
  moe_error error;
  ASSERT_EQ(moe_ref_router(&vector.attrs, logits,
                           vector.needsBias ? &bias.base : nullptr, nullptr,
                           nullptr, weights, ids, nullptr, &error),
            MOE_OK)
      << error.message;
  EXPECT_EQ(ids.integers(),
            std::vector<int32_t>(vector.ids, vector.ids + slots));
  expectNear(weights.reals(), sequence(vector.weights, slots), 1e-6);
}

/// Renaming the experts renames the ids and leaves the weights. A reversal, so
/// that groups stay runs of consecutive experts.
TEST_P(RouterVectors, FollowReversedExperts) {
  const RouterVector &vector = GetParam();
  int64_t experts = vector.numExperts, slots = vector.attrs.top_k;
  std::vector<double> reversed = sequence(vector.logits, experts);
  std::vector<double> reversedBias = sequence(moe::vectors::bias, 8);
  std::reverse(reversed.begin(), reversed.end());
  std::reverse(reversedBias.begin(), reversedBias.end());
  TestTensor logits = f64({1, experts}, reversed),
             bias = f64({8}, reversedBias);
  TestTensor weights = realResult({1, slots}), ids = indexResult({1, slots});
  ASSERT_EQ(moe_ref_router(&vector.attrs, logits,
                           vector.needsBias ? &bias.base : nullptr, nullptr,
                           nullptr, weights, ids, nullptr, nullptr),
            MOE_OK);
  for (int64_t slot = 0; slot < slots; ++slot)
    EXPECT_EQ(experts - 1 - ids.integer(slot), vector.ids[slot]);
  expectNear(weights.reals(), sequence(vector.weights, slots), 1e-6);
}

INSTANTIATE_TEST_SUITE_P(Models, RouterVectors,
                         ::testing::ValuesIn(moe::vectors::routerVectors),
                         [](const auto &info) { return info.param.name; });

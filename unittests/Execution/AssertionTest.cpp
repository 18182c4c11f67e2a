//===- AssertionTest.cpp - What an entry refuses before it computes
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Layer.h"
#include "gtest/gtest.h"

using namespace moe;
using namespace moe::test;

namespace {

/// The counts of a plan with k = 2; the cache is there to be written. The ids
/// are computed, so that those of the argument have no range that must be
/// checked.
constexpr const char *kPlan = R"mlir(
func.func private @plan(%w: tensor<?x2xf32>, %ids: tensor<?x2xi32>) -> tensor<4xi32> {
  %counts, %offsets, %source, %position, %weights = moe.plan %w, %ids
    : (tensor<?x2xf32>, tensor<?x2xi32>)
    -> (tensor<4xi32>, tensor<5xi32>, tensor<?xi32>, tensor<?x2xi32>, tensor<?x2xf32>)
  return %counts : tensor<4xi32>
}
func.func @count(%w: tensor<?x2xf32> {moe.shape = ["tokens", 2]},
                 %ids: tensor<?x2xi32> {moe.shape = ["tokens", 2]},
                 %cache: tensor<4xf32>)
    -> (tensor<4xi32>, tensor<4xf32> {moe.tied = 2 : i64}) {
  %computed = linalg.max ins(%ids, %ids : tensor<?x2xi32>, tensor<?x2xi32>)
    outs(%ids : tensor<?x2xi32>) -> tensor<?x2xi32>
  %counts = call @plan(%w, %computed) : (tensor<?x2xf32>, tensor<?x2xi32>) -> tensor<4xi32>
  %new = linalg.add ins(%cache, %cache : tensor<4xf32>, tensor<4xf32>) outs(%cache : tensor<4xf32>) -> tensor<4xf32>
  return %counts, %new : tensor<4xi32>, tensor<4xf32>
}
)mlir";

class Assertions : public testing::TestWithParam<bool> {
protected:
  Assertions() {
    std::fill_n(ids.i32(), ids.size(), 3);
    std::fill_n(cache.f32(), cache.size(), 1.0f);
    std::fill_n(counts.i32(), counts.size(), -7);
    SessionOptions options;
    options.reference = GetParam();
    auto opened = Session::openText(kPlan, options);
    if (opened)
      session = std::move(*opened);
    else
      ADD_FAILURE() << llvm::toString(opened.takeError());
  }

  /// An empty string, or why the call failed.
  std::string count(int64_t tokens) {
    moe_tensor inputs[] = {weights.abi(), ids.abi(), cache.abi()};
    inputs[0].shape[0] = inputs[1].shape[0] = tokens;
    if (tokens > ids.dim(0)) {
      // Far from everything, and from each other: nothing is there to read.
      inputs[0].data = reinterpret_cast<void *>(UINT64_C(1) << 60);
      inputs[1].data = reinterpret_cast<void *>(UINT64_C(1) << 61);
    }
    moe_tensor outputs[] = {counts.abi()};
    auto function = session->find();
    if (!function)
      return llvm::toString(function.takeError());
    return llvm::toString(session->call(**function, inputs, outputs));
  }

  Tensor weights{MOE_F32, {5, 2}}, ids{MOE_I32, {5, 2}}, cache{MOE_F32, {4}},
      counts{MOE_I32, {4}};
  std::unique_ptr<Session> session;
};

TEST_P(Assertions, PlanOfASmallBatch) {
  ASSERT_TRUE(session);
  EXPECT_EQ(count(5), "");
  EXPECT_EQ(counts.i32()[3], 10);
  EXPECT_EQ(cache.f32()[0], 2);
}

/// The ids are not as large as they say: they must not be read.
TEST_P(Assertions, PlanOfMoreSlotsThanRowsCanNumber) {
  ASSERT_TRUE(session);
  for (int64_t tokens : {INT64_C(1) << 30, INT64_C(1) << 40}) {
    EXPECT_EQ(count(tokens),
              "'count': moe.plan of k = 2 got more than 1073741823 tokens, "
              "expected T * k < 2^31 because rows are i32; split the batch "
              "[moe-plan-slots]");
    for (int64_t i = 0; i < 4; ++i) {
      EXPECT_EQ(counts.i32()[i], -7);
      EXPECT_EQ(cache.f32()[i], 1);
    }
    EXPECT_EQ(session->getPeakWorkspace(), 0u);
  }
}

INSTANTIATE_TEST_SUITE_P(Both, Assertions, testing::Bool(),
                         [](const auto &info) {
                           return info.param ? "Reference" : "Compiled";
                         });

} // namespace

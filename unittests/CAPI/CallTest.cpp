//===- CallTest.cpp - Calling entries from C
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Support.h"

using namespace moe::test;

namespace {

/// The module with state, its arguments, and room for its output.
class Call : public ::testing::Test {
protected:
  void SetUp() override {
    model = openText(statefulModule);
    ASSERT_TRUE(model);
    step = moe_model_find(model.get(), "step", nullptr);
    ASSERT_NE(step, nullptr);
  }

  int32_t call() {
    return moe_model_call(model.get(), step, in, 2, &out, 1, &error);
  }

  ModelPtr model;
  const moe_function *step = nullptr;
  std::vector<float> x{1, 2, 3}, sum{10}, y{0, 0, 0};
  moe_tensor in[2] = {tensorOf(x.data(), MOE_F32, {3}),
                      tensorOf(sum.data(), MOE_F32, {1})};
  moe_tensor out = tensorOf(y.data(), MOE_F32, {3});
  moe_error error;
};

} // namespace

TEST_F(Call, ComputesAndUpdatesInPlace) {
  ASSERT_EQ(call(), MOE_OK) << error.message;
  ASSERT_EQ(call(), MOE_OK) << error.message;
  EXPECT_EQ(error.status, MOE_OK);
  EXPECT_STREQ(error.message, "");
  EXPECT_EQ(y, (std::vector<float>{2, 4, 6}));
  EXPECT_EQ(sum, std::vector<float>{12});
}

TEST_F(Call, OutputShapes) {
  moe_tensor shape = {};
  ASSERT_EQ(
      moe_model_output_shapes(model.get(), step, in, 2, &shape, 1, &error),
      MOE_OK)
      << error.message;
  EXPECT_EQ(shape.data, nullptr);
  EXPECT_EQ(shape.dtype, MOE_F32);
  EXPECT_EQ(shape.rank, 1);
  EXPECT_EQ(shape.shape[0], 3);
}

TEST_F(Call, WithoutAModel) {
  EXPECT_EQ(moe_model_call(nullptr, step, in, 2, &out, 1, &error),
            MOE_INVALID_ARGUMENT);
  expectError(error, MOE_INVALID_ARGUMENT, "[moe-model-null]");
  EXPECT_EQ(moe_model_output_shapes(nullptr, step, in, 2, &out, 1, &error),
            MOE_INVALID_ARGUMENT);
  expectError(error, MOE_INVALID_ARGUMENT, "[moe-model-null]");
}

TEST_F(Call, WithoutAFunctionOrWithThatOfAnotherModel) {
  step = nullptr;
  EXPECT_EQ(call(), MOE_INVALID_ARGUMENT);
  expectError(error, MOE_INVALID_ARGUMENT, "[moe-ctx-function]");
  ModelPtr other = openText(statefulModule);
  step = moe_model_find(other.get(), "step", nullptr);
  EXPECT_EQ(call(), MOE_INVALID_ARGUMENT);
  expectError(error, MOE_INVALID_ARGUMENT, "[moe-ctx-function]");
}

TEST_F(Call, WithoutArguments) {
  EXPECT_EQ(moe_model_call(model.get(), step, nullptr, 2, &out, 1, &error),
            MOE_INVALID_ARGUMENT);
  EXPECT_EQ(error.status, MOE_INVALID_ARGUMENT);
  EXPECT_EQ(moe_model_call(model.get(), step, in, 2, nullptr, 1, &error),
            MOE_INVALID_ARGUMENT);
  EXPECT_EQ(moe_model_call(model.get(), step, in, 2, nullptr, 1, nullptr),
            MOE_INVALID_ARGUMENT);
  EXPECT_EQ(sum, std::vector<float>{10});
}

TEST_F(Call, AFailureDoesNotStay) {
  in[0].shape[0] = -1;
  EXPECT_EQ(call(), MOE_INVALID_ARGUMENT);
  EXPECT_NE(error.status, MOE_OK);
  in[0].shape[0] = 3;
  EXPECT_EQ(call(), MOE_OK);
  EXPECT_EQ(error.status, MOE_OK);
}

//===----------------------------------------------------------------------===//
// The oracle
//===----------------------------------------------------------------------===//

static const char *const tableModule = R"mlir(
func.func @route(
    %z: tensor<?x4xf32> {moe.name = "logits", moe.shape = ["tokens", 4]},
    %table: tensor<?x1xi32> {moe.name = "table", moe.shape = ["tokens", 1]})
    -> (tensor<?x1xf32> {moe.name = "weights", moe.shape = ["tokens", 1]},
        tensor<?x1xi32> {moe.name = "ids", moe.shape = ["tokens", 1]}) {
  // Computed, so that the argument itself has no range.
  %computed = linalg.max ins(%table, %table : tensor<?x1xi32>, tensor<?x1xi32>)
    outs(%table : tensor<?x1xi32>) -> tensor<?x1xi32>
  %w, %ids = moe.router %z table(%computed) {
      top_k = 1 : i64, score = #moe.score<softmax>,
      selection = #moe.selection<table>}
    : (tensor<?x4xf32>, tensor<?x1xi32>) -> (tensor<?x1xf32>, tensor<?x1xi32>)
  return %w, %ids : tensor<?x1xf32>, tensor<?x1xi32>
}
)mlir";

/// Routes one token to the expert of the table.
static int32_t route(moe_model *model, int32_t expert, float &weight,
                     moe_error *error) {
  float logits[4] = {0, 0, 0, 0};
  int32_t id = -1;
  moe_tensor in[2] = {tensorOf(logits, MOE_F32, {1, 4}),
                      tensorOf(&expert, MOE_I32, {1, 1})};
  moe_tensor out[2] = {tensorOf(&weight, MOE_F32, {1, 1}),
                       tensorOf(&id, MOE_I32, {1, 1})};
  return moe_model_call(model, moe_model_find(model, "route", nullptr), in, 2,
                        out, 2, error);
}

TEST(CallReference, FailuresOfTheOracleAreReported) {
  moe_model_options options = default_options();
  options.reference = 1;
  ModelPtr model = openText(tableModule, options);
  ASSERT_TRUE(model);
  float weight = 0;
  moe_error error;
  ASSERT_EQ(route(model.get(), 2, weight, &error), MOE_OK) << error.message;
  EXPECT_EQ(weight, 0.25f);
  int32_t status = route(model.get(), 4, weight, &error);
  EXPECT_NE(status, MOE_OK);
  expectError(error, status, "[moe-ref-table-id]");
  EXPECT_EQ(route(model.get(), 3, weight, &error), MOE_OK) << error.message;
}

//===- ArgumentsTest.cpp - Running entries with tensors made for them
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Support.h"
#include <cmath>
#include <cstring>

using namespace moe::test;

namespace {

struct DestroyArguments {
  void operator()(moe_arguments *arguments) const {
    moe_arguments_destroy(arguments);
  }
};
using ArgumentsPtr = std::unique_ptr<moe_arguments, DestroyArguments>;

ArgumentsPtr create(const moe_model *model, std::vector<moe_size> sizes) {
  moe_arguments *arguments = nullptr;
  moe_error error;
  EXPECT_EQ(moe_arguments_create(moe_model_find(model, nullptr, nullptr),
                                 sizes.data(), sizes.size(), &arguments,
                                 &error),
            MOE_OK)
      << error.message;
  return ArgumentsPtr(arguments);
}

/// Runs `ids` after `past` others and returns the logits of the last one.
std::vector<float> runIds(moe_model *model, moe_arguments *arguments,
                          int64_t past, std::vector<int64_t> ids) {
  moe_error error;
  int64_t count = static_cast<int64_t>(ids.size());
  const moe_size sizes[] = {{"seq", count}, {"past", past}};
  EXPECT_EQ(moe_arguments_resize(arguments, sizes, 2, &error), MOE_OK)
      << error.message;
  std::memcpy(moe_arguments_input(arguments, "input_ids")->data, ids.data(),
              ids.size() * sizeof(int64_t));
  EXPECT_EQ(moe_model_run(model, arguments, &error), MOE_OK) << error.message;
  const moe_tensor *logits = moe_arguments_output(arguments, "logits");
  const float *end =
      static_cast<const float *>(logits->data) + count * logits->shape[2];
  return std::vector<float>(end - logits->shape[2], end);
}

} // namespace

TEST(Arguments, OfAStatefulEntry) {
  ModelPtr model = openText(statefulModule);
  ASSERT_TRUE(model);
  ArgumentsPtr arguments = create(model.get(), {{"n", 2}});
  ASSERT_TRUE(arguments);
  float *x =
      static_cast<float *>(moe_arguments_input(arguments.get(), "x")->data);
  x[0] = 3, x[1] = 4;
  moe_error error;
  for (int i = 0; i < 2; ++i)
    ASSERT_EQ(moe_model_run(model.get(), arguments.get(), &error), MOE_OK)
        << error.message;
  const float *y = static_cast<const float *>(
      moe_arguments_output(arguments.get(), "y")->data);
  EXPECT_EQ(std::vector<float>(y, y + 2), (std::vector<float>{6, 8}));
  EXPECT_EQ(*static_cast<const float *>(
                moe_arguments_output(arguments.get(), "sum")->data),
            2);
}

/// One token after another, with the caches, as all at once.
TEST(Arguments, OfALanguageModel) {
  ModelPtr model = open(MOE_TEST_MODEL_DIR, default_options());
  ASSERT_TRUE(model);
  std::vector<moe_size> sizes = {{"batch", 1}, {"seq", 1}, {"context", 4}};
  ArgumentsPtr whole = create(model.get(), sizes);
  ArgumentsPtr steps = create(model.get(), sizes);
  ASSERT_TRUE(whole && steps);
  std::vector<float> expected =
      runIds(model.get(), whole.get(), 0, {5, 3, 9, 1});
  runIds(model.get(), steps.get(), 0, {5, 3});
  runIds(model.get(), steps.get(), 2, {9});
  std::vector<float> found = runIds(model.get(), steps.get(), 3, {1});
  ASSERT_EQ(found.size(), expected.size());
  for (size_t i = 0; i < found.size(); ++i)
    EXPECT_NEAR(found[i], expected[i], 1e-4 + 1e-4 * std::fabs(expected[i]));
}

TEST(Arguments, ThatAreRefused) {
  ModelPtr model = openText(statefulModule);
  ModelPtr other = openText(statefulModule);
  ASSERT_TRUE(model && other);
  ArgumentsPtr arguments = create(other.get(), {{"n", 2}});
  moe_error error;
  EXPECT_EQ(moe_model_run(model.get(), arguments.get(), &error),
            MOE_INVALID_ARGUMENT);
  expectError(error, MOE_INVALID_ARGUMENT, "[moe-ctx-function]");
  EXPECT_EQ(moe_model_run(model.get(), nullptr, &error), MOE_INVALID_ARGUMENT);
  expectError(error, MOE_INVALID_ARGUMENT, "[moe-model-arguments]");
  EXPECT_EQ(moe_model_run(nullptr, arguments.get(), &error),
            MOE_INVALID_ARGUMENT);
  expectError(error, MOE_INVALID_ARGUMENT, "[moe-model-null]");
}

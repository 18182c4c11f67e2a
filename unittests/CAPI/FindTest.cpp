//===- FindTest.cpp - Entries by name, from C
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Support.h"
#include <cstring>

using namespace moe::test;

static const char *const twoEntries = R"mlir(
func.func @first(%x: tensor<1xf32>) -> tensor<1xf32> {
  return %x : tensor<1xf32>
}
func.func @second(%x: tensor<1xf32>) -> tensor<1xf32> {
  return %x : tensor<1xf32>
}
)mlir";

TEST(Find, TheOnlyEntry) {
  ModelPtr model = openText(statefulModule);
  ASSERT_TRUE(model);
  moe_error error;
  const moe_function *step = moe_model_find(model.get(), "step", &error);
  ASSERT_NE(step, nullptr) << error.message;
  EXPECT_EQ(error.status, MOE_OK);
  EXPECT_EQ(step, &moe_model_module(model.get())->functions[0]);
  EXPECT_EQ(step, moe_model_find(model.get(), nullptr, nullptr));
  EXPECT_EQ(step, moe_model_find(model.get(), "", nullptr));
}

TEST(Find, OneOfTwo) {
  ModelPtr model = openText(twoEntries);
  ASSERT_TRUE(model);
  EXPECT_STREQ(moe_model_find(model.get(), "second", nullptr)->name, "second");
  moe_error error;
  EXPECT_EQ(moe_model_find(model.get(), nullptr, &error), nullptr);
  expectError(error, MOE_NOT_FOUND, "[moe-session-entry]");
}

TEST(Find, UnknownNamesListTheKnown) {
  ModelPtr model = openText(twoEntries);
  ASSERT_TRUE(model);
  moe_error error;
  EXPECT_EQ(moe_model_find(model.get(), "third", &error), nullptr);
  expectError(error, MOE_NOT_FOUND, "[moe-session-entry]");
  EXPECT_NE(std::strstr(error.message, "first, second"), nullptr);
  EXPECT_EQ(moe_model_find(model.get(), "third", nullptr), nullptr);
}

TEST(Find, WithoutAModel) {
  moe_error error;
  EXPECT_EQ(moe_model_module(nullptr), nullptr);
  EXPECT_EQ(moe_model_find(nullptr, "step", &error), nullptr);
  expectError(error, MOE_INVALID_ARGUMENT, "[moe-model-null]");
}

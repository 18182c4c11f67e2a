//===- Support.cpp - What the tests of libMoE share
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Support.h"
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <unistd.h>

using namespace moe;
using namespace moe::test;

//===----------------------------------------------------------------------===//
// Files and models
//===----------------------------------------------------------------------===//

test::TextFile::TextFile(const std::string &text)
    : name(::testing::TempDir() + "/moe-capi-XXXXXX") {
  int descriptor = mkstemp(name.data());
  FILE *file = descriptor < 0 ? nullptr : fdopen(descriptor, "w");
  if (!file || std::fputs(text.c_str(), file) < 0 || std::fclose(file) != 0)
    ADD_FAILURE() << "cannot write " << name;
}

test::TextFile::~TextFile() { std::remove(name.c_str()); }

ModelPtr test::open(const char *path, const moe_model_options &options) {
  moe_model *model = nullptr;
  moe_error error;
  EXPECT_EQ(moe_model_open(path, &options, &model, &error), MOE_OK)
      << error.message;
  EXPECT_EQ(error.status, MOE_OK);
  return ModelPtr(model);
}

ModelPtr test::openText(const std::string &text,
                        const moe_model_options &options) {
  TextFile file(text);
  return open(file.path(), options);
}

//===----------------------------------------------------------------------===//
// Errors
//===----------------------------------------------------------------------===//

void test::expectRefused(const char *path, const moe_model_options *options,
                         int32_t status, const std::string &tag) {
  moe_model *model = reinterpret_cast<moe_model *>(1);
  moe_error error;
  EXPECT_EQ(moe_model_open(path, options, &model, &error), status);
  EXPECT_EQ(model, nullptr);
  expectError(error, status, tag);
  EXPECT_EQ(moe_model_open(path, options, &model, nullptr), status);
}

void test::expectError(const moe_error &error, int32_t status,
                       const std::string &tag) {
  std::string message = error.message;
  EXPECT_EQ(error.status, status) << message;
  EXPECT_TRUE(message.size() > tag.size() &&
              message.substr(message.size() - tag.size()) == tag)
      << "'" << message << "' lacks " << tag;
}

//===----------------------------------------------------------------------===//
// Tensors and modules
//===----------------------------------------------------------------------===//

moe_tensor test::tensorOf(void *data, int32_t dtype,
                          std::vector<int64_t> shape) {
  moe_tensor tensor = {data, dtype, static_cast<int32_t>(shape.size()), {}};
  std::copy(shape.begin(), shape.end(), tensor.shape);
  return tensor;
}

const char *const test::statefulModule = R"mlir(
func.func @step(%x: tensor<?xf32> {moe.name = "x", moe.shape = ["n"]},
                %sum: tensor<1xf32> {moe.name = "sum"})
    -> (tensor<?xf32> {moe.name = "y", moe.shape = ["n"]},
        tensor<1xf32> {moe.name = "sum", moe.tied = 1 : i64}) {
  %c0 = arith.constant 0 : index
  %one = arith.constant 1.0 : f32
  %n = tensor.dim %x, %c0 : tensor<?xf32>
  %e = tensor.empty(%n) : tensor<?xf32>
  %y = linalg.add ins(%x, %x : tensor<?xf32>, tensor<?xf32>)
                  outs(%e : tensor<?xf32>) -> tensor<?xf32>
  %new = linalg.map ins(%sum : tensor<1xf32>) outs(%sum : tensor<1xf32>)
    (%s: f32, %o: f32) {
      %t = arith.addf %s, %one : f32
      linalg.yield %t : f32
    }
  return %y, %new : tensor<?xf32>, tensor<1xf32>
}
)mlir";

const char *const test::weightModule = R"mlir(
moe.weight @w : tensor<4xf32> from ["w"]
func.func @read() -> (tensor<4xf32> {moe.name = "y"}) {
  %w = moe.get_weight @w : tensor<4xf32>
  %e = tensor.empty() : tensor<4xf32>
  %y = linalg.copy ins(%w : tensor<4xf32>) outs(%e : tensor<4xf32>)
    -> tensor<4xf32>
  return %y : tensor<4xf32>
}
)mlir";

//===- OwnedArgumentsTest.cpp - Tensors for the calls of an entry ---------===//
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Support.h"
#include "moe_rt/arguments.h"

#include <cstring>

using namespace moe::rt::test;

namespace {
/// forward(x [n, 2], past, cache [room, 3]) -> (cache, y [2*n], s [])
class OwnedArguments : public testing::Test {
protected:
  OwnedArguments() {
    tables.symbols = {"n", "past", "room"};
    tables.inputs = {
        makeArgument("x", MOE_F32, {symbolic(0), fixed(2)}),
        makeArgument("past", MOE_I8, {}),
        makeArgument("cache", MOE_F64, {symbolic(2), fixed(3)}),
    };
    tables.inputs[1].value_symbol = 1;
    tables.outputs = {
        makeArgument("cache", MOE_F64, {symbolic(2), fixed(3)}),
        makeArgument("y", MOE_F32, {symbolic(0, 2)}),
        makeArgument("s", MOE_I32, {}),
    };
    tables.outputs[0].tied_input = 2;
    function = tables.get()->functions;
  }
  ~OwnedArguments() override { moe_arguments_destroy(arguments); }

  int32_t create(std::vector<moe_size> sizes) {
    moe_arguments_destroy(arguments);
    return moe_arguments_create(function, sizes.data(), sizes.size(),
                                &arguments, &error);
  }
  int32_t resize(std::vector<moe_size> sizes) {
    return moe_arguments_resize(arguments, sizes.data(), sizes.size(), &error);
  }
  void expectRefused(std::vector<moe_size> sizes, int32_t status,
                     const char *tag) {
    expectError(create(sizes), error, status, tag);
    EXPECT_EQ(arguments, nullptr);
  }
  moe_tensor &input(const char *name) {
    return *moe_arguments_input(arguments, name);
  }
  moe_tensor &output(const char *name) {
    return *moe_arguments_output(arguments, name);
  }

  TestModule tables;
  const moe_function *function;
  moe_arguments *arguments = nullptr;
  moe_error error = {};
};

std::vector<int64_t> shapeOf(const moe_tensor &tensor) {
  return {tensor.shape, tensor.shape + tensor.rank};
}
} // namespace

TEST_F(OwnedArguments, HaveTheShapesOfTheEntry) {
  ASSERT_EQ(create({{"n", 4}, {"room", 5}}), MOE_OK) << error.message;
  EXPECT_EQ(arguments->function, function);
  ASSERT_EQ(arguments->n_in, 3u);
  ASSERT_EQ(arguments->n_out, 2u);
  EXPECT_EQ(shapeOf(arguments->in[0]), (std::vector<int64_t>{4, 2}));
  EXPECT_EQ(shapeOf(arguments->in[1]), std::vector<int64_t>());
  EXPECT_EQ(shapeOf(arguments->in[2]), (std::vector<int64_t>{5, 3}));
  EXPECT_EQ(shapeOf(arguments->out[0]), std::vector<int64_t>{8});
  EXPECT_EQ(arguments->in[2].dtype, MOE_F64);
  EXPECT_EQ(arguments->out[1].dtype, MOE_I32);
  const double zeros[15] = {};
  EXPECT_EQ(std::memcmp(arguments->in[2].data, zeros, sizeof(zeros)), 0);
  for (size_t i = 0; i < 3; ++i)
    EXPECT_EQ(reinterpret_cast<uintptr_t>(arguments->in[i].data) % 64, 0u);
}

TEST_F(OwnedArguments, FitTheChecksOfACall) {
  ASSERT_EQ(create({{"n", 4}, {"room", 5}}), MOE_OK) << error.message;
  Context context(&tables.module);
  EXPECT_EQ(moe_ctx_call(context.handle, function, arguments->in,
                         arguments->n_in, arguments->out, arguments->n_out),
            MOE_OK)
      << moe_ctx_message(context.handle);
}

TEST_F(OwnedArguments, AreFoundByName) {
  ASSERT_EQ(create({{"n", 4}, {"room", 5}}), MOE_OK) << error.message;
  EXPECT_EQ(&input("x"), &arguments->in[0]);
  EXPECT_EQ(&input("cache"), &arguments->in[2]);
  EXPECT_EQ(&output("cache"), &arguments->in[2]);
  EXPECT_EQ(&output("y"), &arguments->out[0]);
  EXPECT_EQ(&output("s"), &arguments->out[1]);
  EXPECT_EQ(moe_arguments_input(arguments, "y"), nullptr);
  EXPECT_EQ(moe_arguments_output(arguments, "x"), nullptr);
  EXPECT_EQ(moe_arguments_input(arguments, nullptr), nullptr);
  EXPECT_EQ(moe_arguments_output(arguments, nullptr), nullptr);
  EXPECT_EQ(moe_arguments_input(nullptr, "x"), nullptr);
  EXPECT_EQ(moe_arguments_output(nullptr, "x"), nullptr);
}

TEST_F(OwnedArguments, ValuesOfSymbols) {
  ASSERT_EQ(create({{"n", 1}, {"room", 1}, {"past", 7}}), MOE_OK);
  EXPECT_EQ(*static_cast<int8_t *>(input("past").data), 7);
  ASSERT_EQ(resize({{"n", 2}}), MOE_OK);
  EXPECT_EQ(*static_cast<int8_t *>(input("past").data), 7);
  ASSERT_EQ(resize({{"past", 9}, {"past", 8}}), MOE_OK);
  EXPECT_EQ(*static_cast<int8_t *>(input("past").data), 8);
}

TEST_F(OwnedArguments, ResizingKeepsWhatStays) {
  ASSERT_EQ(create({{"n", 4}, {"room", 5}}), MOE_OK) << error.message;
  void *cache = input("cache").data;
  static_cast<double *>(cache)[14] = 3;
  static_cast<float *>(input("x").data)[0] = 3;
  ASSERT_EQ(resize({{"n", 1}}), MOE_OK) << error.message;
  EXPECT_EQ(input("cache").data, cache);
  EXPECT_EQ(static_cast<double *>(cache)[14], 3);
  EXPECT_EQ(shapeOf(input("x")), (std::vector<int64_t>{1, 2}));
  EXPECT_EQ(static_cast<float *>(input("x").data)[0], 0);
  EXPECT_EQ(shapeOf(output("y")), std::vector<int64_t>{2});
}

TEST_F(OwnedArguments, AFailureChangesNothing) {
  ASSERT_EQ(create({{"n", 4}, {"room", 5}, {"past", 1}}), MOE_OK);
  std::vector<moe_tensor> before(arguments->in, arguments->in + 3);
  int32_t status = resize({{"n", 5}, {"past", 2}, {"room", int64_t(1) << 62}});
  expectError(status, error, MOE_INVALID_ARGUMENT, "[moe-size-overflow]");
  EXPECT_EQ(std::memcmp(before.data(), arguments->in, 3 * sizeof(moe_tensor)),
            0);
  EXPECT_EQ(*static_cast<int8_t *>(input("past").data), 1);
  ASSERT_EQ(resize({}), MOE_OK); // the sizes are the old ones too
  EXPECT_EQ(shapeOf(input("x")), (std::vector<int64_t>{4, 2}));
}

TEST_F(OwnedArguments, MemoryOfTheCaller) {
  float values[8] = {1, 2, 3, 4, 5, 6, 7, 8};
  ASSERT_EQ(create({{"n", 4}, {"room", 5}}), MOE_OK) << error.message;
  input("x").data = values;
  ASSERT_EQ(resize({{"room", 6}}), MOE_OK);
  EXPECT_EQ(input("x").data, values);
  ASSERT_EQ(resize({{"n", 3}}), MOE_OK);
  EXPECT_NE(input("x").data, values);
}

/// What a caller does to a shape does not make the memory larger.
TEST_F(OwnedArguments, ShapesThatTheCallerChanged) {
  ASSERT_EQ(create({{"n", 1}, {"room", 1}}), MOE_OK) << error.message;
  input("x").shape[0] = 1000;
  ASSERT_EQ(resize({{"n", 1000}}), MOE_OK);
  std::memset(input("x").data, 1, 1000 * 2 * sizeof(float));
  input("x").shape[0] = 7;
  ASSERT_EQ(resize({}), MOE_OK);
  EXPECT_EQ(shapeOf(input("x")), (std::vector<int64_t>{1000, 2}));
}

TEST_F(OwnedArguments, WithoutElements) {
  ASSERT_EQ(create({{"n", 0}, {"room", 0}}), MOE_OK) << error.message;
  EXPECT_EQ(shapeOf(output("y")), std::vector<int64_t>{0});
}

TEST_F(OwnedArguments, SizesThatAreRefused) {
  int64_t big = int64_t(1) << 62;
  expectRefused({{"n", 1}}, MOE_INVALID_ARGUMENT, "[moe-size-missing]");
  expectRefused({{"n", 1}, {"rooms", 1}}, MOE_INVALID_ARGUMENT,
                "[moe-size-symbol]");
  expectRefused({{nullptr, 1}}, MOE_INVALID_ARGUMENT, "[moe-size-symbol]");
  expectRefused({{"n", -1}, {"room", 1}}, MOE_INVALID_ARGUMENT,
                "[moe-size-negative]");
  expectRefused({{"n", 1}, {"room", 1}, {"past", 128}}, MOE_INVALID_ARGUMENT,
                "[moe-size-value]");
  expectRefused({{"n", big}, {"room", 1}}, MOE_INVALID_ARGUMENT,
                "[moe-size-overflow]");
  expectRefused({{"n", INT64_MAX}, {"room", 1}}, MOE_INVALID_ARGUMENT,
                "[moe-size-overflow]");
  expectRefused({{"n", 1}, {"room", int64_t(1) << 56}}, MOE_OUT_OF_MEMORY,
                "[moe-size-memory]");
}

TEST_F(OwnedArguments, NullArguments) {
  const char *tag = "[moe-arguments-null]";
  expectError(moe_arguments_create(nullptr, nullptr, 0, &arguments, &error),
              error, MOE_INVALID_ARGUMENT, tag);
  expectError(moe_arguments_create(function, nullptr, 0, nullptr, &error),
              error, MOE_INVALID_ARGUMENT, tag);
  expectError(moe_arguments_create(function, nullptr, 1, &arguments, &error),
              error, MOE_INVALID_ARGUMENT, tag);
  expectError(moe_arguments_resize(nullptr, nullptr, 0, &error), error,
              MOE_INVALID_ARGUMENT, tag);
  ASSERT_EQ(create({{"n", 1}, {"room", 1}}), MOE_OK);
  expectError(moe_arguments_resize(arguments, nullptr, 1, &error), error,
              MOE_INVALID_ARGUMENT, tag);
  moe_arguments_destroy(nullptr);
}

/// An entry without symbols needs no sizes.
TEST_F(OwnedArguments, WithoutSymbols) {
  tables.symbols.clear();
  tables.inputs = {makeArgument("x", MOE_F32, {fixed(2)})};
  tables.outputs.clear();
  tables.get();
  EXPECT_EQ(create({}), MOE_OK) << error.message;
  expectRefused({{"n", 1}}, MOE_INVALID_ARGUMENT, "[moe-size-symbol]");
}

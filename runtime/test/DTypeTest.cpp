//===- DTypeTest.cpp - Element types in memory and in files ---------------===//
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "core/DType.h"
#include "moe_rt/safetensors.h"

#include <gtest/gtest.h>

#include <string>

using namespace moe::rt;

TEST(DType, SizesAndNames) {
  EXPECT_EQ(moe_dtype_size(MOE_F64), 8u);
  EXPECT_EQ(moe_dtype_size(MOE_BF16), 2u);
  EXPECT_EQ(moe_dtype_size(MOE_BOOL), 1u);
  EXPECT_STREQ(moe_dtype_name(MOE_F32), "f32");
  EXPECT_STREQ(moe_dtype_name(MOE_I64), "i64");
}

static constexpr int32_t allDTypes[] = {
#define VALUE_OF(NAME, ...) MOE_##NAME,
    MOE_FOR_EACH_DTYPE(VALUE_OF)
#undef VALUE_OF
};

TEST(DType, ValuesAreStable) {
  EXPECT_EQ(MOE_F64, 1);
  EXPECT_EQ(MOE_BF16, 4);
  EXPECT_EQ(MOE_I64, 5);
  EXPECT_EQ(MOE_BOOL, 10);
}

TEST(DType, Classes) {
  EXPECT_EQ(moe_dtype_class_of(MOE_BF16), MOE_CLASS_FLOAT);
  EXPECT_EQ(moe_dtype_class_of(MOE_I8), MOE_CLASS_SIGNED);
  EXPECT_EQ(moe_dtype_class_of(MOE_U8), MOE_CLASS_UNSIGNED);
  EXPECT_EQ(moe_dtype_class_of(MOE_BOOL), MOE_CLASS_BOOLEAN);
  EXPECT_TRUE(isInteger(MOE_U8));
  EXPECT_FALSE(isInteger(MOE_BOOL));
  EXPECT_FALSE(isInteger(MOE_F32));
  EXPECT_TRUE(isFloat(MOE_F16));
}

TEST(DType, UnknownValues) {
  for (int32_t value : {-1, 0, 11, 1000}) {
    EXPECT_EQ(moe_dtype_size(value), 0u);
    EXPECT_STREQ(moe_dtype_name(value), "unknown");
    EXPECT_STREQ(moe_dtype_file_name(value), "unknown");
    EXPECT_EQ(moe_dtype_class_of(value), MOE_CLASS_NONE);
    EXPECT_EQ(fileDTypeOf(value), nullptr);
  }
}

TEST(DType, EveryTypeHasAFileTypeOfItsSize) {
  for (int32_t dtype : allDTypes) {
    const FileDType *type = fileDTypeOf(dtype);
    ASSERT_NE(type, nullptr) << dtype;
    EXPECT_EQ(type->bits, 8 * moe_dtype_size(dtype));
    EXPECT_EQ(type->alignment, moe_dtype_size(dtype));
    EXPECT_EQ(findFileDType(type->name), type);
    EXPECT_STREQ(moe_dtype_file_name(dtype), type->name);
    EXPECT_NE(moe_dtype_class_of(dtype), MOE_CLASS_NONE);
  }
}

TEST(DType, IntegersOfTensors) {
  moe_tensor tensor = {};
  int16_t shorts[] = {7, -300};
  tensor.data = shorts;
  tensor.dtype = MOE_I16;
  EXPECT_EQ(moe_tensor_integer(&tensor, 1), -300);
  uint8_t bytes[] = {0, 200};
  tensor.data = bytes;
  tensor.dtype = MOE_U8;
  EXPECT_EQ(moe_tensor_integer(&tensor, 1), 200);
  tensor.dtype = MOE_I8;
  EXPECT_EQ(moe_tensor_integer(&tensor, 1), -56);
  tensor.dtype = MOE_BF16;
  EXPECT_EQ(moe_tensor_integer(&tensor, 0), 0);
}

TEST(DType, FileTypesThatAreNotSupported) {
  ASSERT_NE(findFileDType("F8_E4M3"), nullptr);
  EXPECT_EQ(findFileDType("F8_E4M3")->dtype, 0);
  EXPECT_EQ(findFileDType("F4")->bits, 4u);
  EXPECT_EQ(findFileDType("bf16"), nullptr);
}

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

TEST(DType, UnknownValues) {
  for (int32_t value : {-1, 0, 11, 1000}) {
    EXPECT_EQ(moe_dtype_size(value), 0u);
    EXPECT_STREQ(moe_dtype_name(value), "unknown");
    EXPECT_EQ(fileDTypeOf(value), nullptr);
  }
}

TEST(DType, EveryTypeHasAFileTypeOfItsSize) {
  for (int32_t dtype = MOE_F64; dtype <= MOE_BOOL; ++dtype) {
    const FileDType *type = fileDTypeOf(dtype);
    ASSERT_NE(type, nullptr) << dtype;
    EXPECT_EQ(type->bits, 8 * moe_dtype_size(dtype));
    EXPECT_EQ(type->alignment, moe_dtype_size(dtype));
    EXPECT_EQ(findFileDType(type->name), type);
  }
}

TEST(DType, FileTypesThatAreNotSupported) {
  ASSERT_NE(findFileDType("F8_E4M3"), nullptr);
  EXPECT_EQ(findFileDType("F8_E4M3")->dtype, 0);
  EXPECT_EQ(findFileDType("F4")->bits, 4u);
  EXPECT_EQ(findFileDType("bf16"), nullptr);
}

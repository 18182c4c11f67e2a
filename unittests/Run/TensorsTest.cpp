//===- TensorsTest.cpp - Tensors that own their memory --------------------===//
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Tensors.h"
#include "Inputs.h"
#include "Print.h"
#include "Support.h"
#include <cmath>

using namespace moe::run;

TEST(TensorTest, StartsAsZerosAndIsAligned) {
  Tensor tensor = take(Tensor::create("x", MOE_F32, {3, 5}));
  EXPECT_EQ(tensor.getNumElements(), 15);
  EXPECT_EQ(reinterpret_cast<uintptr_t>(tensor.get().data) % 64, 0u);
  for (float value : tensor.elements<float>())
    EXPECT_EQ(value, 0.0f);
}

TEST(TensorTest, RefusesSizesThatOverflow) {
  int64_t huge = int64_t(1) << 62;
  EXPECT_TRUE(hasTag(messageOf(Tensor::create("x", MOE_F32, {huge, 4})),
                     "[moe-run-tensor-overflow]"));
  EXPECT_TRUE(hasTag(messageOf(Tensor::create("x", MOE_F64, {huge})),
                     "[moe-run-tensor-overflow]"));
  EXPECT_TRUE(hasTag(messageOf(Tensor::create("x", MOE_F32, {0, huge, huge})),
                     "[moe-run-tensor-overflow]"));
  EXPECT_TRUE(hasTag(messageOf(Tensor::create("x", MOE_F32, {-1})),
                     "[moe-run-tensor-overflow]"));
}

TEST(TensorTest, ReportsMissingMemory) {
  EXPECT_TRUE(hasTag(messageOf(Tensor::create("x", MOE_I8, {int64_t(1) << 60})),
                     "[moe-run-out-of-memory]"));
}

TEST(TensorTest, RefusesUnknownKinds) {
  EXPECT_TRUE(
      hasTag(messageOf(Tensor::create("x", 99, {1})), "[moe-run-tensor-kind]"));
  EXPECT_TRUE(hasTag(
      messageOf(Tensor::create("x", MOE_F32, {1, 1, 1, 1, 1, 1, 1, 1, 1})),
      "[moe-run-tensor-kind]"));
}

TEST(TensorTest, ElementsRoundTrip) {
  for (int32_t dtype : {MOE_F64, MOE_F32, MOE_F16, MOE_BF16, MOE_I64, MOE_I32,
                        MOE_I16, MOE_I8}) {
    Tensor tensor = take(Tensor::create("x", dtype, {2}));
    writeNumber(tensor.get(), 1, -3);
    EXPECT_EQ(readNumber(tensor.get(), 1), -3.0) << dtype;
    EXPECT_EQ(readNumber(tensor.get(), 0), 0.0) << dtype;
  }
}

TEST(TensorTest, HalvesRoundToEven) {
  Tensor tensor = take(Tensor::create("x", MOE_BF16, {1}));
  writeNumber(tensor.get(), 0, 1 + 0x1p-8);
  EXPECT_EQ(readNumber(tensor.get(), 0), 1.0);
  writeNumber(tensor.get(), 0, 1 + 0x3p-8);
  EXPECT_EQ(readNumber(tensor.get(), 0), 1 + 0x1p-6);
  Tensor half = take(Tensor::create("x", MOE_F16, {1}));
  writeNumber(half.get(), 0, 1e6);
  EXPECT_EQ(readNumber(half.get(), 0), INFINITY);
}

TEST(WidenTest, IntegersOnly) {
  Tensor narrow = take(Tensor::create("x", MOE_I32, {2}));
  narrow.elements<int32_t>()[1] = -5;
  Tensor wide = take(widen("x", narrow, MOE_I64));
  EXPECT_EQ(wide.elements<int64_t>()[1], -5);
  Tensor byte = take(Tensor::create("x", MOE_U8, {1}));
  byte.elements<uint8_t>()[0] = 200;
  EXPECT_EQ(take(widen("x", byte, MOE_I16)).elements<int16_t>()[0], 200);
  for (auto [from, to] : {std::pair{MOE_I64, MOE_I32},
                          {MOE_U8, MOE_I8},
                          {MOE_BF16, MOE_F32},
                          {MOE_I32, MOE_F32},
                          {MOE_BOOL, MOE_I32}}) {
    Tensor tensor = take(Tensor::create("x", from, {1}));
    EXPECT_TRUE(
        hasTag(messageOf(widen("x", tensor, to)), "[moe-run-input-dtype]"));
  }
}

TEST(TextTest, IndexAndType) {
  Tensor tensor = take(Tensor::create("x", MOE_F32, {2, 3, 4}));
  EXPECT_EQ(typeText(tensor.get()), "f32 [2, 3, 4]");
  EXPECT_EQ(indexText(tensor.get(), 0), "[0, 0, 0]");
  EXPECT_EQ(indexText(tensor.get(), 23), "[1, 2, 3]");
  EXPECT_EQ(indexText(take(Tensor::create("x", MOE_F32, {})).get(), 0), "[]");
}

TEST(PrintTest, RowsAndSummary) {
  Tensor tensor = take(Tensor::create("x", MOE_F32, {2, 3}));
  for (int i = 0; i < 6; ++i)
    tensor.elements<float>()[i] = float(i);
  std::string text;
  llvm::raw_string_ostream os(text);
  printTensor(os, {"x", &tensor.get()}, 2);
  EXPECT_EQ(text, "x: f32 [2, 3]\n  [0, 0]: 0 1 ...\n  [1, 0]: 3 4 ...\n");
  text.clear();
  tensor.elements<float>()[0] = NAN;
  printSummary(os, {"x", &tensor.get()});
  EXPECT_EQ(text, "x: f32 [2, 3], from 1 to 5, mean 3, 1 NaN\n");
}

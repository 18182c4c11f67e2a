//===- TensorTest.cpp - Decoding of 16-bit numbers ------------------------===//
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "TestTensor.h"

#include <cmath>

using namespace moe::reference;

/// The same value, or both NaN; zeros with the same sign.
static void expectSame(double found, double expected, uint16_t bits) {
  if (std::isnan(expected)) {
    EXPECT_TRUE(std::isnan(found)) << bits;
    return;
  }
  EXPECT_EQ(found, expected) << bits;
  EXPECT_EQ(std::signbit(found), std::signbit(expected)) << bits;
}

TEST(Tensor, DecodesLandmarks) {
  EXPECT_EQ(decodeF16(0x3c00), 1.0);
  EXPECT_EQ(decodeF16(0x7bff), 65504.0);
  EXPECT_EQ(decodeF16(0x0001), 0x1p-24);
  EXPECT_EQ(decodeF16(0xfc00), -INFINITY);
  EXPECT_EQ(decodeBF16(0x3f80), 1.0);
  EXPECT_EQ(decodeBF16(0xc040), -3.0);
  EXPECT_EQ(decodeBF16(0x0001), 0x1p-133);
  EXPECT_EQ(decodeBF16(0x7f80), INFINITY);
}

TEST(Tensor, DecodesAllF16AsTheCompilerDoes) {
  for (uint32_t bits = 0; bits <= 0xffff; ++bits) {
    uint16_t narrow = static_cast<uint16_t>(bits);
    _Float16 value;
    std::memcpy(&value, &narrow, sizeof(value));
    expectSame(decodeF16(narrow), static_cast<double>(value), narrow);
  }
}

TEST(Tensor, DecodesAllBF16FromTheirFields) {
  for (uint32_t bits = 0; bits <= 0xffff; ++bits) {
    int exponent = (bits >> 7) & 0xff, mantissa = bits & 0x7f;
    double magnitude = exponent == 0
                           ? std::ldexp(mantissa, -133)
                           : std::ldexp(0x80 + mantissa, exponent - 134);
    if (exponent == 0xff)
      magnitude = mantissa ? NAN : INFINITY;
    uint16_t narrow = static_cast<uint16_t>(bits);
    expectSame(decodeBF16(narrow), bits & 0x8000 ? -magnitude : magnitude,
               narrow);
  }
}

TEST(Tensor, DataMayBeUnaligned) {
  std::vector<char> bytes(1 + 2 * sizeof(double));
  moe_tensor tensor = {};
  tensor.data = bytes.data() + 1;
  tensor.dtype = MOE_F64;
  tensor.rank = 1;
  tensor.shape[0] = 2;
  setReal(tensor, 1, 2.5);
  EXPECT_EQ(real(tensor, 1), 2.5);
}

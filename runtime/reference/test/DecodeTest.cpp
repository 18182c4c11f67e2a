//===- DecodeTest.cpp - Matrices of quantized checkpoints -----------------===//
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "DecodeVectors.h"
#include "TestTensor.h"
#include "moe_rt/reference.h"

#include <cmath>
#include <limits>

using namespace moe::reference;
using namespace moe::vectors;

namespace {

template <typename T, size_t N>
TestTensor tensorOf(int32_t dtype, std::vector<int64_t> shape,
                    const T (&elements)[N]) {
  return TestTensor(dtype, std::move(shape),
                    std::vector<T>(elements, elements + N));
}

template <size_t N>
void expectValues(const TestTensor &found, const float (&expected)[N]) {
  std::vector<double> values = found.reals();
  ASSERT_EQ(values.size(), N);
  for (size_t i = 0; i < N; ++i)
    // Theirs may round a product once more.
    EXPECT_NEAR(values[i], expected[i], 1e-6 * std::fabs(expected[i]))
        << "at " << i;
}

//===----------------------------------------------------------------------===//
// What other implementations compute
//===----------------------------------------------------------------------===//

struct GptqCall {
  int32_t run() {
    return moe_ref_decode_gptq(bits, group, zeroOffset, qweight, qzeros, scales,
                               values, &error);
  }
  void expectRefused(const char *tag) { expectError(run(), error, tag); }

  int32_t bits = 4;
  int64_t group = 8;
  int32_t zeroOffset = 1;
  TestTensor qweight = tensorOf(MOE_I32, {2, 8}, gptq4Qweight);
  TestTensor qzeros = tensorOf(MOE_I32, {2, 1}, gptq4Qzeros);
  TestTensor scales = tensorOf(MOE_F32, {2, 8}, gptq4Scales);
  TestTensor values = realResult({8, 16});
  moe_error error;
};

TEST(Decode, Gptq4) {
  GptqCall call;
  ASSERT_EQ(call.run(), MOE_OK) << call.error.message;
  expectValues(call.values, gptq4Values);
}

TEST(Decode, Gptq8) {
  GptqCall call;
  call.bits = 8;
  call.qweight = tensorOf(MOE_I32, {4, 8}, gptq8Qweight);
  call.qzeros = tensorOf(MOE_I32, {2, 2}, gptq8Qzeros);
  call.scales = tensorOf(MOE_F32, {2, 8}, gptq8Scales);
  ASSERT_EQ(call.run(), MOE_OK) << call.error.message;
  expectValues(call.values, gptq8Values);
}

/// Format "gptq_v2" stores the zeros themselves.
TEST(Decode, GptqWithoutOffset) {
  GptqCall call;
  call.zeroOffset = 0;
  ASSERT_EQ(call.run(), MOE_OK) << call.error.message;
  EXPECT_NEAR(call.values.real(0), gptq4Values[0] + gptq4Scales[0], 1e-6);
}

TEST(Decode, Awq) {
  TestTensor qweight = tensorOf(MOE_I32, {16, 1}, awqQweight);
  TestTensor qzeros = tensorOf(MOE_I32, {2, 1}, awqQzeros);
  TestTensor scales = tensorOf(MOE_F32, {2, 8}, awqScales);
  TestTensor values = realResult({8, 16});
  moe_error error;
  ASSERT_EQ(moe_ref_decode_awq(8, qweight, qzeros, scales, values, &error),
            MOE_OK)
      << error.message;
  expectValues(values, awqValues);
}

TEST(Decode, Packed4) {
  TestTensor words = tensorOf(MOE_I32, {8, 3}, packed4Words);
  TestTensor zeros = tensorOf(MOE_I32, {1, 3}, packed4Zeros);
  TestTensor scales = tensorOf(MOE_F32, {8, 3}, packed4Scales);
  TestTensor values = realResult({8, 20});
  moe_error error;
  ASSERT_EQ(moe_ref_decode_packed(4, 8, words, scales, zeros, values, &error),
            MOE_OK)
      << error.message;
  expectValues(values, packed4Values);
  ASSERT_EQ(moe_ref_decode_packed(4, 8, words, scales, nullptr, values, &error),
            MOE_OK)
      << error.message;
  expectValues(values, packed4Symmetric);
}

TEST(Decode, Packed8) {
  TestTensor words = tensorOf(MOE_I32, {8, 5}, packed8Words);
  TestTensor zeros = tensorOf(MOE_I32, {2, 3}, packed8Zeros);
  TestTensor scales = tensorOf(MOE_F32, {8, 3}, packed8Scales);
  TestTensor values = realResult({8, 20});
  moe_error error;
  ASSERT_EQ(moe_ref_decode_packed(8, 8, words, scales, zeros, values, &error),
            MOE_OK)
      << error.message;
  expectValues(values, packed8Values);
  ASSERT_EQ(moe_ref_decode_packed(8, 8, words, scales, nullptr, values, &error),
            MOE_OK)
      << error.message;
  expectValues(values, packed8Symmetric);
}

TEST(Decode, Mxfp4) {
  TestTensor blocks = tensorOf(MOE_U8, {2, 32}, mxfp4Blocks);
  TestTensor scales = tensorOf(MOE_U8, {2, 2}, mxfp4Scales);
  TestTensor values = realResult({2, 64});
  moe_error error;
  ASSERT_EQ(moe_ref_decode_mxfp4(blocks, scales, values, &error), MOE_OK)
      << error.message;
  expectValues(values, mxfp4Values);
}

//===----------------------------------------------------------------------===//
// Checked by hand
//===----------------------------------------------------------------------===//

TEST(Decode, Int8) {
  TestTensor weight(MOE_I8, {2, 3}, std::vector<int8_t>{1, -128, 127, 0, 5, 6});
  TestTensor zeros(MOE_I8, {2, 2}, std::vector<int8_t>{-1, 2, 0, 6});
  TestTensor scales = f32({2, 2}, {0.5f, 2, -1, 3});
  TestTensor values = realResult({2, 3});
  moe_error error;
  ASSERT_EQ(moe_ref_decode_int8(2, weight, scales, zeros, values, &error),
            MOE_OK)
      << error.message;
  expectNear(values.reals(), {1, -63.5, 250, 0, -5, 0});
  ASSERT_EQ(moe_ref_decode_int8(2, weight, scales, nullptr, values, &error),
            MOE_OK)
      << error.message;
  expectNear(values.reals(), {0.5, -64, 254, 0, -5, 18});
}

/// Every code in turn; an exponent of 255 is no number.
TEST(Decode, Mxfp4Codes) {
  std::vector<uint8_t> bytes;
  for (int i = 0; i < 16; i += 2)
    bytes.push_back(static_cast<uint8_t>(i | (i + 1) << 4));
  TestTensor blocks(MOE_U8, {1, 8}, bytes);
  TestTensor scales(MOE_U8, {1, 1}, std::vector<uint8_t>{128});
  TestTensor values = realResult({1, 16});
  moe_error error;
  ASSERT_EQ(moe_ref_decode_mxfp4(blocks, scales, values, &error), MOE_OK)
      << error.message;
  expectNear(values.reals(),
             {0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12});
  scales = TestTensor(MOE_U8, {1, 1}, std::vector<uint8_t>{255});
  ASSERT_EQ(moe_ref_decode_mxfp4(blocks, scales, values, &error), MOE_OK);
  EXPECT_TRUE(std::isnan(values.real(3)));
}

TEST(Decode, Refusals) {
  GptqCall call;
  call.bits = 3;
  call.expectRefused("[moe-ref-decode-bits]");
  call = GptqCall();
  call.group = 0;
  call.expectRefused("[moe-ref-decode-group]");
  call = GptqCall();
  call.group = 16;
  call.expectRefused("[moe-ref-decode-shape]");
  call = GptqCall();
  call.bits = 8;
  call.expectRefused("[moe-ref-decode-shape]");
  call = GptqCall();
  call.qweight = f32({2, 8}, std::vector<float>(16));
  call.expectRefused("[moe-ref-dtype]");
}

} // namespace

//===- RandomValuesTest.cpp - Reproducible values for weights -------------===//
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Support.h"

#include <cmath>
#include <cstring>

using namespace moe::rt::test;

namespace {
class RandomValues : public testing::Test {
protected:
  RandomValues() {
    source.tensor = "w";
    weight.name = "w";
    weight.dtype = MOE_F32;
    weight.num_sources = 1;
    weight.sources = &source;
    setShape({64, 256}, {256, 1});
  }
  /// A weight that is a whole file tensor of that shape.
  void setShape(std::vector<int64_t> shape, std::vector<int64_t> strides) {
    weight.rank = static_cast<int32_t>(shape.size());
    std::copy(shape.begin(), shape.end(), weight.shape);
    std::copy(strides.begin(), strides.end(), weight.strides);
    setFileShape(shape);
  }
  void setFileShape(std::vector<int64_t> shape) {
    source.rank = static_cast<int32_t>(shape.size());
    std::copy(shape.begin(), shape.end(), source.shape);
  }
  int32_t bind(uint64_t seed) {
    tables.weights = {weight};
    context = std::make_unique<Context>(tables.get());
    EXPECT_EQ(context->status, MOE_OK) << context->error.message;
    return moe_ctx_bind_random(context->handle, seed);
  }
  template <typename T> const T *data(int slice = -1) {
    void *bound = moe_rt_weights(context->handle)[0];
    if (slice >= 0)
      bound = static_cast<void *const *>(bound)[slice];
    return static_cast<const T *>(bound);
  }
  std::vector<float> values(uint64_t seed, int64_t n) {
    EXPECT_EQ(bind(seed), MOE_OK) << moe_ctx_message(context->handle);
    return std::vector<float>(data<float>(), data<float>() + n);
  }

  moe_weight_source source = {};
  moe_weight weight = {};
  TestModule tables;
  std::unique_ptr<Context> context;
};

struct Moments {
  double mean = 0, deviation = 0;
  explicit Moments(const std::vector<float> &values) {
    for (float value : values)
      mean += value / static_cast<double>(values.size());
    for (float value : values)
      deviation += (value - mean) * (value - mean);
    deviation = std::sqrt(deviation / static_cast<double>(values.size()));
  }
};
} // namespace

TEST_F(RandomValues, SameSeedAndTensorGiveTheSameValues) {
  std::vector<float> first = values(7, 64 * 256);
  EXPECT_EQ(values(7, 64 * 256), first);
  EXPECT_NE(values(8, 64 * 256), first);
  weight.name = "v"; // what the module calls it does not matter
  EXPECT_EQ(values(7, 64 * 256), first);
  source.tensor = "v";
  EXPECT_NE(values(7, 64 * 256), first);
}

/// The values are part of the contract: results recorded for a seed stay valid.
TEST_F(RandomValues, KnownValues) {
  std::vector<float> all = values(1, 64 * 256);
  EXPECT_EQ(all[0], 0x1.303102p-4f);
  EXPECT_EQ(all[1], 0x1.4e45b4p-4f);
  EXPECT_EQ(all[2], -0x1.270458p-5f);
  EXPECT_EQ(all.back(), 0x1.2f612ap-4f);
}

TEST_F(RandomValues, MatricesHaveMeanZeroAndTheScaleOfTheirRows) {
  Moments moments(values(3, 64 * 256));
  EXPECT_NEAR(moments.mean, 0.0, 0.002);
  EXPECT_NEAR(moments.deviation, 1.0 / 16, 0.002);
}

TEST_F(RandomValues, VectorsAreNearOne) {
  setShape({4096}, {1});
  Moments moments(values(3, 4096));
  EXPECT_NEAR(moments.mean, 1.0, 0.005);
  EXPECT_NEAR(moments.deviation, 0.05, 0.005);
}

TEST_F(RandomValues, BiasesAreNearZero) {
  for (const char *name : {"bias", "q_proj.bias"}) {
    source.tensor = name;
    setShape({4096}, {1});
    Moments moments(values(3, 4096));
    EXPECT_NEAR(moments.mean, 0.0, 0.002);
    EXPECT_NEAR(moments.deviation, 0.02, 0.002);
  }
  source.tensor = "ias"; // shorter than the ending
  EXPECT_NEAR(Moments(values(3, 4096)).mean, 1.0, 0.005);
}

/// A weight is a window of a file tensor, whatever the order of its elements.
TEST_F(RandomValues, WindowsHaveTheValuesOfTheirTensor) {
  std::vector<float> whole = values(5, 64 * 256);
  setShape({256, 64}, {1, 256}); // transposed
  setFileShape({64, 256});
  EXPECT_EQ(values(5, 64 * 256), whole);
  setShape({2, 3}, {256, -1}); // rows 4 and 5, columns 9, 8 and 7
  setFileShape({64, 256});
  source.offset = 4 * 256 + 9;
  ASSERT_EQ(bind(5), MOE_OK) << moe_ctx_message(context->handle);
  for (int64_t i = 0; i < 2; ++i)
    for (int64_t j = 0; j < 3; ++j)
      EXPECT_EQ(data<float>()[256 * i - j],
                whole[static_cast<size_t>(256 * (4 + i) + 9 - j)]);
}

TEST_F(RandomValues, SlicesOfABankAreThoseOfItsTensor) {
  setShape({3, 64, 256}, {64 * 256, 256, 1});
  std::vector<float> whole = values(5, 3 * 64 * 256);
  setShape({64, 256}, {256, 1});
  setFileShape({3, 64, 256});
  weight.experts = 3;
  source.expert_stride = 64 * 256;
  ASSERT_EQ(bind(5), MOE_OK) << moe_ctx_message(context->handle);
  for (int slice = 0; slice < 3; ++slice)
    EXPECT_EQ(std::memcmp(data<float>(slice), &whole[slice * 64 * 256],
                          64 * 256 * sizeof(float)),
              0);
}

TEST_F(RandomValues, ExpertsWithTensorsOfTheirOwn) {
  source.tensor = "experts.2.w";
  std::vector<float> third = values(5, 64 * 256);
  source.tensor = "experts.{e}.w";
  source.per_expert = 1;
  weight.experts = 3;
  ASSERT_EQ(bind(5), MOE_OK) << moe_ctx_message(context->handle);
  EXPECT_EQ(std::memcmp(data<float>(2), third.data(), 64 * 256 * 4), 0);
  EXPECT_NE(std::memcmp(data<float>(1), third.data(), 64 * 256 * 4), 0);
}

TEST_F(RandomValues, WindowOutsideItsTensor) {
  source.offset = 1;
  expectError(bind(5), context->handle, MOE_INVALID_DATA, "[moe-bind-window]");
}

TEST_F(RandomValues, NarrowTypesAreRoundedToNearest) {
  std::vector<float> exact = values(9, 64 * 256);
  weight.dtype = MOE_BF16;
  ASSERT_EQ(bind(9), MOE_OK);
  for (size_t i = 0; i < exact.size(); ++i) {
    uint32_t bits = uint32_t(data<uint16_t>()[i]) << 16;
    float rounded;
    std::memcpy(&rounded, &bits, sizeof(rounded));
    ASSERT_LE(std::fabs(rounded - exact[i]), std::fabs(exact[i]) / 256);
  }
  weight.dtype = MOE_F16;
  ASSERT_EQ(bind(9), MOE_OK);
  for (size_t i = 0; i < exact.size(); ++i) {
    uint16_t bits = data<uint16_t>()[i];
    int exponent = bits >> 10 & 31, fraction = bits & 1023;
    float magnitude = exponent
                          ? std::ldexp(1024.0f + float(fraction), exponent - 25)
                          : std::ldexp(float(fraction), -24);
    float rounded = bits >> 15 ? -magnitude : magnitude;
    float tolerance = std::max(std::fabs(exact[i]) / 2048, 0x1p-25f);
    ASSERT_LE(std::fabs(rounded - exact[i]), tolerance) << exact[i];
  }
  weight.dtype = MOE_F64;
  ASSERT_EQ(bind(9), MOE_OK);
  EXPECT_EQ(static_cast<float>(data<double>()[100]), exact[100]);
}

TEST_F(RandomValues, ScalarsAndEmptyWeights) {
  setShape({}, {});
  EXPECT_NEAR(values(1, 1)[0], 1.0, 0.1);
  setShape({0, 4}, {4, 1});
  EXPECT_EQ(bind(1), MOE_OK);
}

TEST_F(RandomValues, IntegersAreRefused) {
  weight.dtype = MOE_I32;
  expectError(bind(1), context->handle, MOE_UNSUPPORTED, "[moe-random-dtype]");
  EXPECT_EQ(moe_rt_weights(context->handle), nullptr);
}

/// Any part of a tensor can be asked for.
TEST_F(RandomValues, PartsOfATensor) {
  std::vector<float> whole = values(7, 64 * 256), part(100);
  moe_tensor tensor = makeTensor(MOE_F32, {64, 256}, nullptr);
  moe_error error;
  auto ask = [&](int64_t first, int64_t count) {
    return moe_checkpoint_random_values("w", &tensor, 7, first, count,
                                        part.data(), &error);
  };
  ASSERT_EQ(ask(12345 - 100, 100), MOE_OK) << error.message;
  EXPECT_TRUE(std::equal(part.begin(), part.end(), &whole[12345 - 100]));
  EXPECT_EQ(ask(64 * 256, 0), MOE_OK) << error.message;
}

TEST_F(RandomValues, PartsThatDoNotExist) {
  float out;
  moe_error error;
  auto ask = [&](moe_tensor tensor, int64_t first, int64_t count) {
    return moe_checkpoint_random_values("w", &tensor, 7, first, count, &out,
                                        &error);
  };
  const char *tag = "[moe-random-range]";
  moe_tensor tensor = makeTensor(MOE_F32, {3}, nullptr);
  expectError(ask(tensor, 3, 1), error, MOE_INVALID_ARGUMENT, tag);
  expectError(ask(tensor, -1, 1), error, MOE_INVALID_ARGUMENT, tag);
  expectError(ask(tensor, 1, -1), error, MOE_INVALID_ARGUMENT, tag);
  expectError(ask(tensor, INT64_MAX, 1), error, MOE_INVALID_ARGUMENT, tag);
  tensor.shape[0] = -3;
  expectError(ask(tensor, 0, 0), error, MOE_INVALID_ARGUMENT, tag);
  tensor.rank = MOE_MAX_RANK + 1;
  expectError(ask(tensor, 0, 0), error, MOE_INVALID_ARGUMENT, tag);
  expectError(ask(makeTensor(MOE_I32, {3}, nullptr), 0, 1), error,
              MOE_UNSUPPORTED, "[moe-random-dtype]");
}

TEST_F(RandomValues, NullArguments) {
  moe_tensor tensor = makeTensor(MOE_F32, {3}, nullptr);
  float out;
  moe_error error;
  const char *tag = "[moe-random-argument]";
  expectError(
      moe_checkpoint_random_values(nullptr, &tensor, 1, 0, 1, &out, &error),
      error, MOE_INVALID_ARGUMENT, tag);
  expectError(moe_checkpoint_random_values("w", nullptr, 1, 0, 1, &out, &error),
              error, MOE_INVALID_ARGUMENT, tag);
  expectError(
      moe_checkpoint_random_values("w", &tensor, 1, 0, 1, nullptr, &error),
      error, MOE_INVALID_ARGUMENT, tag);
}

TEST_F(RandomValues, SizeThatDoesNotFit) {
  const char *tag = "[moe-bind-random-memory]";
  setShape({int64_t(1) << 31, int64_t(1) << 31}, {int64_t(1) << 31, 1});
  expectError(bind(1), context->handle, MOE_OUT_OF_MEMORY, tag);
  setShape({int64_t(1) << 31, int64_t(1) << 20}, {int64_t(1) << 20, 1});
  weight.experts = int64_t(1) << 60;
  expectError(bind(1), context->handle, MOE_OUT_OF_MEMORY, tag);
}

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
  void setShape(std::vector<int64_t> shape, std::vector<int64_t> strides) {
    weight.rank = static_cast<int32_t>(shape.size());
    std::copy(shape.begin(), shape.end(), weight.shape);
    std::copy(strides.begin(), strides.end(), weight.strides);
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

TEST_F(RandomValues, SameSeedAndNameGiveTheSameValues) {
  std::vector<float> first = values(7, 64 * 256);
  EXPECT_EQ(values(7, 64 * 256), first);
  EXPECT_NE(values(8, 64 * 256), first);
  weight.name = "v";
  EXPECT_NE(values(7, 64 * 256), first);
}

/// The values are part of the contract: results recorded for a seed stay valid.
TEST_F(RandomValues, KnownValues) {
  std::vector<float> all = values(1, 64 * 256);
  EXPECT_EQ(all[0], 0x1.6d2db6p-5f);
  EXPECT_EQ(all[1], 0x1.0428d2p-6f);
  EXPECT_EQ(all[2], 0x1.2dbep-5f);
  EXPECT_EQ(all.back(), 0x1.1a5304p-8f);
}

TEST_F(RandomValues, MatricesHaveMeanZeroAndTheScaleOfTheirRows) {
  Moments moments(values(3, 64 * 256));
  EXPECT_NEAR(moments.mean, 0.0, 0.002);
  EXPECT_NEAR(moments.deviation, 1.0 / 16, 0.002);
}

TEST_F(RandomValues, VectorsAreNearOne) {
  setShape({4096}, {1});
  Moments moments(values(3, 4096));
  EXPECT_NEAR(moments.mean, 1.0, 0.002);
  EXPECT_NEAR(moments.deviation, 1.0 / 64, 0.002);
}

TEST_F(RandomValues, ValuesDoNotDependOnTheLayout) {
  std::vector<float> rows = values(5, 64 * 256);
  setShape({64, 256}, {1, 64});
  std::vector<float> columns = values(5, 64 * 256);
  for (size_t i = 0; i < 64; ++i)
    for (size_t j = 0; j < 256; ++j)
      ASSERT_EQ(columns[i + 64 * j], rows[256 * i + j]);
  setShape({64, 256}, {-256, 1});
  ASSERT_EQ(bind(5), MOE_OK);
  EXPECT_EQ(data<float>()[-256 * 63 + 7], rows[256 * 63 + 7]);
}

TEST_F(RandomValues, SlicesOfABankDiffer) {
  weight.experts = 3;
  ASSERT_EQ(bind(5), MOE_OK) << moe_ctx_message(context->handle);
  EXPECT_NE(std::memcmp(data<float>(0), data<float>(1), 1024), 0);
  EXPECT_NE(std::memcmp(data<float>(1), data<float>(2), 1024), 0);
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
  expectError(bind(1), context->handle, MOE_UNSUPPORTED,
              "[moe-bind-random-dtype]");
  EXPECT_EQ(moe_rt_weights(context->handle), nullptr);
}

TEST_F(RandomValues, SizeThatDoesNotFit) {
  const char *tag = "[moe-bind-random-memory]";
  setShape({int64_t(1) << 31, int64_t(1) << 31}, {int64_t(1) << 31, 1});
  expectError(bind(1), context->handle, MOE_OUT_OF_MEMORY, tag);
  setShape({int64_t(1) << 31, int64_t(1) << 20}, {int64_t(1) << 20, 1});
  weight.experts = int64_t(1) << 60;
  expectError(bind(1), context->handle, MOE_OUT_OF_MEMORY, tag);
}

//===- CapacityTest.cpp - Capacities of known models ----------------------===//
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "TestTensor.h"
#include "moe_rt/reference.h"

#include <limits>

using namespace moe::reference;

namespace {

constexpr moe_capacity_attrs capacityAttrs(moe_capacity_basis basis,
                                           moe_rounding rounding, double factor,
                                           int64_t multipleOf = 1,
                                           int64_t atLeast = 0) {
  return {basis, rounding, factor, multipleOf, atLeast};
}

int64_t capacityOf(const moe_capacity_attrs &attrs, int64_t tokens,
                   int64_t experts, int64_t slots = 1) {
  int64_t capacity = -1;
  moe_error error;
  EXPECT_EQ(moe_ref_capacity(&attrs, tokens, experts, slots, &capacity, &error),
            MOE_OK)
      << error.message;
  return capacity;
}

void expectRefused(const moe_capacity_attrs &attrs, int64_t tokens,
                   int64_t experts, int64_t slots, const char *tag) {
  int64_t capacity = -1;
  moe_error error;
  int32_t status =
      moe_ref_capacity(&attrs, tokens, experts, slots, &capacity, &error);
  expectError(status, error, tag);
  EXPECT_EQ(capacity, -1);
}

constexpr moe_capacity_attrs anyCapacity =
    capacityAttrs(MOE_CAPACITY_SLOTS_PER_EXPERT, MOE_ROUND_CEIL, 1.0);

} // namespace

TEST(Capacity, GShard) {
  // int(cf * S / E), up to a multiple of 4.
  auto attrs =
      capacityAttrs(MOE_CAPACITY_TOKENS_PER_EXPERT, MOE_ROUND_FLOOR, 2.0, 4);
  EXPECT_EQ(capacityOf(attrs, 100, 8, 2), 28);
  EXPECT_EQ(capacityOf(attrs, 96, 8, 2), 24);
  EXPECT_EQ(capacityOf(attrs, 3, 8, 2), 0);
}

TEST(Capacity, Switch) {
  // max(4, round(cf * S / E)), half to even.
  auto attrs = capacityAttrs(MOE_CAPACITY_TOKENS_PER_EXPERT,
                             MOE_ROUND_NEAREST_EVEN, 1.25, 1, 4);
  EXPECT_EQ(capacityOf(attrs, 100, 8), 16);
  EXPECT_EQ(capacityOf(attrs, 36, 10), 4); // 4.5
  EXPECT_EQ(capacityOf(attrs, 44, 10), 6); // 5.5
  EXPECT_EQ(capacityOf(attrs, 4, 8), 4);   // 0.625, the minimum
}

TEST(Capacity, Nllb) {
  // ceil(fraction * T) in evaluation, 2 * ceil(T / E) otherwise.
  auto fraction = capacityAttrs(MOE_CAPACITY_TOKENS, MOE_ROUND_CEIL, 0.25);
  EXPECT_EQ(capacityOf(fraction, 10, 128, 2), 3);
  EXPECT_EQ(capacityOf(fraction, 8, 128, 2), 2);
  auto twice =
      capacityAttrs(MOE_CAPACITY_TOKENS_PER_EXPERT, MOE_ROUND_CEIL, 2.0, 2);
  for (int64_t experts : {2, 3, 7, 128})
    for (int64_t tokens = 0; tokens < 400; ++tokens)
      EXPECT_EQ(capacityOf(twice, tokens, experts, 2),
                2 * ((tokens + experts - 1) / experts))
          << tokens << " tokens, " << experts << " experts";
}

TEST(Capacity, VMoE) {
  // ceil(k * cf * S / E), up to a multiple of 4.
  auto attrs =
      capacityAttrs(MOE_CAPACITY_SLOTS_PER_EXPERT, MOE_ROUND_CEIL, 1.05, 4);
  EXPECT_EQ(capacityOf(attrs, 100, 32, 2), 8); // 6.5625
  EXPECT_EQ(capacityOf(attrs, 1568, 32, 2), 104);
}

TEST(Capacity, OpenMoE) {
  // floor(k * cf * T / E), up to even, at least 4.
  auto attrs =
      capacityAttrs(MOE_CAPACITY_SLOTS_PER_EXPERT, MOE_ROUND_FLOOR, 2.0, 2, 4);
  EXPECT_EQ(capacityOf(attrs, 60, 32, 2), 8); // 7.5
  EXPECT_EQ(capacityOf(attrs, 64, 32, 2), 8);
  EXPECT_EQ(capacityOf(attrs, 72, 32, 2), 10); // 9
  EXPECT_EQ(capacityOf(attrs, 4, 32, 2), 4);
}

TEST(Capacity, Hunyuan) {
  // max(k, k * T // E).
  auto attrs =
      capacityAttrs(MOE_CAPACITY_SLOTS_PER_EXPERT, MOE_ROUND_FLOOR, 1.0, 1, 8);
  EXPECT_EQ(capacityOf(attrs, 100, 64, 8), 12);
  EXPECT_EQ(capacityOf(attrs, 10, 64, 8), 8);
}

TEST(Capacity, Fixed) {
  auto attrs = capacityAttrs(MOE_CAPACITY_FIXED, MOE_ROUND_CEIL, 64.0);
  EXPECT_EQ(capacityOf(attrs, 1000, 8), 64);
  EXPECT_EQ(capacityOf(attrs, 0, 8), 64);
}

TEST(Capacity, Rounding) {
  auto rounded = [](moe_rounding rounding, double value) {
    return capacityOf(capacityAttrs(MOE_CAPACITY_FIXED, rounding, value), 1, 1);
  };
  EXPECT_EQ(rounded(MOE_ROUND_CEIL, 2.25), 3);
  EXPECT_EQ(rounded(MOE_ROUND_FLOOR, 2.75), 2);
  EXPECT_EQ(rounded(MOE_ROUND_NEAREST_EVEN, 0.5), 0);
  EXPECT_EQ(rounded(MOE_ROUND_NEAREST_EVEN, 1.5), 2);
  EXPECT_EQ(rounded(MOE_ROUND_NEAREST_EVEN, 2.25), 2);
  EXPECT_EQ(rounded(MOE_ROUND_NEAREST_EVEN, 2.75), 3);
}

TEST(Capacity, MinimumComesAfterTheMultiple) {
  EXPECT_EQ(
      capacityOf(capacityAttrs(MOE_CAPACITY_FIXED, MOE_ROUND_CEIL, 3, 4, 5), 1,
                 1),
      5);
}

TEST(Capacity, NoTokens) { EXPECT_EQ(capacityOf(anyCapacity, 0, 8, 2), 0); }

TEST(Capacity, IsNotLimitedByTheTokens) {
  EXPECT_EQ(
      capacityOf(capacityAttrs(MOE_CAPACITY_TOKENS, MOE_ROUND_CEIL, 3.0), 5, 8),
      15);
}

TEST(Capacity, LargeTokenCountsAreExact) {
  int64_t tokens = (int64_t(1) << 31) - 1;
  EXPECT_EQ(capacityOf(anyCapacity, tokens, 1, 1), tokens);
}

//===----------------------------------------------------------------------===//
// Refused calls
//===----------------------------------------------------------------------===//

TEST(CapacityErrors, Null) {
  int64_t capacity;
  moe_error error;
  expectError(moe_ref_capacity(nullptr, 1, 1, 1, &capacity, &error), error,
              "[moe-ref-null]");
  expectError(moe_ref_capacity(&anyCapacity, 1, 1, 1, nullptr, &error), error,
              "[moe-ref-null]");
}

TEST(CapacityErrors, Enumerators) {
  moe_capacity_attrs basis = anyCapacity, rounding = anyCapacity;
  basis.basis = 4;
  expectRefused(basis, 1, 1, 1, "[moe-ref-enum]");
  rounding.rounding = -1;
  expectRefused(rounding, 1, 1, 1, "[moe-ref-enum]");
}

TEST(CapacityErrors, Factor) {
  for (double factor : {-1.0, std::numeric_limits<double>::quiet_NaN(),
                        std::numeric_limits<double>::infinity()})
    expectRefused(capacityAttrs(MOE_CAPACITY_TOKENS, MOE_ROUND_CEIL, factor), 1,
                  1, 1, "[moe-ref-capacity-factor]");
}

TEST(CapacityErrors, MultipleAndMinimum) {
  expectRefused(capacityAttrs(MOE_CAPACITY_TOKENS, MOE_ROUND_CEIL, 1, 0), 1, 1,
                1, "[moe-ref-capacity-multiple]");
  expectRefused(capacityAttrs(MOE_CAPACITY_TOKENS, MOE_ROUND_CEIL, 1, 1, -1), 1,
                1, 1, "[moe-ref-capacity-at-least]");
}

TEST(CapacityErrors, Sizes) {
  const char *tag = "[moe-ref-capacity-sizes]";
  expectRefused(anyCapacity, -1, 1, 1, tag);
  expectRefused(anyCapacity, 1, 0, 1, tag);
  expectRefused(anyCapacity, 1, 1, 0, tag);
  expectRefused(anyCapacity, 1, 1, 2, tag);
}

TEST(CapacityErrors, Overflow) {
  const char *tag = "[moe-ref-capacity-overflow]";
  expectRefused(anyCapacity, INT64_MAX / 2, 4, 3, tag);
  expectRefused(capacityAttrs(MOE_CAPACITY_TOKENS, MOE_ROUND_CEIL, 1e300), 100,
                1, 1, tag);
  expectRefused(capacityAttrs(MOE_CAPACITY_FIXED, MOE_ROUND_CEIL, 0x1p63), 1, 1,
                1, tag);
  expectRefused(capacityAttrs(MOE_CAPACITY_FIXED, MOE_ROUND_CEIL, 0x1p62 + 1024,
                              int64_t(1) << 62),
                1, 1, 1, tag);
}

//===- Capacity.cpp - How many slots an expert has ------------------------===//
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Checker.h"
#include "moe_rt/reference.h"

#include <cinttypes>
#include <cmath>

using namespace moe::reference;

/// The nearest integer, the even one of two.
static double roundToEven(double value) {
  double below = std::floor(value);
  double excess = value - below;
  bool up = excess > 0.5 || (excess == 0.5 && std::fmod(below, 2.0) != 0.0);
  return up ? below + 1.0 : below;
}

static double rounded(int32_t rounding, double value) {
  switch (rounding) {
  case MOE_ROUND_CEIL:
    return std::ceil(value);
  case MOE_ROUND_FLOOR:
    return std::floor(value);
  default:
    return roundToEven(value);
  }
}

/// The smallest multiple of `multiple` from `value` on; false on overflow.
static bool roundUpTo(int64_t multiple, int64_t &value) {
  int64_t rest = value % multiple;
  return rest == 0 || !__builtin_add_overflow(value, multiple - rest, &value);
}

/// The capacity before rounding. Products first: they are exact below 2^53.
static double exactCapacity(const moe_capacity_attrs &attrs, double tokens,
                            double experts, double slots) {
  switch (attrs.basis) {
  case MOE_CAPACITY_TOKENS_PER_EXPERT:
    return attrs.factor * tokens / experts;
  case MOE_CAPACITY_SLOTS_PER_EXPERT:
    return attrs.factor * slots / experts;
  case MOE_CAPACITY_TOKENS:
    return attrs.factor * tokens;
  default: // Fixed.
    return attrs.factor;
  }
}

static void checkCapacity(Checker &check, const moe_capacity_attrs &attrs,
                          int64_t tokens, int64_t experts, int64_t slots) {
  check.enumerator(attrs.basis, MOE_CAPACITY_TOKENS + 1, "basis");
  check.enumerator(attrs.rounding, MOE_ROUND_NEAREST_EVEN + 1, "rounding");
  check.require(std::isfinite(attrs.factor) && attrs.factor >= 0,
                "attribute 'factor' is %g, expected a finite number from 0; "
                "leave the capacity out to drop nothing "
                "[moe-ref-capacity-factor]",
                attrs.factor);
  check.require(attrs.multiple_of >= 1,
                "attribute 'multiple_of' is %" PRId64
                ", expected 1 or more; use 1 for any number "
                "[moe-ref-capacity-multiple]",
                attrs.multiple_of);
  check.require(attrs.at_least >= 0,
                "attribute 'at_least' is %" PRId64
                ", expected 0 or more; use 0 for no minimum "
                "[moe-ref-capacity-at-least]",
                attrs.at_least);
  check.require(tokens >= 0 && experts >= 1 && slots >= 1 && slots <= experts,
                "tokens = %" PRId64 ", experts = %" PRId64
                " and top_k = %" PRId64 ", expected tokens from 0, experts "
                "from 1 and top_k from 1 to experts; correct the sizes "
                "[moe-ref-capacity-sizes]",
                tokens, experts, slots);
}

extern "C" int32_t moe_ref_capacity(const moe_capacity_attrs *attrs,
                                    int64_t tokens, int64_t experts,
                                    int64_t top_k, int64_t *capacity,
                                    moe_error *error) {
  return guarded(error, [&](Checker &check) {
    check.present(attrs, "attrs");
    check.present(capacity, "capacity");
    if (!check.ok())
      return;
    checkCapacity(check, *attrs, tokens, experts, top_k);
    if (!check.ok())
      return;

    int64_t slots = 0;
    bool fits = !__builtin_mul_overflow(tokens, top_k, &slots);
    double value =
        rounded(attrs->rounding, exactCapacity(*attrs, tokens, experts, slots));
    fits = fits && value < 0x1p63;
    int64_t result = fits ? static_cast<int64_t>(value) : 0;
    fits = fits && roundUpTo(attrs->multiple_of, result);
    check.require(fits,
                  "the capacity for %" PRId64 " tokens, %" PRId64
                  " slots each, times %g does not fit in 63 bits, expected "
                  "less than 2^63; use a smaller factor or fewer tokens "
                  "[moe-ref-capacity-overflow]",
                  tokens, top_k, attrs->factor);
    if (check.ok())
      *capacity = result < attrs->at_least ? attrs->at_least : result;
  });
}

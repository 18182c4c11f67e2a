//===- Sizes.cpp - Sizes of a layer ---------------------------------------===//
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Sizes.h"
#include "Failure.h"
#include "llvm/ADT/Twine.h"
#include "llvm/Support/CheckedArithmetic.h"
#include "llvm/Support/MathExtras.h"
#include <algorithm>
#include <limits>

using namespace llvm;
using namespace moe::bench;

/// The product of positive sizes; nothing when it does not fit.
static std::optional<int64_t> multiply(std::initializer_list<int64_t> factors) {
  std::optional<int64_t> product = 1;
  for (int64_t factor : factors)
    if (product)
      product = checkedMul(*product, factor);
  return product;
}

int64_t Sizes::getCallBytes() const {
  auto multiply = [](uint64_t a, uint64_t b) {
    return SaturatingMultiply(a, b);
  };
  // Noise, x, y; logits and their draw; rows of the experts and inside them.
  uint64_t bytes = multiply(multiply(tokens, hidden), 12);
  bytes = SaturatingAdd(bytes, multiply(multiply(tokens, experts), 8));
  bytes = SaturatingAdd(bytes, multiply(multiply(getSlots(), hidden), 8));
  bytes = SaturatingAdd(bytes, multiply(multiply(getSlots(), width), 8));
  return int64_t(
      std::min<uint64_t>(bytes, std::numeric_limits<int64_t>::max()));
}

static Error checkShape(const Sizes &sizes) {
  const auto &[E, k, H, F, T] = sizes;
  if (E < 1 || k < 1 || H < 1 || F < 1)
    return invalidInput("--shape has a size below 1, expected E,k,H,F, all at "
                        "least 1; correct it [moe-bench-shape-positive]");
  if (k > E)
    return invalidInput("--shape has k = " + Twine(k) + " of E = " + Twine(E) +
                        " experts, expected at most E; correct it "
                        "[moe-bench-shape-top-k]");
  if (E > H)
    return invalidInput("--shape has E = " + Twine(E) +
                        " experts of H = " + Twine(H) +
                        ", expected at most H: tokens are made so that the "
                        "router sends each where it should; use a larger H "
                        "[moe-bench-shape-experts]");
  return Error::success();
}

Error moe::bench::checkSizes(const Sizes &sizes, const DType &dtype) {
  if (Error error = checkShape(sizes))
    return error;
  const auto &[E, k, H, F, T] = sizes;
  if (T < 1)
    return invalidInput("--tokens is " + Twine(T) +
                        ", expected at least 1; correct it "
                        "[moe-bench-tokens]");
  std::optional<int64_t> slots = multiply({T, k});
  if (!slots || *slots > std::numeric_limits<int32_t>::max())
    return invalidInput("--tokens times k is more than 2^31 - 1, which a plan "
                        "has no numbers for; use fewer tokens "
                        "[moe-bench-slots]");
  // Weights with the router, which is smaller; what goes in and out, and what
  // is computed on the way.
  if (!multiply({2, 3, E, F, H, dtype.getStoredBytes()}) ||
      !multiply({E, H, 4}) || !multiply({T, H, 4}) || !multiply({T, E, 8}) ||
      !multiply({*slots, H, 4}) || !multiply({*slots, F, 4}))
    return invalidInput("--shape and --tokens make a layer whose bytes do not "
                        "fit into 63 bits; use smaller sizes "
                        "[moe-bench-size]");
  return Error::success();
}

//===- RandomValues.cpp - Reproducible values for weights -----------------===//
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A counter-based generator: a value depends on (seed, name of the tensor,
// index of the element) alone, so it is the same on every machine, in every
// order and whether it goes to a file or into memory. It uses integer
// operations, and floating-point ones that IEEE 754 defines exactly: no libm,
// and no fused multiplications (see CMakeLists.txt).
//
//===----------------------------------------------------------------------===//

#include "core/RandomValues.h"
#include "core/Arithmetic.h"
#include "core/Boundary.h"
#include "core/Float16.h"
#include "moe_rt/safetensors.h"

#include <algorithm>
#include <cmath>
#include <string_view>

using namespace moe::rt;

//===----------------------------------------------------------------------===//
// Bits
//===----------------------------------------------------------------------===//

/// What separates the states of neighbouring elements (2^64 / golden ratio).
static constexpr uint64_t stateStep = 0x9e3779b97f4a7c15;

/// A bijection of 64 bits that looks random (the finalizer of SplitMix64).
static uint64_t mix(uint64_t bits) {
  bits = (bits ^ (bits >> 30)) * 0xbf58476d1ce4e5b9;
  bits = (bits ^ (bits >> 27)) * 0x94d049bb133111eb;
  return bits ^ (bits >> 31);
}

/// FNV-1a.
static uint64_t hashName(const char *name) {
  uint64_t hash = 0xcbf29ce484222325;
  for (; *name; ++name)
    hash = (hash ^ static_cast<unsigned char>(*name)) * 0x100000001b3;
  return hash;
}

//===----------------------------------------------------------------------===//
// Numbers
//===----------------------------------------------------------------------===//

/// Roughly normal, mean 0 and variance 1: the sum of four uniform 16-bit
/// numbers, centred and scaled. Exact in integers up to one multiplication.
static float normalLike(uint64_t bits) {
  constexpr uint64_t everySecondLane = 0x0000ffff0000ffff;
  uint64_t pairs = (bits & everySecondLane) + (bits >> 16 & everySecondLane);
  auto sum = static_cast<int32_t>(static_cast<uint32_t>(pairs) + (pairs >> 32));
  constexpr float inverseDeviation = 2.6429e-5f; // 1 / (65536 * sqrt(4 / 12))
  return static_cast<float>(sum - 2 * 65535) * inverseDeviation;
}

//===----------------------------------------------------------------------===//
// Tensors
//===----------------------------------------------------------------------===//

namespace {
/// value = mean + deviation * normal.
struct Distribution {
  float mean, deviation;
};
} // namespace

/// Vectors that are not biases are scales of a normalization; matrices keep the
/// size of what they multiply.
static Distribution distributionOf(std::string_view name,
                                   const moe_tensor &tensor) {
  constexpr std::string_view bias = "bias";
  if (name.size() >= bias.size() &&
      name.substr(name.size() - bias.size()) == bias)
    return {0, 0.02f};
  if (tensor.rank <= 1)
    return {1, 0.05f};
  int64_t columns = std::max<int64_t>(tensor.shape[tensor.rank - 1], 1);
  return {0, 1 / std::sqrt(static_cast<float>(columns))};
}

template <typename Element, typename Convert>
static void fill(void *out, int64_t count, uint64_t state,
                 Distribution distribution, Convert convert) {
  Element *elements = static_cast<Element *>(out);
  for (int64_t i = 0; i < count; ++i, state += stateStep)
    elements[i] = convert(distribution.mean +
                          distribution.deviation * normalLike(mix(state)));
}

static int32_t checkDType(const char *name, int32_t dtype, moe_error *error) {
  if (dtype == MOE_F64 || dtype == MOE_F32 || dtype == MOE_F16 ||
      dtype == MOE_BF16)
    return MOE_OK;
  return moe_error_set(error, MOE_UNSUPPORTED,
                       "tensor '%s' has dtype %s, but random values are "
                       "floating-point; use a checkpoint instead "
                       "[moe-random-dtype]",
                       Shown(name).text, moe_dtype_name(dtype));
}

int32_t moe::rt::fillRandom(const char *name, const moe_tensor &tensor,
                            uint64_t seed, int64_t first, int64_t count,
                            void *out, moe_error *error) {
  if (int32_t status = checkDType(name, tensor.dtype, error))
    return status;
  Distribution distribution = distributionOf(name, tensor);
  uint64_t state = mix(hashName(name) + mix(seed)) +
                   static_cast<uint64_t>(first) * stateStep;
  auto same = [](float value) { return value; };
  if (tensor.dtype == MOE_F64)
    fill<double>(out, count, state, distribution, same);
  else if (tensor.dtype == MOE_F32)
    fill<float>(out, count, state, distribution, same);
  else if (tensor.dtype == MOE_BF16)
    fill<uint16_t>(out, count, state, distribution, toBFloat16);
  else
    fill<uint16_t>(out, count, state, distribution, toFloat16);
  return MOE_OK;
}

/// Whether [first, first + count) are elements of `tensor`.
static bool holdsRange(const moe_tensor &tensor, int64_t first, int64_t count) {
  int64_t elements, end;
  return tensor.rank >= 0 && tensor.rank <= MOE_MAX_RANK &&
         std::none_of(tensor.shape, tensor.shape + tensor.rank,
                      [](int64_t extent) { return extent < 0; }) &&
         !elementsOverflow(tensor.shape, tensor.rank, elements) && first >= 0 &&
         count >= 0 && !addOverflow(first, count, end) && end <= elements;
}

int32_t moe_checkpoint_random_values(const char *name, const moe_tensor *tensor,
                                     uint64_t seed, int64_t first,
                                     int64_t count, void *out,
                                     moe_error *error) {
  clearError(error);
  if (!name || !tensor || (!out && count != 0))
    return moe_error_set(error, MOE_INVALID_ARGUMENT,
                         "moe_checkpoint_random_values was called without a "
                         "name, a tensor or memory; pass them "
                         "[moe-random-argument]");
  if (!holdsRange(*tensor, first, count))
    return moe_error_set(error, MOE_INVALID_ARGUMENT,
                         "%lld elements from %lld on were asked of tensor "
                         "'%s', which does not have them; correct the range or "
                         "the shape [moe-random-range]",
                         static_cast<long long>(count),
                         static_cast<long long>(first), Shown(name).text);
  return fillRandom(name, *tensor, seed, first, count, out, error);
}

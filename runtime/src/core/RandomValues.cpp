//===- RandomValues.cpp - Reproducible values for weights -----------------===//
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A counter-based generator: a value depends on (seed, weight name, index of
// the element) alone, so it is the same on every machine, in every order and in
// every memory layout. It uses integer operations, and floating-point ones that
// IEEE 754 defines exactly: no libm.
//
//===----------------------------------------------------------------------===//

#include "core/Weights.h"

#include <cmath>
#include <cstring>

using namespace moe::rt;

/// The finalizer of SplitMix64: every bit of the input changes every bit of
/// the output with probability 1/2.
static uint64_t mix(uint64_t x) {
  x += 0x9e3779b97f4a7c15;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
  x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
  return x ^ (x >> 31);
}

/// FNV-1a.
static uint64_t hashName(const char *name) {
  uint64_t hash = 0xcbf29ce484222325;
  for (; *name; ++name)
    hash = (hash ^ static_cast<unsigned char>(*name)) * 0x100000001b3;
  return hash;
}

/// Approximately normal, mean 0 and variance 1: the sum of four uniform numbers
/// of 16 bits (variance 1/12 each), centred and scaled by sqrt(3).
static double normalFromBits(uint64_t bits) {
  constexpr double sqrt3 = 1.7320508075688772;
  uint64_t sum = (bits & 0xffff) + (bits >> 16 & 0xffff) +
                 (bits >> 32 & 0xffff) + (bits >> 48);
  return (static_cast<double>(sum) / 65536.0 - 2.0 + 2.0 / 65536.0) * sqrt3;
}

static uint32_t floatBits(float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, sizeof(bits));
  return bits;
}

/// Round to nearest, ties to even. `value` is finite.
static uint16_t toBFloat16(float value) {
  uint32_t bits = floatBits(value);
  return static_cast<uint16_t>((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

/// Round to nearest, ties to even. |value| < 65504.
static uint16_t toFloat16(float value) {
  uint32_t bits = floatBits(value);
  uint16_t sign = static_cast<uint16_t>(bits >> 16 & 0x8000);
  uint32_t magnitude = bits & 0x7fffffff;
  constexpr uint32_t smallestNormal = 0x38800000; // 2^-14
  if (magnitude < smallestNormal) {
    // A subnormal counts steps of 2^-24, exactly representable in f32.
    float steps = std::nearbyint(std::fabs(value) * 0x1p24f);
    return static_cast<uint16_t>(sign | static_cast<uint16_t>(steps));
  }
  constexpr uint32_t rebias = (127 - 15) << 23;
  uint32_t rounded = magnitude - rebias + 0xfff + (magnitude >> 13 & 1);
  return static_cast<uint16_t>(sign | (rounded >> 13));
}

static void store(int32_t dtype, double value, char *at) {
  if (dtype == MOE_F64) {
    std::memcpy(at, &value, sizeof(value));
    return;
  }
  float single = static_cast<float>(value);
  if (dtype == MOE_F32) {
    std::memcpy(at, &single, sizeof(single));
    return;
  }
  uint16_t half = dtype == MOE_BF16 ? toBFloat16(single) : toFloat16(single);
  std::memcpy(at, &half, sizeof(half));
}

namespace {
/// value = mean + scale * normal. Vectors are near one, because most of them
/// are scales of a normalization; matrices keep the size of what they multiply.
struct Distribution {
  double mean, scale;
  explicit Distribution(const moe_weight &weight)
      : mean(weight.rank <= 1 ? 1.0 : 0.0),
        scale(weight.rank <= 1 ? 1.0 / 64
                               : 1.0 / std::sqrt(static_cast<double>(
                                           weight.shape[weight.rank - 1]))) {}
};

/// Walks the elements of a shape in row-major order and keeps their offset.
class StridedWalk {
public:
  explicit StridedWalk(const moe_weight &weight) : weight(weight) {}

  int64_t offset() const { return position; }

  void advance() {
    for (int32_t i = weight.rank - 1; i >= 0; --i) {
      position += weight.strides[i];
      if (++index[i] < weight.shape[i])
        return;
      position -= index[i] * weight.strides[i];
      index[i] = 0;
    }
  }

private:
  const moe_weight &weight;
  int64_t index[MOE_MAX_RANK] = {};
  int64_t position = 0;
};
} // namespace

void moe::rt::fillRandomSlice(const moe_weight &weight, uint64_t seed,
                              int64_t firstIndex, int64_t elements,
                              void *base) {
  Distribution distribution(weight);
  uint64_t key = mix(seed) ^ hashName(weight.name);
  int64_t size = static_cast<int64_t>(moe_dtype_size(weight.dtype));
  StridedWalk walk(weight);
  for (int64_t i = 0; i < elements; ++i, walk.advance()) {
    uint64_t bits = mix(key + mix(static_cast<uint64_t>(firstIndex + i)));
    double value =
        distribution.mean + distribution.scale * normalFromBits(bits);
    store(weight.dtype, value,
          static_cast<char *>(base) + walk.offset() * size);
  }
}

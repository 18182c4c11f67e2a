//===- Philox.h - A counter-based random number generator -------*- C++ -*-===//
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef MOE_TOOLS_MOERUN_PHILOX_H
#define MOE_TOOLS_MOERUN_PHILOX_H

#include <array>
#include <cstdint>

namespace moe::run {

/// Philox4x32-10 (Salmon, Moraes, Dror, Shaw: "Parallel random numbers: as easy
/// as 1, 2, 3", 2011): 128 random bits that depend on key and counter alone.
class Philox {
public:
  using Block = std::array<uint32_t, 4>;

  /// The two halves of `seed` are the key, low half first.
  explicit Philox(uint64_t seed) : key{uint32_t(seed), uint32_t(seed >> 32)} {}

  Block operator()(Block counter) const {
    uint32_t k0 = key[0], k1 = key[1];
    for (int round = 0; round < 10; ++round) {
      uint64_t p0 = uint64_t(0xD2511F53) * counter[0];
      uint64_t p1 = uint64_t(0xCD9E8D57) * counter[2];
      counter = {uint32_t(p1 >> 32) ^ counter[1] ^ k0, uint32_t(p1),
                 uint32_t(p0 >> 32) ^ counter[3] ^ k1, uint32_t(p0)};
      k0 += 0x9E3779B9;
      k1 += 0xBB67AE85;
    }
    return counter;
  }

  /// A number in [0, 1) with 53 random bits, from the first two words.
  static double toUniform(const Block &block) {
    uint64_t bits = uint64_t(block[1]) << 32 | block[0];
    return double(bits >> 11) * 0x1p-53;
  }

private:
  std::array<uint32_t, 2> key;
};

} // namespace moe::run

#endif // MOE_TOOLS_MOERUN_PHILOX_H

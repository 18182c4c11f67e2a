//===- StoredCodes.h - Codes that a checkpoint has --------------*- C++ -*-===//
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef MOE_RT_CORE_STOREDCODES_H
#define MOE_RT_CORE_STOREDCODES_H

#include "core/Quantization.h"
#include "moe_rt/error.h"

namespace moe::rt {

/// Whether the encoding of weight `index`, whose quantization is right, can be
/// what the ABI says.
bool isEncoding(const moe_module &module, int64_t index);

/// The codes of a bank with an encoding (moe_encoding).
class StoredCodes : public CodeSource {
public:
  /// `slots` holds what the weights before `index` are bound to.
  StoredCodes(const moe_module &module, int64_t index, void *const *slots);

  /// Refuses groups that are not what the module was compiled for.
  int32_t check(moe_error *error) const;

  RunScale scaleOf(int64_t slice, int64_t row, int64_t first,
                   int64_t count) const override;
  void read(int64_t slice, int64_t row, int64_t first, int64_t count,
            const RunScale &scale, uint8_t *codes) const override;

private:
  /// A weight that holds one part.
  struct Part {
    const moe_weight *weight = nullptr; ///< null: there is none
    void *const *slices = nullptr;
    bool packsRows = false; ///< words hold neighbouring rows, not columns

    /// Element (i, j) of a slice.
    template <typename Element>
    Element load(int64_t slice, int64_t i, int64_t j) const;
    /// Elements from a column to the next.
    int64_t columnStride() const { return weight->strides[weight->rank - 1]; }
  };

  Part open(int64_t part, void *const *slots) const;
  int32_t zeroOf(int64_t slice, int64_t row, int64_t run) const;
  float storedScale(int64_t slice, int64_t row, int64_t run) const;
  /// Bits below those of code `index` of a word that holds `count`.
  int64_t shiftOf(int64_t index, int64_t count) const;
  template <typename Word>
  void readWords(int64_t slice, int64_t row, int64_t first, int64_t count,
                 uint8_t *out) const;

  const moe_module &module;
  const moe_weight &weight;
  const moe_quantization &format;
  Part codes, scales, zeros, groups;
  uint8_t placeOf[8] = {}; ///< of code i of a word of 32 bits
};

} // namespace moe::rt

#endif // MOE_RT_CORE_STOREDCODES_H

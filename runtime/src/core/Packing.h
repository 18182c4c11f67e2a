//===- Packing.h - Weights in the layout of the kernels ---------*- C++ -*-===//
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef MOE_RT_CORE_PACKING_H
#define MOE_RT_CORE_PACKING_H

#include "MoE/Runtime/Abi.h"

namespace moe::rt {

class CodeSource;
class ThreadPool;

/// Sizes of the packed form of a weight (moe_packing).
struct PackedShape {
  int64_t panels = 0; ///< per slice
  int64_t steps = 0;  ///< per panel
  int64_t step = 0;   ///< elements of all ways
  int64_t panelBytes = 0;
  int64_t sliceBytes = 0;
  int64_t bytes = 0; ///< of all slices, all ways

  /// True when the sizes do not fit in 64 bits.
  [[nodiscard]] bool overflows(const moe_weight &weight);
};

/// Whether the packed form of `weight` has memory of its own: it is packed, and
/// its steps do not alternate with those of an earlier weight.
bool ownsPackedMemory(const moe_weight &weight);

/// The bytes by which slices of `weight` start behind those of the owner.
int64_t getOffsetOfWay(const moe_weight &weight);

/// Copies slices [first, last) of `weight` from `sources` into packed memory:
/// slice e of the owner starts at storage + e * sliceBytes. On all threads of
/// `pool`.
void packSlices(const moe_weight &weight, const PackedShape &shape,
                int64_t first, int64_t last, void *const *sources,
                char *storage, ThreadPool &pool);

/// The same for a quantized weight.
void packCodes(const moe_weight &weight, const PackedShape &shape,
               int64_t first, int64_t last, const CodeSource &source,
               char *storage, ThreadPool &pool);

/// Writes what the codes of slices [first, last) of a quantized `weight` stand
/// for, dense f32, to `values`, which has those slices alone.
void dequantizeSlices(const moe_weight &weight, int64_t first, int64_t last,
                      const CodeSource &source, float *values,
                      ThreadPool &pool);

} // namespace moe::rt

#endif // MOE_RT_CORE_PACKING_H

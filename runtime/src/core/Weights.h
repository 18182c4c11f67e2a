//===- Weights.h - The weights that a context has bound ---------*- C++ -*-===//
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef MOE_RT_CORE_WEIGHTS_H
#define MOE_RT_CORE_WEIGHTS_H

#include "core/Memory.h"

#include <memory>
#include <vector>

namespace moe::rt {

class CodeSource;
class ThreadPool;

/// What moe_rt_weights hands to compiled code, and the memory behind it.
class BoundWeights {
public:
  /// Points into the tensors of `checkpoint`; copies packed weights only.
  int32_t bindCheckpoint(const moe_module &module,
                         const moe_checkpoint &checkpoint,
                         const Allocator &allocator, ThreadPool &pool,
                         moe_error *error);
  /// Owns reproducible values.
  int32_t bindRandom(const moe_module &module, uint64_t seed,
                     const Allocator &allocator, ThreadPool &pool,
                     moe_error *error);

  bool isBound() const { return bound; }
  /// One pointer per weight; null when nothing is bound.
  void *const *table() const { return static_cast<void *const *>(root.data()); }

private:
  int32_t allocateTable(int64_t count, const char *name,
                        const Allocator &allocator, moe_error *error,
                        Block &block);
  int32_t bindWeight(const moe_weight &weight, const moe_checkpoint &checkpoint,
                     const Allocator &allocator, moe_error *error, void *&slot);
  /// `values` becomes the memory that `slot` points into.
  int32_t fillWeight(const moe_weight &weight, uint64_t seed,
                     const Allocator &allocator, moe_error *error, void *&slot,
                     Block &values);
  /// Weight `index` is bound as its source has it; from here on it is packed.
  /// `checkpoint`, if it comes from one, gives back the memory that was read.
  int32_t pack(const moe_module &module, int64_t index,
               const moe_checkpoint *checkpoint, const Allocator &allocator,
               ThreadPool &pool, moe_error *error);

  /// The same for a weight whose codes are not packed.
  int32_t dequantize(const moe_module &module, int64_t index,
                     const CodeSource &codes, const moe_checkpoint *checkpoint,
                     const Allocator &allocator, ThreadPool &pool,
                     moe_error *error);

  /// Where the codes of a quantized weight come from.
  int32_t openCodes(const moe_module &module, int64_t index,
                    std::unique_ptr<CodeSource> &codes, moe_error *error);

  /// Copies all slices of a weight, of `sliceBytes` each, some at a time:
  /// `copy` gets the first of them and their end.
  template <typename Copy>
  void copyInRounds(const moe_module &module, int64_t index,
                    const moe_checkpoint *checkpoint, int64_t sliceBytes,
                    const Copy &copy);

  /// The slices that a bank is bound to.
  void **slicesOf(int64_t index) {
    return static_cast<void **>(static_cast<void **>(root.data())[index]);
  }

  bool bound = false;
  Block root;
  /// Tables of banks and random values.
  std::vector<Block> blocks;
};

/// The elements of a slice lie at offsets [lowest, highest] from its base.
struct Window {
  int64_t lowest = 0, highest = 0;
  int64_t elements = 0;
};

/// The window of one slice of `weight`. True when it does not fit in 64 bits.
[[nodiscard]] bool windowOverflow(const moe_weight &weight, Window &window);

} // namespace moe::rt

#endif // MOE_RT_CORE_WEIGHTS_H

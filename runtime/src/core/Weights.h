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
#include "core/PackedCache.h"
#include "core/Packing.h"
#include "core/Progress.h"

#include <memory>
#include <vector>

namespace moe::rt {

class CodeSource;
class ThreadPool;

/// What weights are bound for and with.
struct Binding {
  const moe_module &module;
  const Allocator &allocator;
  ThreadPool &pool;
  const ProgressCallback &progress;
  moe_error *error;
};

/// What moe_rt_weights hands to compiled code, and the memory behind it.
class BoundWeights {
public:
  /// Points into the tensors of `checkpoint`; copies packed weights only. They
  /// come from the file `cachePath` if it has them, and go there if it has not;
  /// empty: there is none.
  int32_t bindCheckpoint(const Binding &binding,
                         const moe_checkpoint &checkpoint,
                         const std::string &cachePath);
  /// Owns reproducible values.
  int32_t bindRandom(const Binding &binding, uint64_t seed);

  bool isBound() const { return bound; }
  /// One pointer per weight; null when nothing is bound.
  void *const *table() const { return static_cast<void *const *>(root.data()); }

private:
  /// What becomes of weights once they are bound as their source has them.
  struct Packing {
    const moe_checkpoint *checkpoint; ///< whose memory is given back, or null
    const PackedCache *cache;         ///< that has the packed weights, or null
    Progress &progress;
  };

  int32_t allocateTable(const Binding &binding, int64_t count, const char *name,
                        Block &block);
  int32_t bindWeight(const Binding &binding, const moe_weight &weight,
                     const moe_checkpoint &checkpoint, void *&slot);
  /// Binds every weight to `checkpoint` and packs it.
  int32_t bindAll(const Binding &binding, const moe_checkpoint &checkpoint,
                  const PackedCache *cache);
  /// `values` becomes the memory that `slot` points into.
  int32_t fillWeight(const Binding &binding, const moe_weight &weight,
                     uint64_t seed, void *&slot, Block &values);

  /// Weight `index` is bound as its source has it; from here on it is as
  /// kernels want it.
  int32_t convert(const Binding &binding, const Packing &packing,
                  int64_t index);
  int32_t pack(const Binding &binding, const Packing &packing, int64_t index);
  /// The same for a weight whose codes are not packed.
  int32_t dequantize(const Binding &binding, const Packing &packing,
                     int64_t index);
  /// Copies the elements of a weight to `storage`, which is its owner's.
  int32_t copyPacked(const Binding &binding, const Packing &packing,
                     int64_t index, const PackedShape &shape, char *storage);

  /// Where the codes of a quantized weight come from.
  int32_t openCodes(const Binding &binding, int64_t index,
                    std::unique_ptr<CodeSource> &codes);

  /// Copies all slices of a weight, of `sliceBytes` each, some at a time:
  /// `copy` gets the first of them and their end.
  template <typename Copy>
  void copyInRounds(const Binding &binding, const Packing &packing,
                    int64_t index, int64_t sliceBytes, const Copy &copy);

  /// The slices that a bank is bound to.
  void **slicesOf(int64_t index) {
    return static_cast<void **>(static_cast<void **>(root.data())[index]);
  }

  bool bound = false;
  Block root;
  /// Tables of banks and random values.
  std::vector<Block> blocks;
  /// Of the weights that own some, in their order.
  std::vector<PackedMemory> packed;
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

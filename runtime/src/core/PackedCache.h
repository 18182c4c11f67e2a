//===- PackedCache.h - Packed weights that are kept in a file ---*- C++ -*-===//
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A cache is a .safetensors file with
//   moe.packed_cache  I64 [4]: version of this format, digest of how this
//                     version of the project packs what the module wants,
//                     digest of the files it comes from, and of these three
//                     numbers
//   INDEX.NAME        U8 [bytes]: the memory of a weight that owns some; INDEX
//                     is its place in the module
//   moe.digests       I64 [owners]: of each of these, in their order
// A digest is XXH3 (64 bits), of large data that of the digests of its chunks.
// It finds damage and mistakes, not those who forge a file.
//
//===----------------------------------------------------------------------===//

#ifndef MOE_RT_CORE_PACKEDCACHE_H
#define MOE_RT_CORE_PACKEDCACHE_H

#include "core/Progress.h"
#include "moe_rt/safetensors.h"

#include <memory>
#include <string>
#include <vector>

namespace moe::rt {

class ThreadPool;

/// The memory of one weight in packed form, with that of those whose steps
/// alternate with its own.
struct PackedMemory {
  int64_t weight; ///< of the module
  char *data;
  uint64_t bytes;
};

/// The cache of one module's weights, as one checkpoint has them.
class PackedCache {
public:
  PackedCache(const char *path, const moe_module &module,
              const moe_checkpoint &checkpoint);

  /// Looks at the file. One that is missing, or that keeps the weights of
  /// another module or checkpoint, is no error: it is not filled. A file that
  /// is no cache, a damaged one, and a place that cannot be written when it is
  /// not filled, are refused.
  int32_t open(moe_error *error);
  /// Whether the file has the weights.
  bool isFilled() const { return file != nullptr; }

  /// Copies the packed form of a weight from the file.
  int32_t read(const PackedMemory &memory, ThreadPool &pool, Progress &progress,
               moe_error *error) const;
  /// Writes the file, completely or not at all.
  int32_t write(const std::vector<PackedMemory> &memories, ThreadPool &pool,
                const ProgressCallback &callback, moe_error *error) const;

private:
  struct Close {
    void operator()(moe_checkpoint *opened) const {
      moe_checkpoint_close(opened);
    }
  };

  std::string nameOf(int64_t weight) const;
  bool exists() const;
  /// Null if the file has no tensor like it.
  const moe_file_tensor *find(const moe_checkpoint &opened,
                              const std::string &name, int32_t dtype,
                              int64_t extent) const;
  int32_t openFile(moe_error *error);
  int32_t refuseForeign(const char *why, moe_error *error) const;
  int32_t refuseDamaged(const std::string &tensor, moe_error *error) const;

  std::string path;
  const moe_module &module;
  std::vector<int64_t> identity; ///< of moe.packed_cache
  std::vector<int64_t> owners;   ///< weights that own packed memory, in order
  std::unique_ptr<moe_checkpoint, Close> file;
};

} // namespace moe::rt

#endif // MOE_RT_CORE_PACKEDCACHE_H

//===- Memory.h - Blocks from the allocator of a context --------*- C++ -*-===//
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef MOE_RT_CORE_MEMORY_H
#define MOE_RT_CORE_MEMORY_H

#include "moe_rt/context.h"

#include <cstdint>
#include <utility>

namespace moe::rt {

/// Alignment of everything that compiled code reads or writes, in bytes.
constexpr size_t blockAlignment = 64;

/// The caller's allocation functions, or the C library's.
struct Allocator {
  void *(*allocate)(void *user, size_t bytes, size_t alignment) = nullptr;
  void (*deallocate)(void *user, void *pointer) = nullptr;
  void *user = nullptr;
};

/// One owned block of memory.
class Block {
public:
  Block() = default;
  ~Block() { release(); }
  Block(Block &&other) noexcept { swap(other); }
  Block &operator=(Block &&other) noexcept {
    Block(std::move(other)).swap(*this);
    return *this;
  }

  /// Releases what is held, then takes `bytes` (at least one) from `allocator`,
  /// aligned to blockAlignment. False when there is no such memory.
  [[nodiscard]] bool allocate(const Allocator &allocator, uint64_t bytes);
  void release();

  void *data() const { return pointer; }
  uint64_t size() const { return bytes; }

private:
  void swap(Block &other) noexcept {
    std::swap(source, other.source);
    std::swap(pointer, other.pointer);
    std::swap(bytes, other.bytes);
  }

  Allocator source;
  void *pointer = nullptr;
  uint64_t bytes = 0;
};

} // namespace moe::rt

#endif // MOE_RT_CORE_MEMORY_H

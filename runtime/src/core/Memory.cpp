//===- Memory.cpp - Blocks from the allocator of a context ----------------===//
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "core/Memory.h"
#include "core/Arithmetic.h"

#include <cstdlib>
#include <sys/mman.h>

using namespace moe::rt;

/// Blocks of this size and more are worth huge pages.
static constexpr uint64_t hugeBlock = 4u << 20;
static constexpr size_t hugePage = 2u << 20;

static void *allocateFromLibrary(uint64_t bytes) {
  size_t alignment = bytes >= hugeBlock ? hugePage : blockAlignment;
  uint64_t padded;
  if (addOverflow<uint64_t>(bytes, alignment - 1, padded))
    return nullptr;
  padded -= padded % alignment;
  void *pointer = std::aligned_alloc(alignment, padded);
  if (pointer && bytes >= hugeBlock)
    madvise(pointer, padded, MADV_HUGEPAGE); // Advice: failing is harmless.
  return pointer;
}

bool Block::allocate(const Allocator &allocator, uint64_t size) {
  release();
  if (size == 0)
    size = 1;
  if (size > PTRDIFF_MAX)
    return false;
  void *fresh = allocator.allocate
                    ? allocator.allocate(allocator.user, size, blockAlignment)
                    : allocateFromLibrary(size);
  if (!fresh)
    return false;
  source = allocator;
  pointer = fresh;
  bytes = size;
  return true;
}

void Block::release() {
  if (!pointer)
    return;
  if (source.deallocate)
    source.deallocate(source.user, pointer);
  else
    std::free(pointer);
  pointer = nullptr;
  bytes = 0;
}

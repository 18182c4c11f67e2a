//===- Pages.cpp - Memory in huge pages -----------------------------------===//
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Pages.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/MemoryBuffer.h"
#include <limits>
#include <sys/mman.h>

using namespace llvm;
using namespace moe::bench;

void Pages::Unmap::operator()(char *memory) const { munmap(memory, bytes); }

Expected<Pages> Pages::allocate(int64_t bytes) {
  void *memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED)
    return createStringError(
        inconvertibleErrorCode(),
        "no memory for " + Twine(bytes) +
            " bytes; free memory or use smaller sizes [moe-bench-allocate]");
  madvise(memory, bytes, MADV_HUGEPAGE); // advice: failing is harmless
  Pages pages;
  pages.memory = {static_cast<char *>(memory), Unmap{size_t(bytes)}};
  return pages;
}

moe_tensor Pages::asTensor(int32_t dtype, ArrayRef<int64_t> shape) const {
  moe_tensor tensor = {};
  tensor.data = data();
  tensor.dtype = dtype;
  tensor.rank = int32_t(shape.size());
  llvm::copy(shape, tensor.shape);
  return tensor;
}

/// "MemAvailable:   12345 kB" in a line of its own.
static std::optional<int64_t> findAvailable(StringRef text) {
  for (StringRef line : split(text, '\n'))
    if (line.consume_front("MemAvailable:") && line.consume_back("kB")) {
      int64_t kilobytes;
      if (!line.trim().getAsInteger(10, kilobytes))
        return kilobytes << 10;
    }
  return std::nullopt;
}

int64_t moe::bench::getAvailableMemory() {
  auto text = MemoryBuffer::getFileAsStream("/proc/meminfo");
  // Without an estimate nothing is held back: allocating will tell.
  return (text ? findAvailable((*text)->getBuffer()) : std::nullopt)
      .value_or(std::numeric_limits<int64_t>::max());
}

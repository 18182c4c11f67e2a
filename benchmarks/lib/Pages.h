//===- Pages.h - Memory in huge pages ------------------------- -*- C++ -*-===//
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef MOE_BENCHMARKS_PAGES_H
#define MOE_BENCHMARKS_PAGES_H

#include "MoE/Runtime/Abi.h"
#include "llvm/ADT/ArrayRef.h"
#include "llvm/Support/Error.h"
#include <memory>

namespace moe::bench {

/// Memory of the system's own pages, zero at first, in huge pages where the
/// system follows the advice.
class Pages {
public:
  Pages() = default;
  static llvm::Expected<Pages> allocate(int64_t bytes);

  char *data() const { return memory.get(); }
  float *f32() const { return reinterpret_cast<float *>(memory.get()); }
  int32_t *i32() const { return reinterpret_cast<int32_t *>(memory.get()); }
  /// A tensor at the beginning of this memory, which must be large enough.
  moe_tensor asTensor(int32_t dtype, llvm::ArrayRef<int64_t> shape) const;

private:
  struct Unmap {
    size_t bytes;
    void operator()(char *memory) const;
  };
  std::unique_ptr<char, Unmap> memory;
};

/// Bytes that programs can still allocate, as the system estimates.
int64_t getAvailableMemory();

} // namespace moe::bench

#endif // MOE_BENCHMARKS_PAGES_H

//===- Overlap.h - Arguments that share memory ------------------*- C++ -*-===//
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef MOE_RT_CORE_OVERLAP_H
#define MOE_RT_CORE_OVERLAP_H

#include "moe_rt/error.h"

#include <vector>

namespace moe::rt {

/// The memory of one argument: [begin, end), not empty.
struct ArgumentMemory {
  uintptr_t begin, end;
  const char *kind; ///< "input" or "output"
  const char *name;
  bool isWritten;
};

/// Refuses a call in which something that it writes (an output, or an input
/// that is updated in place) shares memory with another argument. The tensors
/// have passed ArgumentCheck. `memory` is scratch that the context keeps.
int32_t checkOverlap(const moe_function &function, const moe_tensor *in,
                     const moe_tensor *out, std::vector<ArgumentMemory> &memory,
                     moe_error *error);

} // namespace moe::rt

#endif // MOE_RT_CORE_OVERLAP_H

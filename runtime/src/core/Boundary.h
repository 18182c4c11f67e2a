//===- Boundary.h - What functions of the C ABI report with -----*- C++ -*-===//
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef MOE_RT_CORE_BOUNDARY_H
#define MOE_RT_CORE_BOUNDARY_H

#include "moe_rt/boundary.h"

namespace moe::rt {

/// A name as it appears in a message: cut when long, so that a hostile name
/// does not push the rest of the sentence out of the buffer. No allocation.
struct Shown {
  char text[168];
  explicit Shown(const char *name);
};

/// Like Shown, for paths: keeps the end, which tells files apart.
struct ShownPath {
  char text[264];
  explicit ShownPath(const char *path);
};

} // namespace moe::rt

#endif // MOE_RT_CORE_BOUNDARY_H

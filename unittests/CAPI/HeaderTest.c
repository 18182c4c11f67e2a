//===- HeaderTest.c - The header is C11 and complete
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "moe-c/Model.h"

/// The options of a caller that asks for nothing.
moe_model_options default_options(void) {
  moe_model_options options = {.size = sizeof(moe_model_options)};
  return options;
}

//===- Module.h - Checks of what a compiled module says --------*- C++ -*-===//
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef MOE_RT_CORE_MODULE_H
#define MOE_RT_CORE_MODULE_H

#include "moe_rt/error.h"

namespace moe::rt {

/// Checks the version stamp and that every index and rank in the tables of
/// `module` is in range, so that the rest of the runtime can follow them.
int32_t checkModule(const moe_module &module, moe_error *error);

/// Whether an output is passed by the caller (not tied to an input).
inline bool isPassed(const moe_argument &output) {
  return output.tied_input < 0;
}

/// Whether an extent is one symbol, which then has its value.
inline bool isLoneSymbol(const moe_dim &dim) {
  return dim.extent == 1 && dim.symbols[0] >= 0 && dim.symbols[1] < 0;
}

/// Number of outputs that the caller passes.
size_t countPassedOutputs(const moe_function &function);

} // namespace moe::rt

#endif // MOE_RT_CORE_MODULE_H

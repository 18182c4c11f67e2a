//===- Header.h - A C header for a compiled module -*- C++ -*-
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef MOE_TARGET_HEADER_H
#define MOE_TARGET_HEADER_H

#include "mlir/IR/BuiltinOps.h"
#include <string>

namespace mlir::moe {

/// Declares the table `name` of a module and, for each of its entries, the
/// positions of inputs and outputs under their names. `module` is at a level
/// whose entries are functions on tensors. `name` is a C identifier.
std::string emitHeader(ModuleOp module, llvm::StringRef name);

} // namespace mlir::moe

#endif // MOE_TARGET_HEADER_H

//===- CalleesFirst.h - Functions in the order of their calls -*- C++ -*-
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef MOE_TRANSFORMS_UTILS_CALLEESFIRST_H
#define MOE_TRANSFORMS_UTILS_CALLEESFIRST_H

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/BuiltinOps.h"

namespace mlir::moe {

struct OrderedFunction {
  func::FuncOp function;
  bool isRecursive; ///< a chain of calls leads from it back to it
};

/// The functions of `module` that have a body, callees before callers.
SmallVector<OrderedFunction> getCalleesFirst(ModuleOp module);

} // namespace mlir::moe

#endif // MOE_TRANSFORMS_UTILS_CALLEESFIRST_H

//===- Print.h - Tensors as text --------------------------------*- C++ -*-===//
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef MOE_TOOLS_MOERUN_PRINT_H
#define MOE_TOOLS_MOERUN_PRINT_H

#include "Tensors.h"
#include "llvm/Support/raw_ostream.h"

namespace moe::run {

/// The name, type and first `valuesPerRow` values of each row (last dimension).
void printTensor(llvm::raw_ostream &os, const NamedTensor &tensor,
                 int64_t valuesPerRow);

/// One line: the name, type, smallest and largest value and mean.
void printSummary(llvm::raw_ostream &os, const NamedTensor &tensor);

} // namespace moe::run

#endif // MOE_TOOLS_MOERUN_PRINT_H

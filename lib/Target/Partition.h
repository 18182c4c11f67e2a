//===- Partition.h - Modules cut for several threads -*- C++ -*-
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef MOE_LIB_TARGET_PARTITION_H
#define MOE_LIB_TARGET_PARTITION_H

#include "llvm/ADT/SmallVector.h"
#include "llvm/IR/Module.h"

namespace mlir::moe {

/// LLVM's bitcode, which each thread reads into a context of its own.
using Bitcode = llvm::SmallVector<char, 0>;

/// Cuts `module` into at most `count` modules of about equal size, each with
/// some of its functions, and the first also with its variables. What only the
/// module saw is seen by all of its parts, under a name that starts with
/// "moe.part.". A module with aliases stays whole.
llvm::SmallVector<Bitcode> partition(llvm::Module &module, unsigned count);

} // namespace mlir::moe

#endif // MOE_LIB_TARGET_PARTITION_H

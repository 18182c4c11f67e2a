//===- Sums.h - Some rows times one panel -*- C++ -*-
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef MOE_LIB_CONVERSION_MOETOVECTOR_SUMS_H
#define MOE_LIB_CONVERSION_MOETOVECTOR_SUMS_H

#include "MicroKernel.h"

namespace mlir::moe {

/// The sums over K, vectors of f32: for each bank, row and vector of the panel,
/// in this order. Each step of K asks for a part of what is to be fetched.
SmallVector<Value> emitFloatSums(LoopEmitter &emit, GroupedMatmulOp op,
                                 const KernelTask &task);
/// The same for quantized banks.
SmallVector<Value> emitQuantizedSums(LoopEmitter &emit, GroupedMatmulOp op,
                                     const KernelTask &task);

/// Asks for the lines of a step from `position` on and returns the position of
/// the next step. Both are i64 in units of 1 / 256 byte.
Value emitPrefetch(LoopEmitter &emit, Value position, const KernelTask &task);

} // namespace mlir::moe

#endif // MOE_LIB_CONVERSION_MOETOVECTOR_SUMS_H

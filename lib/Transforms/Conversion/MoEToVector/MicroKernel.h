//===- MicroKernel.h - Some rows times one panel, in registers -*- C++ -*-
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef MOE_LIB_CONVERSION_MOETOVECTOR_MICROKERNEL_H
#define MOE_LIB_CONVERSION_MOETOVECTOR_MICROKERNEL_H

#include "MoE/Transforms/Utils/LoopEmitter.h"

namespace mlir::moe {

/// Which part of a grouped matmul a kernel computes.
struct KernelTask {
  /// Panels x steps x (panel * depth) per bank, or bytes if it is quantized.
  SmallVector<Value> banks;
  SmallVector<Value> perColumn; ///< M, per operand
  Value panel;                  ///< index of the panel
  Value firstRow;               ///< of the result
  int64_t numRows;
  SmallVector<Value> sources; ///< of op.getRows(), one per row
  /// Memory that comes into the second-level cache meanwhile: an address and
  /// the bytes per step of K, both as i64 in units of 1 / 256 byte, and the
  /// lines that a step asks for.
  Value prefetch, prefetchStep;
  int64_t prefetchLines = 1;
};

/// Emits the multiplication of `task.numRows` rows with a panel of each bank:
/// the sums stay in registers over all of K, then the body of `op` is applied
/// to them and stored. `op` is on memrefs and has a schedule.
void emitMicroKernel(LoopEmitter &emit, GroupedMatmulOp op,
                     const KernelTask &task);

} // namespace mlir::moe

#endif // MOE_LIB_CONVERSION_MOETOVECTOR_MICROKERNEL_H

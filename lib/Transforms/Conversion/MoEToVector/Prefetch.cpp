//===- Prefetch.cpp - Memory that comes into the cache meanwhile
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Sums.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"

using namespace mlir;
using namespace mlir::moe;

Value moe::emitPrefetch(LoopEmitter &emit, Value position,
                        const KernelTask &task) {
  auto ask = [&](Value position) {
    Value address = arith::ShRUIOp::create(emit, position, emit.i64(8));
    Value pointer = LLVM::IntToPtrOp::create(
        emit, LLVM::LLVMPointerType::get(emit.getContext()), address);
    // A read, kept in the second-level cache, of data.
    LLVM::Prefetch::create(emit, pointer, /*rw=*/0, /*hint=*/2, /*cache=*/1);
  };
  int64_t lines = task.prefetchLines;
  ask(position);
  for (int64_t i = 1; i < lines; ++i) {
    Value ahead = arith::DivUIOp::create(
        emit, emit.mul(task.prefetchStep, emit.i64(i)), emit.i64(lines));
    ask(emit.add(position, ahead));
  }
  return emit.add(position, task.prefetchStep);
}

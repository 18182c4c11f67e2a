//===- Entry.h - Entries and tables of the ABI -*- C++ -*-
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef MOE_LIB_CONVERSION_MOETOLLVM_ENTRY_H
#define MOE_LIB_CONVERSION_MOETOLLVM_ENTRY_H

#include "MoE/Dialect/MoE/IR/MoE.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/IR/Builders.h"

namespace mlir::moe {

/// A memref over memory at `pointer` (!llvm.ptr): dense, or with the static
/// strides of its layout. `sizes` are the dynamic sizes.
Value createMemRef(OpBuilder &builder, Location loc, MemRefType type,
                   Value pointer, ValueRange sizes = {});

/// A call to a function of Abi.h, declared in `module` on first use.
Value callRuntime(OpBuilder &builder, Location loc, ModuleOp module,
                  StringRef name, Type result, ValueRange arguments);

/// What the module table is stamped with.
struct TargetStamp {
  std::string cpu, features;
};

/// Emits a C function for each entry of `module` and the module table. The
/// entries' last arguments are the workspace, if they need one, and the
/// context, if `takesContext` says so.
LogicalResult emitEntries(ModuleOp module, ArrayRef<WeightOp> weights,
                          const TargetStamp &stamp,
                          llvm::function_ref<bool(func::FuncOp)> takesContext);

/// Moves the body of `op` to a function of its own that the runtime's threads
/// call. `context` is the moe_ctx of the enclosing function.
void outlineParallel(ModuleOp module, scf::ParallelOp op, Value context);

/// True for loops that outlineParallel takes: one dimension from 0 in steps of
/// 1, without reductions.
bool canOutline(scf::ParallelOp op);

} // namespace mlir::moe

#endif // MOE_LIB_CONVERSION_MOETOLLVM_ENTRY_H

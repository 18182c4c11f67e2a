//===- MoEToVector.cpp - Grouped matmuls become vector kernels
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Groups.h"
#include "MoE/Transforms/Passes.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

namespace mlir::moe {
#define GEN_PASS_DEF_CONVERTMOETOVECTORPASS
#include "MoE/Transforms/Passes.h.inc"
} // namespace mlir::moe

using namespace mlir;
using namespace mlir::moe;

namespace {

struct ConvertMoEToVectorPass
    : public moe::impl::ConvertMoEToVectorPassBase<ConvertMoEToVectorPass> {
  using ConvertMoEToVectorPassBase::ConvertMoEToVectorPassBase;

  void runOnOperation() override {
    SmallVector<GroupedMatmulOp> ops;
    getOperation()->walk([&](GroupedMatmulOp op) { ops.push_back(op); });
    for (GroupedMatmulOp op : ops) {
      if (failed(check(op)))
        return signalPassFailure();
      LoopEmitter emit(op.getLoc(), op);
      if (op.getTargets())
        emitByTargets(emit, op);
      else if (op.getSchedule()->getOrder() == WorkOrder::Rows)
        emitByRows(emit, op, maxRanges);
      else
        emitByGroups(emit, op, emit.index(maxRanges));
      op.erase();
      ++numKernels;
    }
  }

private:
  /// Whether the dot instruction of `op` fits what it multiplies.
  static bool hasKernel(GroupedMatmulOp op) {
    BankType bank = op.getBankType();
    int64_t depth = bank.getPacked().getDepth();
    Type rows = op.getRows().getType().getElementType();
    switch (op.getSchedule()->getDot()) {
    case Dot::FMA:
      return bank.getQuantized() || depth == 1;
    case Dot::BF16Pairs:
      return !bank.getQuantized() && depth == 2 && rows.isBF16() &&
             bank.getElementType().isBF16();
    case Dot::I8Quads:
      return bank.getQuantized() && rows.isInteger(8);
    }
    llvm_unreachable("all instructions are handled");
  }

  LogicalResult check(GroupedMatmulOp op) {
    PackedAttr packed = op.getBankType().getPacked();
    if (op.getNumResults() || !op.getSchedule() || !packed)
      return op.emitOpError(
          "expected memrefs, packed banks and a schedule; run "
          "moe-pack-weights and bufferize first "
          "[moe-to-vector-form]");
    CPUScheduleAttr schedule = *op.getSchedule();
    if (packed.getPanel() % schedule.getLanes() || !hasKernel(op))
      return op.emitOpError(
                 "expected panels of whole vectors with the depth of "
                 "the dot instruction, but got ")
             << packed << " and " << schedule << " [moe-to-vector-schedule]";
    if (schedule.getOrder() == WorkOrder::Rows && !op.isDense())
      return op.emitOpError(
          "expected 'order = rows' only of one group with all "
          "rows in their order; use 'order = panels' "
          "[moe-to-vector-order]");
    return success();
  }
};

} // namespace

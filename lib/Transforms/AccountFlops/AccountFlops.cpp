//===- AccountFlops.cpp - What is computed beside what is needed
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Matmuls are most of the work. Which rows they have follows from the routing
// at run time; what one row costs is known here: what the weight has, and what
// the kernel multiplies, which also computes columns and steps that only fill
// its tiles.
//
//===----------------------------------------------------------------------===//

#include "MoE/Dialect/MoE/IR/MoE.h"
#include "MoE/Transforms/Passes.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/IR/Remarks.h"
#include "llvm/ADT/TypeSwitch.h"
#include "llvm/Support/FormatVariadic.h"

namespace mlir::moe {
#define GEN_PASS_DEF_ACCOUNTFLOPSPASS
#include "MoE/Transforms/Passes.h.inc"
} // namespace mlir::moe

using namespace mlir;
using namespace mlir::moe;

namespace {

/// Multiplications and additions for one row of an op. Sizes of types are
/// bounded (moe-bank-c4), their products are not: hence f64.
struct FlopsPerRow {
  double needed = 0, done = 0;

  double getRatio() const { return needed > 0 ? done / needed : 1; }
};

FlopsPerRow countFlops(GroupedMatmulOp op) {
  BankType bank = op.getBankType();
  ArrayRef<int64_t> shape = bank.getSliceShape();
  double columns = shape[0], depth = shape[1];
  FlopsPerRow flops;
  double perProduct = 2.0 * op.getBanks().size();
  flops.needed = perProduct * columns * depth;
  if (PackedAttr packed = bank.getPacked()) {
    columns = double(bank.getNumPanels()) * packed.getPanel();
    depth = double(bank.getNumSteps()) * packed.getDepth();
  }
  flops.done = perProduct * columns * depth;
  return flops;
}

/// Of a contraction, with all dimensions but those of unknown size as "row".
FlopsPerRow countFlops(linalg::LinalgOp op) {
  FlopsPerRow flops;
  flops.needed = 2;
  for (int64_t range : op.getStaticLoopRanges())
    if (!ShapedType::isDynamic(range))
      flops.needed *= range;
  flops.done = flops.needed;
  return flops;
}

struct AccountFlopsPass
    : public moe::impl::AccountFlopsPassBase<AccountFlopsPass> {
  using AccountFlopsPassBase::AccountFlopsPassBase;

  void runOnOperation() override {
    if (failAbove != 0 && !(failAbove >= 1)) {
      getOperation()->emitError("expected fail-above to be 0 (never) or a "
                                "ratio of at least 1, but got ")
          << failAbove.getValue() << " [moe-account-flops-option]";
      return signalPassFailure();
    }
    bool fits = true;
    getOperation()->walk([&](Operation *op) {
      if (auto matmul = dyn_cast<GroupedMatmulOp>(op))
        fits &= account(op, countFlops(matmul));
      else if (auto linalgOp = dyn_cast<linalg::LinalgOp>(op);
               linalgOp && linalg::isaContractionOpInterface(linalgOp))
        fits &= account(op, countFlops(linalgOp));
    });
    if (!fits)
      signalPassFailure();
  }

private:
  /// False, after an error, when too much is done.
  bool account(Operation *op, const FlopsPerRow &flops) {
    std::string text =
        llvm::formatv("{0}: {1:f0} FLOPs done per row, {2:f0} needed ({3:f2})",
                      op->getName().getStringRef(), flops.done, flops.needed,
                      flops.getRatio());
    remark::analysis(
        op->getLoc(),
        remark::RemarkOpts::name("AccountFlops").category("moe-account-flops"))
        << text << remark::metric("op", op->getName().getStringRef().str())
        << remark::metric("flops_done",
                          llvm::formatv("{0:f0}", flops.done).str())
        << remark::metric("flops_needed",
                          llvm::formatv("{0:f0}", flops.needed).str());
    ++numAccounted;
    if (failAbove == 0 || flops.getRatio() <= failAbove)
      return true;
    std::string limit = llvm::formatv("{0:f2}", failAbove.getValue());
    op->emitError("expected at most ")
        << limit << " times the FLOPs that are needed, but got " << text
        << "; use sizes that fill the tiles, or raise the limit "
           "[moe-densified]";
    return false;
  }
};

} // namespace

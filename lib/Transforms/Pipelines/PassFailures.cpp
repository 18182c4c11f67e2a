//===- PassFailures.cpp - Whose fault it is that a pass failed
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "MoE/Transforms/PassFailures.h"
#include "mlir/IR/Diagnostics.h"
#include "mlir/IR/Operation.h"
#include "mlir/IR/Verifier.h"
#include "mlir/Pass/Pass.h"

using namespace mlir;
using namespace mlir::moe;

static constexpr StringLiteral kVerifyLevel = "moe-verify-level";

namespace {

struct VerifyLevelPass : public PassWrapper<VerifyLevelPass, OperationPass<>> {
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(VerifyLevelPass)

  StringRef getArgument() const override { return kVerifyLevel; }
  StringRef getDescription() const override {
    return "verifies where a level of IR is reached";
  }
  void runOnOperation() override {
    if (failed(verify(getOperation())))
      return signalPassFailure();
    markAllAnalysesPreserved();
  }
};

} // namespace

std::unique_ptr<Pass> moe::createVerifyLevelPass() {
  return std::make_unique<VerifyLevelPass>();
}

void PassFailures::runAfterPassFailed(Pass *pass, Operation *op) {
  // Passes that contain others fail because of them.
  if (pass->getArgument().empty())
    return;
  bool isInvalid = pass->getArgument() == kVerifyLevel;
  if (!isInvalid && pass->getArgument().contains("moe-"))
    return; // it has said what it refused
  isDefect = true;
  if (isInvalid)
    emitError(op->getLoc(),
              "expected valid IR at each level, but got what the errors above "
              "say; this is a defect of moe-mlir, please report it with the "
              "module [moe-internal-invalid-ir]");
  else
    emitError(op->getLoc(), "expected the pass '")
        << pass->getArgument()
        << "' to lower what the passes before left, but it failed, as the "
           "errors above say; this is a defect of moe-mlir, please report it "
           "with the module [moe-internal-lowering]";
}

//===- PassFailures.h - Whose fault it is that a pass failed -*- C++ -*-
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef MOE_TRANSFORMS_PASSFAILURES_H
#define MOE_TRANSFORMS_PASSFAILURES_H

#include "mlir/Pass/PassInstrumentation.h"
#include "mlir/Pass/PassManager.h"
#include <atomic>

namespace mlir::moe {

/// Has the last word when a pass fails for a reason that users cannot know:
///   * a pass of this project made IR that its own verifier refuses;
///   * a pass of MLIR's refused what this project gave it.
/// Both are defects of this project: the passes before should have refused the
/// module with a diagnostic of their own, which this leaves alone.
class PassFailures : public PassInstrumentation {
public:
  /// Sets `isDefect` when there was one. It must outlive the pass manager.
  explicit PassFailures(std::atomic<bool> &isDefect) : isDefect(isDefect) {}

  void runAfterPassFailed(Pass *pass, Operation *op) override;

private:
  std::atomic<bool> &isDefect;
};

/// Verifies a module where a level of IR is reached: between the passes of a
/// level nobody does, since that takes as long as all passes.
std::unique_ptr<Pass> createVerifyLevelPass();

} // namespace mlir::moe

#endif // MOE_TRANSFORMS_PASSFAILURES_H

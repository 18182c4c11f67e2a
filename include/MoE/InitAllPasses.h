//===- InitAllPasses.h - All passes of the project -*- C++ -*-
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef MOE_INITALLPASSES_H
#define MOE_INITALLPASSES_H

#include "MoE/Dialect/MoE/Transforms/Passes.h"
#include "MoE/Transforms/Passes.h"
#include "MoE/Transforms/Pipelines.h"
#include "mlir/InitAllPasses.h"

namespace mlir::moe {

/// Registers the passes and pipelines of the project and those of MLIR.
inline void registerAllPasses() {
  mlir::registerAllPasses();
  registerMoEPasses();
  registerMoETransformsPasses();
  registerPipelines();
}

} // namespace mlir::moe

#endif // MOE_INITALLPASSES_H

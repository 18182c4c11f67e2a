//===- Emit.h - Modules as files that other programs link -*- C++ -*-
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef MOE_TOOLS_MOEOPT_EMIT_H
#define MOE_TOOLS_MOEOPT_EMIT_H

#include "MoE/Transforms/Report.h"
#include "mlir/IR/DialectRegistry.h"
#include "llvm/Support/Error.h"
#include <string>

namespace moe {

/// What is written.
enum class EmitKind { MLIR, LLVM, Object, SharedLibrary };

/// How a module is compiled ahead of time.
struct EmitOptions {
  EmitKind kind = EmitKind::MLIR;
  std::string output;         ///< "-": stdout, for text only
  std::string header;         ///< empty: none
  std::string name;           ///< of the module's table, a C identifier
  std::string targetCPU;      ///< empty: this one
  std::string compileOptions; ///< as those of --moe-compile
};

/// Refuses options that cannot be, before anything is computed.
llvm::Error checkEmitOptions(const EmitOptions &options);

/// Compiles `text`, a module above the LLVM dialect, and writes what `options`
/// ask for, each file completely or not at all; `report`, if there is one,
/// collects what the passes say. False if a diagnostic said what failed.
llvm::Expected<bool> emitModule(llvm::StringRef text,
                                const EmitOptions &options,
                                const mlir::DialectRegistry &registry,
                                mlir::moe::Report *report);

/// What a pass failed of that should not fail: see mlir::moe::PassFailures.
llvm::Error makeDefectError();

} // namespace moe

#endif // MOE_TOOLS_MOEOPT_EMIT_H

//===- Object.h - From the LLVM dialect to object bytes -*- C++ -*-
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The one path to machine code: a module becomes position-independent object
// bytes in memory, which a JIT loads or a file keeps.
//
//===----------------------------------------------------------------------===//

#ifndef MOE_TARGET_OBJECT_H
#define MOE_TARGET_OBJECT_H

#include "mlir/IR/BuiltinOps.h"
#include "mlir/Support/LLVM.h"
#include "llvm/Support/MemoryBuffer.h"
#include <memory>
#include <optional>
#include <string>

namespace mlir::moe {

/// A processor to compile for.
struct CPUTarget {
  std::string triple;
  std::string cpu; ///< as LLVM names it, e.g. "znver4"
  /// What code may use and what it must not: "+avx2,+fma,-avx512f".
  std::string features;
  int64_t l1Ways = 0;  ///< of the first-level data cache; 0: not known
  int64_t l2Bytes = 0; ///< of the second-level cache; 0: not known

  /// The machine this runs on.
  static CPUTarget host();
  /// The processor `cpu` of the host's architecture; an empty optional (and the
  /// reason in `error`) if LLVM does not know it.
  static std::optional<CPUTarget> get(llvm::StringRef cpu, std::string &error);
};

/// A module in the LLVM dialect as LLVM IR for `target`, in LLVM's text form
/// and not optimized. On failure an error is emitted at the module and there is
/// no text.
std::optional<std::string> emitLLVMIR(ModuleOp module, const CPUTarget &target);

/// Compiles a module in the LLVM dialect. On failure an error is emitted at the
/// module and null is returned.
std::unique_ptr<llvm::MemoryBuffer> emitObject(ModuleOp module,
                                               const CPUTarget &target);

/// Objects that are linked with one another.
using Objects = llvm::SmallVector<std::unique_ptr<llvm::MemoryBuffer>>;

/// Compiles a module in the LLVM dialect to at most `most` objects at the same
/// time, each with some of the functions; 0 is one per processor. On failure an
/// error is emitted at the module and there are none.
Objects emitObjects(ModuleOp module, const CPUTarget &target,
                    unsigned most = 0);

} // namespace mlir::moe

#endif // MOE_TARGET_OBJECT_H

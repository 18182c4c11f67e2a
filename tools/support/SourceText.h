//===- SourceText.h - Files that may hold MLIR ------------------*- C++ -*-===//
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef MOE_TOOLS_SUPPORT_SOURCETEXT_H
#define MOE_TOOLS_SUPPORT_SOURCETEXT_H

#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"
#include <string>

namespace moe {

/// Refuses what is not MLIR text, before a parser quotes its bytes: other
/// files of a model, bytecode, bytes that are no text.
llvm::Error checkSourceText(llvm::StringRef path, llvm::StringRef contents);

/// Whether these are the bytes of a module.
bool isBytecode(llvm::StringRef contents);

/// `text` with '?' for what a terminal could take for a command: control
/// characters other than tabs and ends of lines.
std::string maskControls(llvm::StringRef text);

} // namespace moe

#endif // MOE_TOOLS_SUPPORT_SOURCETEXT_H

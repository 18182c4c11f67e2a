//===- OutOfMemory.h - How a tool ends without memory -----------*- C++ -*-===//
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef MOE_TOOLS_SUPPORT_OUTOFMEMORY_H
#define MOE_TOOLS_SUPPORT_OUTOFMEMORY_H

namespace moe {

/// From now on, and once InitLLVM was constructed also where `new` fails, the
/// process ends with one sentence and `exitCode` when there is no memory. LLVM
/// would end it with a dump of its stack: it is built without exceptions and
/// cannot go on. Files that are being written are removed; what was not flushed
/// is not written. `tool` is the name before the sentence; it is not copied.
void exitWhenOutOfMemory(const char *tool, int exitCode);

} // namespace moe

#endif // MOE_TOOLS_SUPPORT_OUTOFMEMORY_H

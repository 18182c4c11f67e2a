//===- OutOfMemory.cpp - How a tool ends without memory -------------------===//
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "OutOfMemory.h"
#include "llvm/Support/ErrorHandling.h"
#include "llvm/Support/Signals.h"
#include <cstring>
#include <unistd.h>

static const char *toolName;
static int code;

static void print(const char *text) {
  // A failure to say so changes nothing.
  [[maybe_unused]] ssize_t written =
      write(STDERR_FILENO, text, std::strlen(text));
}

/// Nothing here allocates, and no destructor runs: they could.
static void endProcess(void *, const char *, bool) {
  print(toolName);
  print(": error: memory is exhausted; use a smaller model or input, raise the "
        "limit (ulimit -v) or free memory [moe-tool-memory]\n");
  llvm::sys::RunInterruptHandlers(); // removes unfinished files
  _exit(code);
}

void moe::exitWhenOutOfMemory(const char *tool, int exitCode) {
  toolName = tool;
  code = exitCode;
  llvm::install_bad_alloc_error_handler(endProcess);
}

//===- Progress.h - Says what takes long ------------------------*- C++ -*-===//
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef MOE_TOOLS_MOERUN_PROGRESS_H
#define MOE_TOOLS_MOERUN_PROGRESS_H

#include "llvm/ADT/StringRef.h"
#include <condition_variable>
#include <mutex>
#include <string>
#include <thread>

namespace moe::run {

/// Prints to stderr what is being done, once it has taken a second and then
/// when it changes, at most once a second.
class Progress {
public:
  explicit Progress(bool isQuiet);
  ~Progress();

  /// Something new begins.
  void begin(llvm::StringRef what);
  /// The same goes on.
  void update(llvm::StringRef what);
  void end() { begin(""); }

private:
  void watch();
  void printIfLong();

  std::mutex mutex;
  std::condition_variable changed;
  std::string what, printed;
  double start = 0, lastPrint = 0;
  bool isStopping = false;
  std::thread watcher;
};

} // namespace moe::run

#endif // MOE_TOOLS_MOERUN_PROGRESS_H

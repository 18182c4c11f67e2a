//===- Progress.h - Tells a caller how far long work is ---------*- C++ -*-===//
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef MOE_RT_CORE_PROGRESS_H
#define MOE_RT_CORE_PROGRESS_H

#include <cstdint>

namespace moe::rt {

/// The caller's function that is told how far long work is, or none.
struct ProgressCallback {
  void (*function)(void *user, const char *step, uint64_t done,
                   uint64_t total) = nullptr;
  void *user = nullptr;
};

/// One step of the work, such as "packing weights". On one thread.
class Progress {
public:
  Progress(const ProgressCallback &callback, const char *step, uint64_t total)
      : callback(callback), step(step), total(total) {}

  /// `bytes` more are done.
  void advance(uint64_t bytes) {
    done += bytes;
    if (callback.function)
      callback.function(callback.user, step, done, total);
  }

private:
  ProgressCallback callback;
  const char *step;
  uint64_t done = 0, total;
};

} // namespace moe::rt

#endif // MOE_RT_CORE_PROGRESS_H

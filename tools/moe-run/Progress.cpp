//===- Progress.cpp - Says what takes long --------------------------------===//
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Progress.h"
#include "Clock.h"
#include <cstdio>

using namespace moe::run;

Progress::Progress(bool isQuiet) {
  if (!isQuiet)
    watcher = std::thread([this] { watch(); });
}

Progress::~Progress() {
  {
    std::lock_guard<std::mutex> lock(mutex);
    isStopping = true;
  }
  changed.notify_all();
  if (watcher.joinable())
    watcher.join();
}

void Progress::begin(llvm::StringRef newWhat) {
  std::lock_guard<std::mutex> lock(mutex);
  what = newWhat.str();
  printed.clear();
  start = getSeconds();
}

void Progress::update(llvm::StringRef newWhat) {
  std::lock_guard<std::mutex> lock(mutex);
  what = newWhat.str();
}

void Progress::watch() {
  std::unique_lock<std::mutex> lock(mutex);
  while (!isStopping) {
    changed.wait_for(lock, std::chrono::milliseconds(200));
    printIfLong();
  }
}

/// With the lock held.
void Progress::printIfLong() {
  double now = getSeconds();
  if (what == printed || now - start < 1 || now - lastPrint < 1)
    return;
  // Not errs(): its owner may be writing to it.
  std::fprintf(stderr, "moe-run: %s\n", what.c_str());
  printed = what;
  lastPrint = now;
}

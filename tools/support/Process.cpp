//===- Process.cpp - How a tool begins and ends ---------------------------===//
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "support/Process.h"
#include "moe_rt/file.h"
#include "llvm/Support/PrettyStackTrace.h"
#include "llvm/Support/Signals.h"
#include <csignal>
#include <cstdlib>

using namespace moe;

/// Ends the process by the signal, for whoever waits for it. The signal is
/// blocked until this returns.
static void endBySignal(int signal) {
  moe_file_remove_unfinished();
  std::signal(signal, SIG_DFL);
  std::raise(signal);
}

/// A signal that is ignored, as nohup does, stays so.
Process::Interrupts::Interrupts() {
  for (int signal : {SIGHUP, SIGINT, SIGTERM}) {
    struct sigaction action = {};
    if (sigaction(signal, nullptr, &action) != 0 ||
        action.sa_handler != SIG_DFL)
      continue;
    action.sa_handler = endBySignal;
    sigaction(signal, &action, nullptr);
  }
}

Process::Process(int &argc, char **&argv) : init(argc, argv) {
  llvm::setBugReportMsg("PLEASE report this defect of moe-mlir, with the input "
                        "and the command line.\n");
  std::signal(SIGXFSZ, SIG_IGN);
  std::atexit(moe_file_remove_unfinished);
  llvm::sys::AddSignalHandler([](void *) { moe_file_remove_unfinished(); },
                              nullptr);
}

//===- Options.h - The command line of moe-run ------------------*- C++ -*-===//
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef MOE_TOOLS_MOERUN_OPTIONS_H
#define MOE_TOOLS_MOERUN_OPTIONS_H

#include "Bindings.h"
#include "Compare.h"
#include "Sampling.h"
#include "session/Session.h"
#include <optional>

namespace moe::run {

/// A checked command line.
struct Options {
  std::string path;  ///< MLIR file, "-" for stdin, or model directory
  std::string entry; ///< empty: the only one
  SessionOptions session;

  std::vector<InputBinding> inputs;
  std::vector<SymbolBinding> sizes;
  std::optional<uint64_t> randomInputs;
  std::optional<int64_t> context;

  std::string outputFile;
  std::optional<int64_t> print; ///< values per row
  std::vector<TensorBinding> expectations;
  Tolerance tolerance;

  std::vector<std::string> prompts;
  std::vector<std::vector<int64_t>> promptIds;
  std::optional<int64_t> maxNewTokens;
  Sampling sampling;
  bool ignoreEos = false;
  bool printIds = false;
  bool useCache = true;
  bool warmUp = false;

  std::optional<FileTensor> evaluate, agreement;
  int64_t batch = 8;

  bool wantsStats = false;
  std::string statsFile; ///< empty: stdout
  bool isQuiet = false;
};

/// Parses and checks the command line. Nothing when --help or --version was
/// asked for and answered.
llvm::Expected<std::optional<Options>> parseOptions(int argc,
                                                    const char *const *argv);

} // namespace moe::run

#endif // MOE_TOOLS_MOERUN_OPTIONS_H

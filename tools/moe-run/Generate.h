//===- Generate.h - Continues prompts token by token ------------*- C++ -*-===//
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef MOE_TOOLS_MOERUN_GENERATE_H
#define MOE_TOOLS_MOERUN_GENERATE_H

#include "LanguageModel.h"
#include "Sampling.h"

namespace moe::run {

/// What to generate.
struct GenerationRequest {
  /// One row of ids per sequence, all of the same length, at least one id.
  std::vector<std::vector<int64_t>> prompts;
  int64_t maxNewTokens = 0;
  Sampling sampling;
  /// Ids that end a sequence; empty: every sequence gets maxNewTokens.
  std::vector<int64_t> endOfText;
  /// Without, every step runs all positions again.
  bool useCache = true;
  /// Run the prompt once more before it counts.
  bool warmUp = false;
  /// Positions that the state has room for; 0: as many as are needed.
  int64_t context = 0;
  /// Keep what the call with the whole prompt returned.
  bool keepPromptOutputs = false;
};

/// How long calls took and how many tokens they ran.
struct CallTimes {
  double prefillSeconds = 0, decodeSeconds = 0;
  int64_t prefillTokens = 0, decodeTokens = 0;
};

/// What was generated.
struct Generation {
  /// i64 [batch, steps]. A sequence that ended early repeats the id that ended
  /// it.
  Tensor ids;
  /// Tokens of each sequence, with the one that ended it.
  std::vector<int64_t> lengths;
  std::vector<Tensor> promptOutputs;
  CallTimes times;
};

/// Runs the prompts as one call, then one token per sequence and step, until
/// every sequence has ended. `onStep` gets the new ids of each step, -1 for a
/// sequence that had ended before.
llvm::Expected<Generation>
generate(LanguageModel &model, const GenerationRequest &request,
         llvm::function_ref<void(llvm::ArrayRef<int64_t>)> onStep = nullptr);

/// Refuses prompts that `generate` cannot run: none, empty ones, ones of
/// different lengths, ids outside [0, vocabulary), more positions than
/// `maxPositions` (0: not known, not checked) or than the context has room for.
llvm::Error checkRequest(const GenerationRequest &request, int64_t vocabulary,
                         int64_t maxPositions);

} // namespace moe::run

#endif // MOE_TOOLS_MOERUN_GENERATE_H

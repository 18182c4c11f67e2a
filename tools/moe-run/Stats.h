//===- Stats.h - What a run cost --------------------------------*- C++ -*-===//
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef MOE_TOOLS_MOERUN_STATS_H
#define MOE_TOOLS_MOERUN_STATS_H

#include "Generate.h"
#include "session/Session.h"
#include <functional>
#include <map>

namespace moe::run {

/// Tokens that each expert of a layer got, over all calls.
class ExpertCounts {
public:
  /// Adds the outputs expert_counts.LAYER of a call of `numTokens` tokens.
  void add(llvm::ArrayRef<NamedTensor> outputs, int64_t numTokens);

  struct Layer {
    std::vector<int64_t> tokens; ///< per expert
    int64_t numTokens = 0;       ///< that went through the layer
  };
  /// By the LAYER of the name.
  const std::map<int64_t, Layer> &getLayers() const { return layers; }

private:
  std::map<int64_t, Layer> layers;
};

/// What --stats reports.
struct Stats {
  SessionTimes session;
  CallTimes calls;
  uint64_t workspaceBytes = 0;
  int64_t threads = 0;
  ExpertCounts experts;
  /// Experts per token of a layer; 0 when it is not known.
  std::function<int64_t(int64_t layer)> getTopK;
};

/// The statistics as a JSON text that ends in a newline.
std::string toJson(const Stats &stats);

} // namespace moe::run

#endif // MOE_TOOLS_MOERUN_STATS_H

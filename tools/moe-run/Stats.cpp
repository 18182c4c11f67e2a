//===- Stats.cpp - What a run cost ----------------------------------------===//
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Stats.h"
#include <nlohmann/json.hpp>
#include <numeric>
#include <sys/resource.h>

using namespace llvm;
using namespace moe;
using namespace moe::run;
using Json = nlohmann::ordered_json;

//===----------------------------------------------------------------------===//
// Counts
//===----------------------------------------------------------------------===//

void ExpertCounts::add(ArrayRef<NamedTensor> outputs, int64_t numTokens) {
  for (const NamedTensor &output : outputs) {
    StringRef name = output.name;
    int64_t number;
    if (!name.consume_front("expert_counts.") ||
        name.getAsInteger(10, number) || !isInteger(output.tensor->dtype))
      continue;
    Layer &layer = layers[number];
    int64_t numExperts = countElements(*output.tensor);
    layer.tokens.resize(numExperts);
    for (int64_t i = 0; i < numExperts; ++i)
      layer.tokens[i] += readInteger(*output.tensor, i);
    layer.numTokens += numTokens;
  }
}

//===----------------------------------------------------------------------===//
// JSON
//===----------------------------------------------------------------------===//

static Json toJson(int64_t number, const ExpertCounts::Layer &layer,
                   int64_t topK) {
  int64_t kept =
      std::accumulate(layer.tokens.begin(), layer.tokens.end(), int64_t(0));
  Json json = {{"layer", number}, {"tokens_per_expert", layer.tokens}};
  if (topK == 0)
    return json;
  int64_t slots = layer.numTokens * topK;
  json["slots"] = slots;
  json["dropped"] = slots - kept;
  return json;
}

static Json toJson(double seconds, int64_t tokens) {
  Json json = {{"seconds", seconds}, {"tokens", tokens}};
  json["tokens_per_second"] = seconds > 0 ? double(tokens) / seconds : 0.0;
  return json;
}

/// Largest resident memory of this process so far, in bytes.
static int64_t getPeakResidentBytes() {
  rusage usage = {};
  getrusage(RUSAGE_SELF, &usage);
  return int64_t(usage.ru_maxrss) * 1024;
}

std::string moe::run::toJson(const Stats &stats) {
  Json json;
  json["import_seconds"] = stats.session.import;
  json["compile_seconds"] = stats.session.compile;
  json["load_seconds"] = stats.session.load;
  json["prefill"] =
      ::toJson(stats.calls.prefillSeconds, stats.calls.prefillTokens);
  json["decode"] =
      ::toJson(stats.calls.decodeSeconds, stats.calls.decodeTokens);
  json["peak_resident_bytes"] = getPeakResidentBytes();
  json["workspace_bytes"] = stats.workspaceBytes;
  json["threads"] = stats.threads;
  Json layers = Json::array();
  for (const auto &[number, layer] : stats.experts.getLayers())
    layers.push_back(
        ::toJson(number, layer, stats.getTopK ? stats.getTopK(number) : 0));
  if (!layers.empty())
    json["experts"] = std::move(layers);
  return json.dump(/*indent=*/2) + "\n";
}

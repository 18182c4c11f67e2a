//===- fuzz_config.cpp - Arbitrary bytes as a config.json -----------------===//
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Bytes -> configuration -> weight map -> counts. Whatever is accepted must
// give a consistent model; whatever is refused must say so with a tag.
//
//===----------------------------------------------------------------------===//

#include "MoE/Import/Report.h"

#include <cstdio>
#include <cstdlib>
#include <set>

using namespace mlir::moe::hf;

/// Reports a broken promise to the fuzzer.
static void require(bool holds, const char *what) {
  if (holds)
    return;
  std::fprintf(stderr, "promise broken: %s\n", what);
  std::abort();
}

static void checkMessage(const std::string &message) {
  size_t tag = message.rfind("[moe-");
  require(tag != std::string::npos && message.back() == ']',
          "a message ends in a tag");
  for (char c : message)
    require(c >= 0x20 && c < 0x7f, "a message is printable");
}

static void checkConfig(const ModelConfig &config) {
  require(!config.layers.empty(), "there are layers");
  require(config.numHeads % config.numKvHeads == 0, "heads form groups");
  require(config.headDim > 0 && config.headDim % 2 == 0, "head size is even");
  for (const LayerConfig &layer : config.layers) {
    require(layer.isMoE() != (layer.denseWidth != 0),
            "a layer is either dense or has experts");
    require(layer.topK <= layer.numExperts, "k is at most E");
  }
}

/// The checkpoint that `map` asks for is accepted. Only for few tensors.
static void checkRoundTrip(const ModelConfig &config, const WeightMap &map) {
  constexpr size_t maxTensors = 2000;
  TensorListing listing;
  for (const Weight &weight : map.weights)
    for (const WeightSource &source : weight.sources)
      for (int64_t e = 0; e != (source.perExpert ? weight.numExperts() : 1);
           ++e) {
        listing[expertTensorName(source, e)] = {"BF16", source.fileShape};
        if (listing.size() > maxTensors)
          return;
      }
  ImportResult<WeightMap> matched = buildWeightMap(config, listing);
  require(static_cast<bool>(matched), "a complete checkpoint is accepted");
  listing.erase(listing.begin());
  ImportResult<WeightMap> incomplete = buildWeightMap(config, listing);
  require(!incomplete, "an incomplete checkpoint is refused");
  checkMessage(incomplete.message());
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  std::string_view text(reinterpret_cast<const char *>(data), size);
  ImportResult<ModelConfig> config = parseModelConfig(text, "config.json");
  if (!config) {
    checkMessage(config.message());
    return 0;
  }
  checkConfig(*config);
  ImportResult<WeightMap> map = buildWeightMap(*config);
  if (!map) {
    checkMessage(map.message());
    return 0;
  }
  ImportResult<ParameterReport> report = countParameters(*config, *map);
  if (!report) {
    checkMessage(report.message());
    return 0;
  }
  require(report->active <= report->total, "active is part of total");
  require(!toJson(*report).empty() && !toText(*report).empty(),
          "a report can be printed");
  checkRoundTrip(*config, *map);
  return 0;
}

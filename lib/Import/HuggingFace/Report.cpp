//===- Report.cpp - Exact parameter counts --------------------------------===//
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "MoE/Import/Report.h"

#include "CheckedMath.h"
#include "Text.h"
#include "WeightSpecs.h"

#include <nlohmann/json.hpp>

#include <cstdio>

using namespace mlir::moe::hf;

namespace {

/// Indexed by Component.
constexpr const char *ComponentNames[] = {
    "embedding", "lm_head", "norms",         "attention",
    "router",    "experts", "shared_expert", "dense_ffn",
};

/// Sums that remember whether one overflowed.
class Counter {
public:
  void add(int64_t &sum, int64_t count, int64_t factor = 1) {
    std::optional<int64_t> product = checkedMul(count, factor);
    std::optional<int64_t> total =
        product ? checkedAdd(sum, *product) : std::nullopt;
    overflowed |= !total;
    sum = total.value_or(0);
  }

  bool overflowed = false;
};

/// The parameters of a weight that one token reads.
int64_t activeElements(const ModelConfig &config, const Weight &weight) {
  int64_t all = numElements(weight);
  if (weight.kind == WeightKind::Plain)
    return all;
  return all / weight.numExperts() * config.layers[*weight.layer].topK;
}

void addTo(Counter &counter, ComponentCount &count, const ModelConfig &config,
           const Weight &weight) {
  counter.add(count.total, numElements(weight));
  counter.add(count.active, activeElements(config, weight));
  std::optional<int64_t> bytes = numBytes(weight);
  counter.overflowed |= !bytes;
  counter.add(count.bytes, bytes.value_or(0));
}

} // namespace

ImportResult<ParameterReport>
mlir::moe::hf::countParameters(const ModelConfig &config,
                               const WeightMap &weights) {
  ParameterReport report;
  report.modelType = config.modelType;
  report.layers = static_cast<int64_t>(config.layers.size());
  for (const LayerConfig &layer : config.layers)
    report.moeLayers += layer.isMoE();
  for (const char *name : ComponentNames)
    report.components.push_back({name});

  Counter counter;
  for (const Weight &weight : weights.weights) {
    auto index = static_cast<size_t>(weightSpec(weight.role).component);
    addTo(counter, report.components[index], config, weight);
  }
  for (const ComponentCount &count : report.components) {
    counter.add(report.total, count.total);
    counter.add(report.active, count.active);
    counter.add(report.bytes, count.bytes);
  }
  report.activeWithoutInputEmbedding = report.active;
  if (!config.tieWordEmbeddings)
    report.activeWithoutInputEmbedding -=
        report.components[static_cast<size_t>(Component::Embedding)].total;
  if (counter.overflowed)
    return ImportError{cat("model type ", inQuotes(config.modelType),
                           " would have more than 2^63 bytes of weights, "
                           "expected fewer; correct the sizes in the "
                           "configuration [moe-report-too-large]")};
  return report;
}

std::string mlir::moe::hf::toJson(const ParameterReport &report) {
  nlohmann::ordered_json components;
  for (const ComponentCount &count : report.components)
    components[count.name] = {{"total", count.total},
                              {"active", count.active},
                              {"bytes", count.bytes}};
  nlohmann::ordered_json root = {
      {"model_type", report.modelType},
      {"layers", report.layers},
      {"moe_layers", report.moeLayers},
      {"parameters",
       {{"total", report.total},
        {"active", report.active},
        {"active_without_input_embedding",
         report.activeWithoutInputEmbedding}}},
      {"bytes", report.bytes},
      {"components", components},
  };
  return root.dump(/*indent=*/2, ' ', /*ensure_ascii=*/true,
                   nlohmann::ordered_json::error_handler_t::replace);
}

/// One line of the table: numbers right-aligned.
static std::string row(const char *name, const char *total, const char *active,
                       const char *bytes) {
  char line[160];
  std::snprintf(line, sizeof(line), "%-32s %20s %20s %20s\n", name, total,
                active, bytes);
  return line;
}

static std::string row(const char *name, int64_t total, int64_t active,
                       int64_t bytes) {
  return row(name, std::to_string(total).c_str(),
             std::to_string(active).c_str(), std::to_string(bytes).c_str());
}

std::string mlir::moe::hf::toText(const ParameterReport &report) {
  std::string text =
      cat(report.modelType, ": ", report.layers, " layers, ", report.moeLayers,
          " of them with experts\n", row("", "total", "active", "bytes"));
  for (const ComponentCount &count : report.components)
    if (count.total != 0)
      text += row(count.name.c_str(), count.total, count.active, count.bytes);
  text += row("parameters", report.total, report.active, report.bytes);
  text += row("active without input embedding", "",
              std::to_string(report.activeWithoutInputEmbedding).c_str(), "");
  return text;
}

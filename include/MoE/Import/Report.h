//===- Report.h - Exact parameter counts ------------------------*- C++ -*-===//
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef MOE_IMPORT_REPORT_H
#define MOE_IMPORT_REPORT_H

#include "MoE/Import/WeightMap.h"

namespace mlir::moe::hf {

/// Counts of one part of the model.
struct ComponentCount {
  std::string name; ///< "embedding", "attention", "experts", ...
  int64_t total = 0;
  int64_t active = 0; ///< as total, with top-k instead of all experts
  int64_t bytes = 0;
};

/// How large a model is, counted exactly.
struct ParameterReport {
  std::string modelType;
  int64_t layers = 0;
  int64_t moeLayers = 0;
  int64_t total = 0;
  /// Parameters that one token reads: k of the E experts, and everything else.
  int64_t active = 0;
  /// `active` without the input embedding, of which a token reads one row. The
  /// embedding counts when it is the output matrix too.
  int64_t activeWithoutInputEmbedding = 0;
  int64_t bytes = 0; ///< of all parameters as stored
  std::vector<ComponentCount> components;
};

/// Counts the weights of a model. Fails when a count exceeds 63 bits.
ImportResult<ParameterReport> countParameters(const ModelConfig &config,
                                              const WeightMap &weights);

/// {"model_type", "layers", "moe_layers", "parameters": {"total", "active",
/// "active_without_input_embedding"}, "bytes", "components": {NAME: {"total",
/// "active", "bytes"}}}
std::string toJson(const ParameterReport &report);

/// The same as a table for people.
std::string toText(const ParameterReport &report);

} // namespace mlir::moe::hf

#endif // MOE_IMPORT_REPORT_H

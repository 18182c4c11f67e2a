//===- ImportOptions.h - What an imported module returns --------*- C++ -*-===//
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef MOE_IMPORT_IMPORTOPTIONS_H
#define MOE_IMPORT_IMPORTOPTIONS_H

#include "MoE/Import/ImportResult.h"

#include <vector>

namespace mlir::moe::hf {

/// What an imported module returns besides the caches.
struct ImportOptions {
  /// `last_logits` [batch, vocabulary], those of the last position, instead of
  /// `logits` [batch, seq, vocabulary]: all that continuing a text needs.
  bool lastLogits = false;
  /// `router_logits.L` [batch * seq, E]: the linear output of the gate in each
  /// Mixture-of-Experts layer L.
  bool routerLogits = false;
  /// `expert_counts.L` [E]: rows that each expert of layer L computed.
  bool expertCounts = false;
};

/// Options from the names that users give: "router_logits", "expert_counts",
/// and either "logits", which is there if none of the two is given, or
/// "last_logits".
ImportResult<ImportOptions> parseOutputs(const std::vector<std::string> &names);

} // namespace mlir::moe::hf

#endif // MOE_IMPORT_IMPORTOPTIONS_H

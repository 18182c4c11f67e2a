//===- ImportOptions.cpp - What an imported module returns ----------------===//
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "MoE/Import/ImportOptions.h"

#include "Text.h"

using namespace mlir::moe::hf;

ImportResult<ImportOptions>
mlir::moe::hf::parseOutputs(const std::vector<std::string> &names) {
  ImportOptions options;
  for (const std::string &name : names) {
    if (name == "router_logits")
      options.routerLogits = true;
    else if (name == "expert_counts")
      options.expertCounts = true;
    else if (name != "logits")
      return ImportError{cat("expected outputs among logits, router_logits and "
                             "expert_counts, but got ",
                             inQuotes(name),
                             "; name one of them [moe-import-output]"),
                         MOE_INVALID_ARGUMENT};
  }
  return options;
}

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
  bool logits = false;
  for (const std::string &name : names) {
    if (name == "router_logits")
      options.routerLogits = true;
    else if (name == "expert_counts")
      options.expertCounts = true;
    else if (name == "last_logits")
      options.lastLogits = true;
    else if (name == "logits")
      logits = true;
    else
      return ImportError{cat("expected outputs among logits, last_logits, "
                             "router_logits and expert_counts, but got ",
                             inQuotes(name),
                             "; name one of them [moe-import-output]"),
                         MOE_INVALID_ARGUMENT};
  }
  if (logits && options.lastLogits)
    return ImportError{"expected one of the outputs logits and last_logits, "
                       "which are among them, but got both; leave out one "
                       "[moe-import-output]",
                       MOE_INVALID_ARGUMENT};
  return options;
}

//===- Report.h - What passes decided and counted -*- C++ -*-
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef MOE_TRANSFORMS_REPORT_H
#define MOE_TRANSFORMS_REPORT_H

#include "mlir/IR/MLIRContext.h"
#include <map>
#include <mutex>
#include <string>
#include <vector>

namespace mlir::moe {

/// Collects the remarks of this project's passes as rows of a JSON document:
///
///   {"remarks": [{"category": "moe-account-flops", "kind": "analysis",
///                 "location": "layer.mlir:12:8", "text": "...",
///                 "metrics": {"flops_done": 131072, ...}}, ...]}
///
/// Rows are ordered by category, location and text, whatever the order in which
/// threads ran the passes. `location` is where the graph says that the op comes
/// from, and empty if it does not say.
class Report {
public:
  /// Collects what passes say in `context` from now on, and nobody else gets
  /// it. The context may not outlive the report.
  void collectFrom(MLIRContext &context);

  /// The document, with a line break at its end.
  std::string toJson() const;

private:
  struct Row {
    std::string category, kind, text;
    std::string file; ///< empty if the op comes from none
    unsigned line = 0, column = 0;
    std::map<std::string, std::string> metrics; ///< JSON values

    std::string getLocation() const;
    bool operator<(const Row &other) const;
  };
  class Collector;

  std::mutex mutex; ///< of rows: function passes run on several threads
  std::vector<Row> rows;
};

} // namespace mlir::moe

#endif // MOE_TRANSFORMS_REPORT_H

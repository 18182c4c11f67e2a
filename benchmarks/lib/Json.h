//===- Json.h - Measurements as JSON -------------------------- -*- C++ -*-===//
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef MOE_BENCHMARKS_JSON_H
#define MOE_BENCHMARKS_JSON_H

#include "Statistics.h"
#include <nlohmann/json.hpp>

namespace moe::bench {

using Json = nlohmann::ordered_json;

/// Adds `median_ms`, `quartiles_ms`, `spread` and `rounds` of times in
/// milliseconds.
inline void addTimes(Json &json, const Summary &times) {
  json["median_ms"] = times.median;
  json["quartiles_ms"] = {times.lowerQuartile, times.upperQuartile};
  json["spread"] = times.getSpread();
  json["rounds"] = times.count;
}

} // namespace moe::bench

#endif // MOE_BENCHMARKS_JSON_H

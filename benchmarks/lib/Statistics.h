//===- Statistics.h - Medians and their spread ---------------- -*- C++ -*-===//
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef MOE_BENCHMARKS_STATISTICS_H
#define MOE_BENCHMARKS_STATISTICS_H

#include <cstddef>
#include <vector>

namespace moe::bench {

/// The value that a share `q` (0 to 1) of `samples` is not above, between two
/// samples linearly interpolated. There is at least one sample.
double getQuantile(std::vector<double> samples, double q);

/// What is said of repeated measurements. Not the mean: on a shared machine one
/// slow round would decide it.
struct Summary {
  double median = 0, lowerQuartile = 0, upperQuartile = 0;
  size_t count = 0;

  Summary() = default;
  explicit Summary(const std::vector<double> &samples);
  /// The range between the quartiles, relative to the median.
  double getSpread() const;
};

/// numerators[i] / denominators[i]: what was measured in the same round, so
/// that a drift of the machine cancels.
std::vector<double> getRatios(const std::vector<double> &numerators,
                              const std::vector<double> &denominators);

} // namespace moe::bench

#endif // MOE_BENCHMARKS_STATISTICS_H

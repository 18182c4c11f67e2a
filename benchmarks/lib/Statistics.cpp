//===- Statistics.cpp - Medians and their spread --------------------------===//
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Statistics.h"
#include <algorithm>
#include <cassert>

using namespace moe::bench;

double moe::bench::getQuantile(std::vector<double> samples, double q) {
  assert(!samples.empty() && q >= 0 && q <= 1);
  std::sort(samples.begin(), samples.end());
  double position = q * static_cast<double>(samples.size() - 1);
  size_t below = static_cast<size_t>(position);
  size_t above = std::min(below + 1, samples.size() - 1);
  double share = position - static_cast<double>(below);
  return samples[below] + share * (samples[above] - samples[below]);
}

Summary::Summary(const std::vector<double> &samples)
    : median(getQuantile(samples, 0.5)),
      lowerQuartile(getQuantile(samples, 0.25)),
      upperQuartile(getQuantile(samples, 0.75)), count(samples.size()) {}

double Summary::getSpread() const {
  return median > 0 ? (upperQuartile - lowerQuartile) / median : 0;
}

std::vector<double>
moe::bench::getRatios(const std::vector<double> &numerators,
                      const std::vector<double> &denominators) {
  assert(numerators.size() == denominators.size());
  std::vector<double> ratios;
  for (size_t i = 0; i < numerators.size(); ++i)
    ratios.push_back(numerators[i] / denominators[i]);
  return ratios;
}

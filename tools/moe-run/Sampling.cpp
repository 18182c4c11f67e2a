//===- Sampling.cpp - Chooses the next token ------------------------------===//
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Sampling.h"
#include "Philox.h"
#include "support/ExitCode.h"
#include "llvm/ADT/Twine.h"
#include <algorithm>
#include <cmath>
#include <vector>

using namespace llvm;
using namespace moe;
using namespace moe::run;

Expected<int64_t> moe::run::findLargest(ArrayRef<float> logits) {
  size_t best = 0;
  for (size_t i = 0; i < logits.size(); ++i) {
    if (std::isnan(logits[i]))
      return makeError(MOE_INVALID_DATA,
                       "the logit of token " + Twine(i) +
                           " is NaN, expected a number; check the weights "
                           "[moe-run-logits-nan]");
    if (logits[i] > logits[best])
      best = i;
  }
  return int64_t(best);
}

static double draw(const Sampling &sampling, int64_t sequence, int64_t step) {
  uint64_t number = uint64_t(step);
  return Philox::toUniform(Philox(sampling.seed)(
      {uint32_t(sequence), uint32_t(number), uint32_t(number >> 32), 0}));
}

/// Sums of exp((logit - largest) / temperature) up to each token.
static std::vector<double>
accumulateWeights(ArrayRef<float> logits, double largest, double temperature) {
  std::vector<double> sums;
  sums.reserve(logits.size());
  double sum = 0;
  for (float logit : logits) {
    sum += std::exp((logit - largest) / temperature);
    sums.push_back(sum);
  }
  return sums;
}

Expected<int64_t> moe::run::pickToken(ArrayRef<float> logits,
                                      const Sampling &sampling,
                                      int64_t sequence, int64_t step) {
  Expected<int64_t> largest = findLargest(logits);
  if (!largest || sampling.temperature == 0)
    return largest;
  if (!std::isfinite(logits[*largest]))
    return makeError(
        MOE_INVALID_DATA,
        "the largest logit is infinite, expected a number to sample "
        "from; check the weights [moe-run-logits-infinite]");
  std::vector<double> sums =
      accumulateWeights(logits, logits[*largest], sampling.temperature);
  double target = draw(sampling, sequence, step) * sums.back();
  // A draw below 1 can still round to the total; the last token with a
  // probability is the answer then.
  auto found = std::upper_bound(sums.begin(), sums.end(), target);
  if (found == sums.end())
    found = std::lower_bound(sums.begin(), sums.end(), sums.back());
  return found - sums.begin();
}

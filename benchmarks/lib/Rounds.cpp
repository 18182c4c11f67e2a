//===- Rounds.cpp - Measurements that take turns --------------------------===//
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Rounds.h"

using namespace moe::bench;

llvm::Expected<std::vector<std::vector<double>>>
moe::bench::runRounds(int64_t rounds, llvm::ArrayRef<Step> steps) {
  std::vector<std::vector<double>> samples(steps.size());
  for (int64_t round = 0; round < rounds; ++round)
    for (size_t i = 0; i < steps.size(); ++i) {
      llvm::Expected<double> sample = steps[i]();
      if (!sample)
        return sample.takeError();
      samples[i].push_back(*sample);
    }
  return samples;
}

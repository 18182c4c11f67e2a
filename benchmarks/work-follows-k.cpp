//===- work-follows-k.cpp - The work of a layer follows k, not E
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Times one layer at several numbers of experts with everything else equal, in
// interleaved rounds, and prints medians, spread, the bytes of weights touched
// and the ratio to the fewest experts. Each round calls every size once, so a
// drift of the machine touches all sizes alike.
//
//===----------------------------------------------------------------------===//

#include "Layer.h"
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <set>

using namespace moe;
using namespace moe::test;

namespace {

constexpr int64_t kTokens = 2048, kTopK = 2, kHidden = 256, kWidth = 256;
constexpr int kRounds = 21;

/// A compiled layer with its data and what was measured.
struct Contender {
  LayerSpec spec;
  std::unique_ptr<CompiledLayer> layer;
  std::unique_ptr<LayerInputs> inputs;
  std::unique_ptr<LayerOutputs> outputs;
  std::vector<double> milliseconds;

  double quantile(double q) const {
    std::vector<double> sorted = milliseconds;
    std::sort(sorted.begin(), sorted.end());
    return sorted[static_cast<size_t>(q * (sorted.size() - 1))];
  }

  /// Bytes of the weights of all experts that got a token.
  int64_t bytesTouched() const {
    int64_t experts = 0;
    for (int64_t e = 0; e < spec.experts; ++e)
      experts += outputs->counts.i32()[e] > 0;
    return experts * 3 * kHidden * kWidth * 4;
  }
};

bool prepare(Contender &contender, int64_t experts) {
  std::mt19937_64 random(experts);
  LayerSpec &spec = contender.spec;
  spec.experts = experts;
  spec.topK = kTopK;
  spec.hidden = kHidden;
  spec.width = kWidth;
  spec.router.scale = 1;
  spec.router.normalize = {MOE_NORMALIZE_LP, MOE_EPS_NONE, 1, 0};
  ExpertWeights weights(spec, random);
  std::string error;
  contender.layer = CompiledLayer::compile(spec, weights, {}, error);
  if (!contender.layer) {
    std::fprintf(stderr, "work-follows-k: %s\n", error.c_str());
    return false;
  }
  contender.inputs = std::make_unique<LayerInputs>(spec, kTokens);
  contender.outputs = std::make_unique<LayerOutputs>(spec, kTokens);
  std::normal_distribution<float> normal;
  for (Tensor *tensor : {&contender.inputs->x, &contender.inputs->logits})
    for (int64_t i = 0, n = tensor->size(); i < n; ++i)
      tensor->f32()[i] = normal(random);
  return true;
}

bool measure(Contender &contender) {
  auto start = std::chrono::steady_clock::now();
  std::string error =
      contender.layer->run(*contender.inputs, *contender.outputs);
  std::chrono::duration<double, std::milli> elapsed =
      std::chrono::steady_clock::now() - start;
  contender.milliseconds.push_back(elapsed.count());
  if (!error.empty())
    std::fprintf(stderr, "work-follows-k: %s\n", error.c_str());
  return error.empty();
}

} // namespace

int main() {
  const int64_t sizes[] = {8, 16, 32, 64, 128};
  std::vector<Contender> contenders(std::size(sizes));
  for (size_t i = 0; i < contenders.size(); ++i)
    if (!prepare(contenders[i], sizes[i]) || !measure(contenders[i]))
      return 1;
  for (Contender &contender : contenders)
    contender.milliseconds.clear(); // that was the warm-up
  for (int round = 0; round < kRounds; ++round)
    for (Contender &contender : contenders)
      if (!measure(contender))
        return 1;

  std::printf("T = %lld, k = %lld, H = %lld, F = %lld, f32; %d interleaved "
              "rounds\n",
              static_cast<long long>(kTokens), static_cast<long long>(kTopK),
              static_cast<long long>(kHidden), static_cast<long long>(kWidth),
              kRounds);
  std::printf("%6s %12s %20s %14s %10s\n", "E", "median ms", "quartiles ms",
              "MB of weights", "to E = 8");
  double base = contenders.front().quantile(0.5);
  for (const Contender &contender : contenders)
    std::printf("%6lld %12.2f %9.2f - %8.2f %14.1f %10.2f\n",
                static_cast<long long>(contender.spec.experts),
                contender.quantile(0.5), contender.quantile(0.25),
                contender.quantile(0.75), contender.bytesTouched() / 1e6,
                contender.quantile(0.5) / base);
  return 0;
}

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
#include "Rounds.h"
#include "Statistics.h"
#include <cstdio>

using namespace moe;
using namespace moe::bench;
using namespace moe::test;

namespace {

constexpr int64_t kTokens = 2048, kTopK = 2, kHidden = 256, kWidth = 256;
constexpr int kRounds = 21;

/// A compiled layer with its data.
struct Contender {
  LayerSpec spec;
  std::unique_ptr<CompiledLayer> layer;
  std::unique_ptr<LayerInputs> inputs;
  std::unique_ptr<LayerOutputs> outputs;

  /// Bytes of the weights of all experts that got a token.
  int64_t bytesTouched() const {
    int64_t experts = 0;
    for (int64_t e = 0; e < spec.experts; ++e)
      experts += outputs->counts.i32()[e] > 0;
    return experts * 3 * kHidden * kWidth * 4;
  }
};

llvm::Error failed(const std::string &message) {
  return llvm::createStringError(llvm::inconvertibleErrorCode(), message);
}

llvm::Error prepare(Contender &contender, int64_t experts) {
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
  if (!contender.layer)
    return failed(error);
  contender.inputs = std::make_unique<LayerInputs>(spec, kTokens);
  contender.outputs = std::make_unique<LayerOutputs>(spec, kTokens);
  std::normal_distribution<float> normal;
  for (Tensor *tensor : {&contender.inputs->x, &contender.inputs->logits})
    for (int64_t i = 0, n = tensor->size(); i < n; ++i)
      tensor->f32()[i] = normal(random);
  return llvm::Error::success();
}

/// Milliseconds of one call.
llvm::Expected<double> measure(Contender &contender) {
  Stopwatch watch;
  std::string error =
      contender.layer->run(*contender.inputs, *contender.outputs);
  double milliseconds = watch.getMilliseconds();
  if (!error.empty())
    return failed(error);
  return milliseconds;
}

/// Samples of every contender, after a call of each that is not counted.
llvm::Expected<std::vector<std::vector<double>>>
measureAll(std::vector<Contender> &contenders) {
  std::vector<Step> steps;
  for (Contender &contender : contenders)
    steps.emplace_back([&contender] { return measure(contender); });
  auto warmUp = runRounds(1, steps);
  if (!warmUp)
    return warmUp.takeError();
  return runRounds(kRounds, steps);
}

void print(const std::vector<Contender> &contenders,
           const std::vector<std::vector<double>> &samples) {
  std::printf("T = %lld, k = %lld, H = %lld, F = %lld, f32; %d interleaved "
              "rounds\n",
              static_cast<long long>(kTokens), static_cast<long long>(kTopK),
              static_cast<long long>(kHidden), static_cast<long long>(kWidth),
              kRounds);
  std::printf("%6s %12s %20s %14s %10s\n", "E", "median ms", "quartiles ms",
              "MB of weights", "to E = 8");
  double base = Summary(samples.front()).median;
  for (size_t i = 0; i < contenders.size(); ++i) {
    Summary times(samples[i]);
    std::printf("%6lld %12.2f %9.2f - %8.2f %14.1f %10.2f\n",
                static_cast<long long>(contenders[i].spec.experts),
                times.median, times.lowerQuartile, times.upperQuartile,
                contenders[i].bytesTouched() / 1e6, times.median / base);
  }
}

llvm::Error run() {
  const int64_t sizes[] = {8, 16, 32, 64, 128};
  std::vector<Contender> contenders(std::size(sizes));
  for (size_t i = 0; i < contenders.size(); ++i)
    if (llvm::Error error = prepare(contenders[i], sizes[i]))
      return error;
  auto samples = measureAll(contenders);
  if (!samples)
    return samples.takeError();
  print(contenders, *samples);
  return llvm::Error::success();
}

} // namespace

int main() {
  llvm::Error error = run();
  if (!error)
    return 0;
  std::string message = llvm::toString(std::move(error));
  std::fprintf(stderr, "work-follows-k: %s\n", message.c_str());
  return 1;
}

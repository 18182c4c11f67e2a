//===- MetamorphicTest.cpp - What must hold whatever the numbers are
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Layer.h"
#include "gtest/gtest.h"
#include <cmath>
#include <numeric>

using namespace moe;
using namespace moe::test;

namespace {

/// The same numbers in every run.
std::mt19937_64 makeRandom(uint64_t seed) { return std::mt19937_64(seed); }

class Metamorphic : public testing::Test {
protected:
  Metamorphic() { spec.router.scale = 1; }

  std::unique_ptr<CompiledLayer> compile(const LayerSpec &spec,
                                         const ExpertWeights &weights,
                                         const SessionOptions &options = {}) {
    std::string error;
    auto layer = CompiledLayer::compile(spec, weights, options, error);
    EXPECT_TRUE(layer) << error;
    return layer;
  }

  void fill(Tensor &tensor, float deviation) {
    std::normal_distribution<float> normal(0, deviation);
    for (int64_t i = 0, n = tensor.size(); i < n; ++i)
      tensor.f32()[i] = normal(random);
  }

  LayerInputs makeInputs(const LayerSpec &spec, int64_t tokens) {
    LayerInputs inputs(spec, tokens);
    fill(inputs.x, 1);
    fill(inputs.logits, 2);
    return inputs;
  }

  LayerSpec spec;
  std::mt19937_64 random = makeRandom(42);
};

TEST_F(Metamorphic, PermutingTheExpertsChangesNothing) {
  spec.router.normalize = {MOE_NORMALIZE_LP, MOE_EPS_NONE, 1, 0};
  ExpertWeights weights(spec, random);
  LayerInputs inputs = makeInputs(spec, 57);
  LayerOutputs outputs(spec, 57), permutedOutputs(spec, 57);
  auto layer = compile(spec, weights);
  ASSERT_TRUE(layer);
  ASSERT_EQ(layer->run(inputs, outputs), "");

  std::vector<int64_t> order(spec.experts);
  std::iota(order.begin(), order.end(), 0);
  std::shuffle(order.begin(), order.end(), random);
  ExpertWeights permuted = weights;
  LayerInputs permutedInputs = inputs;
  for (int64_t e = 0; e < spec.experts; ++e) {
    permuted.gate[e] = weights.gate[order[e]];
    permuted.up[e] = weights.up[order[e]];
    permuted.down[e] = weights.down[order[e]];
    for (int64_t t = 0; t < 57; ++t)
      permutedInputs.logits.f32()[t * spec.experts + e] =
          inputs.logits.f32()[t * spec.experts + order[e]];
  }
  auto permutedLayer = compile(spec, permuted);
  ASSERT_TRUE(permutedLayer);
  ASSERT_EQ(permutedLayer->run(permutedInputs, permutedOutputs), "");
  EXPECT_LE(rowError(permutedOutputs.y, outputs.y), 1e-6);
}

TEST_F(Metamorphic, AllExpertsSelectedIsTheDenseMixture) {
  spec.experts = spec.topK = 5;
  ExpertWeights weights(spec, random);
  int64_t tokens = 33;
  LayerInputs inputs = makeInputs(spec, tokens);
  LayerOutputs outputs(spec, tokens), dense(spec, tokens);
  auto layer = compile(spec, weights);
  ASSERT_TRUE(layer);
  ASSERT_EQ(layer->run(inputs, outputs), "");

  // Every expert on every token, weighed by the softmax of all logits.
  for (int64_t t = 0; t < tokens; ++t) {
    const float *z = inputs.logits.f32() + t * spec.experts;
    double sum = 0;
    for (int64_t e = 0; e < spec.experts; ++e)
      sum += std::exp(double(z[e]));
    for (int64_t h = 0; h < spec.hidden; ++h)
      dense.y.f32()[t * spec.hidden + h] = 0;
    for (int64_t e = 0; e < spec.experts; ++e) {
      std::vector<double> hidden(spec.width);
      const float *x = inputs.x.f32() + t * spec.hidden;
      for (int64_t f = 0; f < spec.width; ++f) {
        double gate = 0, up = 0;
        for (int64_t h = 0; h < spec.hidden; ++h) {
          gate += double(x[h]) * weights.gate[e].f32()[f * spec.hidden + h];
          up += double(x[h]) * weights.up[e].f32()[f * spec.hidden + h];
        }
        hidden[f] = gate / (1 + std::exp(-gate)) * up;
      }
      for (int64_t h = 0; h < spec.hidden; ++h) {
        double y = 0;
        for (int64_t f = 0; f < spec.width; ++f)
          y += hidden[f] * weights.down[e].f32()[h * spec.width + f];
        dense.y.f32()[t * spec.hidden + h] +=
            static_cast<float>(std::exp(double(z[e])) / sum * y);
      }
    }
  }
  EXPECT_LE(rowError(outputs.y, dense.y), 1e-5);
}

bool haveSameBits(const Tensor &a, const Tensor &b) {
  return std::memcmp(a.f32(), b.f32(), 4 * a.size()) == 0;
}

/// Kernels with long sums, edges of both kinds, bf16 rows, and codes.
struct Kernel {
  int32_t dtype;
  mlir::moe::Activations activations;
  mlir::moe::ExpertQuantization quantization;
};
const Kernel kernels[] = {
    {MOE_F32, mlir::moe::Activations::F32, {}},
    {MOE_BF16, mlir::moe::Activations::F32, {}},
    {MOE_BF16, mlir::moe::Activations::BF16, {}},
    {MOE_F32, mlir::moe::Activations::F32, {mlir::moe::ExpertFormat::Int8}},
    {MOE_F32, mlir::moe::Activations::Int8, {mlir::moe::ExpertFormat::Int8}},
    {MOE_F32, mlir::moe::Activations::Int8, {mlir::moe::ExpertFormat::Int4}},
    {MOE_F32,
     mlir::moe::Activations::Int8Grouped,
     {mlir::moe::ExpertFormat::Int8, /*group=*/32}}};

TEST_F(Metamorphic, ThreadsChangeNoBit) {
  spec.hidden = 1100, spec.width = 75;
  int64_t tokens = 203;
  for (const Kernel &kernel : kernels) {
    spec.dtype = kernel.dtype;
    ExpertWeights weights(spec, random);
    LayerInputs inputs = makeInputs(spec, tokens);
    LayerOutputs one(spec, tokens), some(spec, tokens);
    for (int32_t threads : {1, 2, 3, 7}) {
      SessionOptions options;
      options.threads = threads;
      options.activations = kernel.activations;
      options.quantization = kernel.quantization;
      auto layer = compile(spec, weights, options);
      ASSERT_TRUE(layer);
      LayerOutputs &outputs = threads == 1 ? one : some;
      ASSERT_EQ(layer->run(inputs, outputs), "");
      EXPECT_TRUE(threads == 1 || haveSameBits(one.y, some.y)) << threads;
    }
  }
}

TEST_F(Metamorphic, OtherTokensChangeNoBit) {
  spec.hidden = 1100, spec.width = 75;
  int64_t tokens = 61;
  for (const Kernel &kernel : kernels) {
    spec.dtype = kernel.dtype;
    ExpertWeights weights(spec, random);
    LayerInputs inputs = makeInputs(spec, tokens);
    SessionOptions options;
    options.activations = kernel.activations;
    options.quantization = kernel.quantization;
    auto layer = compile(spec, weights, options);
    ASSERT_TRUE(layer);
    LayerOutputs all(spec, tokens), alone(spec, 1);
    ASSERT_EQ(layer->run(inputs, all), "");
    for (int64_t t = 0; t < tokens; ++t) {
      LayerInputs token(spec, 1);
      std::copy_n(inputs.x.f32() + t * spec.hidden, spec.hidden, token.x.f32());
      std::copy_n(inputs.logits.f32() + t * spec.experts, spec.experts,
                  token.logits.f32());
      ASSERT_EQ(layer->run(token, alone), "");
      EXPECT_EQ(std::memcmp(alone.y.f32(), all.y.f32() + t * spec.hidden,
                            4 * spec.hidden),
                0)
          << t;
    }
  }
}

TEST_F(Metamorphic, IdentityExpertsScaleTheTokenByItsWeights) {
  spec.experts = 6, spec.topK = 3, spec.identity = 5;
  ExpertWeights weights(spec, random);
  int64_t tokens = 40;
  LayerInputs inputs = makeInputs(spec, tokens);
  for (int64_t t = 0; t < tokens; ++t)
    inputs.logits.f32()[t * spec.experts] = -1e9f; // the expert with a body
  LayerOutputs outputs(spec, tokens), scaled(spec, tokens);
  auto layer = compile(spec, weights);
  ASSERT_TRUE(layer);
  ASSERT_EQ(layer->run(inputs, outputs), "");
  for (int64_t t = 0; t < tokens; ++t) {
    double sum = 0;
    for (int64_t j = 0; j < spec.topK; ++j)
      sum += outputs.weights.f32()[t * spec.topK + j];
    for (int64_t h = 0; h < spec.hidden; ++h)
      scaled.y.f32()[t * spec.hidden + h] =
          static_cast<float>(sum * inputs.x.f32()[t * spec.hidden + h]);
  }
  EXPECT_LE(rowError(outputs.y, scaled.y), 1e-6);
}

TEST_F(Metamorphic, ACapacityOfAllTokensDropsNothing) {
  LayerSpec bounded = spec;
  bounded.hasCapacity = true, bounded.overflow = MOE_OVERFLOW_ZERO;
  bounded.capacity = {MOE_CAPACITY_TOKENS, MOE_ROUND_CEIL, 1, 1, 0};
  bounded.priority = MOE_PRIORITY_BATCH;
  ExpertWeights weights(spec, random);
  LayerInputs inputs = makeInputs(spec, 91);
  LayerOutputs dropless(spec, 91), capped(bounded, 91);
  auto layer = compile(spec, weights), boundedLayer = compile(bounded, weights);
  ASSERT_TRUE(layer && boundedLayer);
  ASSERT_EQ(layer->run(inputs, dropless), "");
  ASSERT_EQ(boundedLayer->run(inputs, capped), "");
  EXPECT_EQ(0, std::memcmp(dropless.position.i32(), capped.position.i32(),
                           4 * dropless.position.size()));
  EXPECT_EQ(
      0, std::memcmp(dropless.y.f32(), capped.y.f32(), 4 * dropless.y.size()));
}

TEST_F(Metamorphic, ADroplessLayerTreatsEachTokenByItself) {
  ExpertWeights weights(spec, random);
  int64_t tokens = 70, first = 23;
  LayerInputs inputs = makeInputs(spec, tokens);
  LayerOutputs together(spec, tokens);
  auto layer = compile(spec, weights);
  ASSERT_TRUE(layer);
  ASSERT_EQ(layer->run(inputs, together), "");
  for (auto [begin, end] : {std::pair(int64_t(0), first), {first, tokens}}) {
    LayerInputs part(spec, end - begin);
    LayerOutputs outputs(spec, end - begin);
    std::memcpy(part.x.data(), inputs.x.f32() + begin * spec.hidden,
                4 * part.x.size());
    std::memcpy(part.logits.data(), inputs.logits.f32() + begin * spec.experts,
                4 * part.logits.size());
    ASSERT_EQ(layer->run(part, outputs), "");
    Tensor expected(MOE_F32, {end - begin, spec.hidden});
    std::memcpy(expected.data(), together.y.f32() + begin * spec.hidden,
                4 * expected.size());
    EXPECT_LE(rowError(outputs.y, expected), 1e-6);
  }
}

TEST_F(Metamorphic, NothingSelectedGivesZeros) {
  spec.router.selection = MOE_SELECT_TABLE;
  ExpertWeights weights(spec, random);
  LayerInputs inputs = makeInputs(spec, 12);
  std::fill_n(inputs.table.i32(), inputs.table.size(), -1);
  LayerOutputs outputs(spec, 12);
  auto layer = compile(spec, weights);
  ASSERT_TRUE(layer);
  ASSERT_EQ(layer->run(inputs, outputs), "");
  for (int64_t i = 0, n = outputs.y.size(); i < n; ++i)
    ASSERT_EQ(outputs.y.f32()[i], 0);
  EXPECT_EQ(outputs.offsets.i32()[spec.experts], 0);
}

TEST_F(Metamorphic, TiesGoToTheLowerIndex) {
  ExpertWeights weights(spec, random);
  LayerInputs inputs = makeInputs(spec, 9);
  for (int64_t i = 0, n = inputs.logits.size(); i < n; ++i)
    inputs.logits.f32()[i] = 0.25f;
  LayerOutputs outputs(spec, 9);
  auto layer = compile(spec, weights);
  ASSERT_TRUE(layer);
  ASSERT_EQ(layer->run(inputs, outputs), "");
  for (int64_t t = 0; t < 9; ++t) {
    EXPECT_EQ(outputs.ids.i32()[2 * t], 0);
    EXPECT_EQ(outputs.ids.i32()[2 * t + 1], 1);
  }
}

TEST_F(Metamorphic, ANaNLogitRanksLastAndPoisonsItsToken) {
  ExpertWeights weights(spec, random);
  LayerInputs inputs = makeInputs(spec, 4);
  inputs.logits.f32()[2 * spec.experts] = std::nanf("");
  LayerOutputs outputs(spec, 4), oracle(spec, 4);
  auto layer = compile(spec, weights);
  ASSERT_TRUE(layer);
  ASSERT_EQ(layer->run(inputs, outputs), "");
  ASSERT_EQ(referenceRouter(spec, inputs, oracle), "");
  EXPECT_EQ(0, std::memcmp(outputs.ids.i32(), oracle.ids.i32(),
                           4 * outputs.ids.size()));
  EXPECT_TRUE(std::isnan(outputs.weights.f32()[2 * spec.topK]));
  EXPECT_FALSE(std::isnan(outputs.weights.f32()[spec.topK]));
}

} // namespace

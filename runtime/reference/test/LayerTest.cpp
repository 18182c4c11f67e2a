//===- LayerTest.cpp - Whole layers, against other ways to compute them ---===//
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The functions together form a layer. Here the layer is computed in a second
// way, token by token, and properties are checked that hold for any model.
//
//===----------------------------------------------------------------------===//

#include "RouterVectors.h"
#include "TestTensor.h"
#include "moe_rt/reference.h"

#include <cmath>
#include <random>

using namespace moe::reference;
using moe::vectors::RouterAttrs;

namespace {

constexpr int64_t tokens = 13, experts = 5, width = 4, hidden = 3;

std::vector<double> randomNumbers(std::mt19937 &generator, int64_t count) {
  std::vector<double> result;
  for (int64_t i = 0; i < count; ++i)
    result.push_back(static_cast<int32_t>(generator()) * 0x1p-31);
  return result;
}

TestTensor randomTensor(std::mt19937 &generator, std::vector<int64_t> shape) {
  return f64(shape, randomNumbers(generator, elementCount(shape)));
}

/// A bank of matrices: tensors that own them, and the array that is passed.
struct Bank {
  Bank(std::mt19937 &generator, int64_t rows, int64_t columns) {
    for (int64_t e = 0; e < experts; ++e)
      owners.push_back(randomTensor(generator, {rows, columns}));
  }
  std::vector<moe_tensor> slices() {
    std::vector<moe_tensor> result;
    for (TestTensor &owner : owners)
      result.push_back(owner.base);
    return result;
  }
  double at(int64_t e, int64_t row, int64_t column) const {
    return real(owners[e].base, row, column);
  }

  std::vector<TestTensor> owners;
};

/// A random layer and the intermediate tensors of one run.
struct Layer {
  explicit Layer(uint32_t seed, int64_t slots)
      : slots(slots), generator(seed),
        logits(randomTensor(generator, {tokens, experts})),
        x(randomTensor(generator, {tokens, width})),
        gate(generator, hidden, width), up(generator, hidden, width),
        down(generator, width, hidden), weights(realResult({tokens, slots})),
        keptWeights(weights), ids(indexResult({tokens, slots})), position(ids),
        counts(indexResult({experts})), offsets(indexResult({experts + 1})),
        source(indexResult({tokens * slots})),
        rows(realResult({tokens * slots, width})), results(rows),
        out(realResult({tokens, width})) {}

  void route(const moe_router_attrs &attrs) {
    ASSERT_EQ(moe_ref_router(&attrs, logits, nullptr, nullptr, nullptr, weights,
                             ids, nullptr, nullptr),
              MOE_OK);
  }

  void plan(int64_t capacity, moe_overflow overflow) {
    moe_plan_attrs attrs = {};
    attrs.num_experts = experts;
    attrs.overflow = overflow;
    ASSERT_EQ(moe_ref_plan(&attrs, weights, ids, nullptr, capacity, nullptr,
                           counts, offsets, source, position, keptWeights,
                           nullptr),
              MOE_OK);
  }

  void compute(bool weighInput, bool passthrough) {
    std::vector<moe_tensor> gates = gate.slices(), ups = up.slices(),
                            downs = down.slices();
    ASSERT_EQ(moe_ref_dispatch(
                  x, source, offsets, weighInput ? &keptWeights.base : nullptr,
                  weighInput ? &position.base : nullptr, rows, nullptr),
              MOE_OK);
    ASSERT_EQ(moe_ref_gated_ffn(rows, gates.data(), ups.data(), downs.data(),
                                experts, offsets, MOE_REF_SILU, results,
                                nullptr),
              MOE_OK);
    ASSERT_EQ(moe_ref_combine(results, position,
                              weighInput ? nullptr : &keptWeights.base,
                              passthrough ? &x.base : nullptr, out, nullptr),
              MOE_OK);
  }

  /// One expert on one token, times a factor on its input.
  double expertOf(int64_t e, int64_t t, int64_t m, double factor = 1) const {
    double sum = 0;
    for (int64_t f = 0; f < hidden; ++f) {
      double g = 0, u = 0;
      for (int64_t h = 0; h < width; ++h) {
        double input = factor * real(x.base, t, h);
        g += gate.at(e, f, h) * input;
        u += up.at(e, f, h) * input;
      }
      sum += down.at(e, m, f) * (g / (1 + std::exp(-g))) * u;
    }
    return sum;
  }

  int64_t slots;
  std::mt19937 generator;
  TestTensor logits, x;
  Bank gate, up, down;
  TestTensor weights, keptWeights, ids, position, counts, offsets, source, rows,
      results, out;
};

} // namespace

TEST(Layer, EqualsTheDirectSum) {
  for (uint32_t seed = 0; seed < 20; ++seed) {
    Layer layer(seed, 2);
    layer.route(RouterAttrs(2).normalize(1));
    layer.plan(-1, MOE_OVERFLOW_NONE);
    layer.compute(false, false);
    for (int64_t t = 0; t < tokens; ++t)
      for (int64_t m = 0; m < width; ++m) {
        double expected = 0;
        for (int64_t slot = 0; slot < 2; ++slot)
          expected += real(layer.weights.base, t, slot) *
                      layer.expertOf(integer(layer.ids.base, t, slot), t, m);
        EXPECT_NEAR(real(layer.out.base, t, m), expected, 1e-12);
      }
  }
}

TEST(Layer, AllExpertsEqualTheDenseMixture) {
  Layer layer(1, experts);
  layer.route(RouterAttrs(experts));
  layer.plan(-1, MOE_OVERFLOW_NONE);
  layer.compute(false, false);
  for (int64_t t = 0; t < tokens; ++t) {
    double sum = 0;
    for (int64_t e = 0; e < experts; ++e)
      sum += std::exp(real(layer.logits.base, t, e));
    for (int64_t m = 0; m < width; ++m) {
      double expected = 0;
      for (int64_t e = 0; e < experts; ++e)
        expected += std::exp(real(layer.logits.base, t, e)) / sum *
                    layer.expertOf(e, t, m);
      EXPECT_NEAR(real(layer.out.base, t, m), expected, 1e-12);
    }
  }
}

TEST(Layer, WeightAtTheInput) {
  Layer layer(2, 1);
  layer.route(RouterAttrs(1)
                  .score(MOE_SCORE_SIGMOID)
                  .domain(MOE_DOMAIN_SELECTED)
                  .key(MOE_KEY_LOGIT));
  layer.plan(-1, MOE_OVERFLOW_NONE);
  layer.compute(true, false);
  for (int64_t t = 0; t < tokens; ++t)
    for (int64_t m = 0; m < width; ++m)
      EXPECT_NEAR(real(layer.out.base, t, m),
                  layer.expertOf(integer(layer.ids.base, t, 0), t, m,
                                 real(layer.weights.base, t, 0)),
                  1e-12);
}

TEST(Layer, ResidualCarriesWhatIsDropped) {
  for (uint32_t seed = 0; seed < 20; ++seed) {
    Layer layer(seed, 2);
    layer.route(RouterAttrs(2));
    layer.plan(2, MOE_OVERFLOW_RESIDUAL);
    layer.compute(false, true);
    for (int64_t t = 0; t < tokens; ++t)
      for (int64_t m = 0; m < width; ++m) {
        double expected = 0;
        for (int64_t slot = 0; slot < 2; ++slot) {
          bool isKept = integer(layer.position.base, t, slot) >= 0;
          int64_t e = integer(layer.ids.base, t, slot);
          expected +=
              real(layer.weights.base, t, slot) *
              (isKept ? layer.expertOf(e, t, m) : real(layer.x.base, t, m));
        }
        EXPECT_NEAR(real(layer.out.base, t, m), expected, 1e-12);
      }
  }
}

TEST(Layer, PlanInvariants) {
  for (uint32_t seed = 0; seed < 50; ++seed) {
    Layer layer(seed, 3);
    int64_t capacity = seed % 9;
    layer.route(RouterAttrs(3));
    layer.plan(capacity, MOE_OVERFLOW_ZERO);
    int64_t rows = layer.offsets.integer(experts), placed = 0;
    for (int64_t t = 0; t < tokens; ++t)
      for (int64_t slot = 0; slot < 3; ++slot) {
        int64_t row = integer(layer.position.base, t, slot);
        if (row < 0)
          continue;
        ++placed;
        int64_t e = integer(layer.ids.base, t, slot);
        EXPECT_EQ(layer.source.integer(row), t);
        EXPECT_GE(row, layer.offsets.integer(e));
        EXPECT_LT(row, layer.offsets.integer(e + 1));
      }
    EXPECT_EQ(placed, rows);
    for (int64_t e = 0; e < experts; ++e) {
      EXPECT_LE(layer.counts.integer(e), capacity);
      EXPECT_EQ(layer.counts.integer(e),
                layer.offsets.integer(e + 1) - layer.offsets.integer(e));
      for (int64_t r = layer.offsets.integer(e) + 1;
           r < layer.offsets.integer(e + 1); ++r)
        EXPECT_LT(layer.source.integer(r - 1), layer.source.integer(r));
    }
  }
}

TEST(Layer, GroupedMatmulsComposeToTheExpert) {
  Layer layer(3, 2);
  layer.route(RouterAttrs(2));
  layer.plan(-1, MOE_OVERFLOW_NONE);
  layer.compute(false, false);
  int64_t rows = tokens * 2;
  TestTensor g = realResult({rows, hidden}), u = g,
             y = realResult({rows, width});
  auto multiply = [&](TestTensor &in, Bank &bank, TestTensor &result) {
    std::vector<moe_tensor> slices = bank.slices();
    ASSERT_EQ(moe_ref_grouped_matmul(in, slices.data(), experts, layer.offsets,
                                     nullptr, result, nullptr),
              MOE_OK);
  };
  multiply(layer.rows, layer.gate, g);
  multiply(layer.rows, layer.up, u);
  for (int64_t i = 0; i < rows * hidden; ++i)
    setReal(u.base, i, u.real(i) * g.real(i) / (1 + std::exp(-g.real(i))));
  multiply(u, layer.down, y);
  expectNear(y.reals(), layer.results.reals(), 1e-12);
}

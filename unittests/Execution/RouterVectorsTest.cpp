//===- RouterVectorsTest.cpp - The hand-checked vectors, through IR
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The same table that the oracle is tested with by direct calls.
//
//===----------------------------------------------------------------------===//

#include "RouterVectors.h"
#include "Layer.h"
#include "gtest/gtest.h"

using namespace moe;
using namespace moe::test;
using moe::vectors::RouterVector;

namespace {

class RouterVectors : public testing::TestWithParam<RouterVector> {};

TEST_P(RouterVectors, ThroughIR) {
  const RouterVector &vector = GetParam();
  LayerSpec spec;
  spec.experts = vector.numExperts;
  spec.topK = vector.attrs.top_k;
  spec.router = vector.attrs;
  spec.bias = vector.needsBias;
  std::mt19937_64 random(1);
  ExpertWeights weights(spec, random);
  LayerInputs inputs(spec, 1);
  LayerOutputs outputs(spec, 1);
  std::fill_n(inputs.x.f32(), inputs.x.size(), 0.5f);
  for (int64_t e = 0; e < spec.experts; ++e) {
    inputs.logits.f32()[e] = static_cast<float>(vector.logits[e]);
    if (vector.needsBias)
      inputs.bias.f32()[e] = static_cast<float>(moe::vectors::bias[e]);
  }
  for (bool reference : {false, true}) {
    SessionOptions options;
    options.reference = reference;
    std::string error;
    auto layer = CompiledLayer::compile(spec, weights, options, error);
    ASSERT_TRUE(layer) << error;
    ASSERT_EQ(layer->run(inputs, outputs), "");
    for (int64_t j = 0; j < spec.topK; ++j) {
      EXPECT_EQ(outputs.ids.i32()[j], vector.ids[j]);
      EXPECT_NEAR(outputs.weights.f32()[j], vector.weights[j], 2e-6);
    }
  }
}

std::string nameOf(const testing::TestParamInfo<RouterVector> &info) {
  return info.param.name;
}

INSTANTIATE_TEST_SUITE_P(Published, RouterVectors,
                         testing::ValuesIn(moe::vectors::routerVectors),
                         nameOf);

} // namespace

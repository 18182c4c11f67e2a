//===- RouterMatrixTest.cpp - Layers that begin with the router's matrix
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The product with it, score, top-k and the rounding of rows are one loop over
// ranges of rows where there are enough of them, and several loops where there
// are not. Nothing but the time may tell.
//
//===----------------------------------------------------------------------===//

#include "BankElements.h"
#include "gtest/gtest.h"

using namespace moe;
using namespace moe::test;

namespace {

/// The same numbers in every run.
std::mt19937_64 makeRandom(uint64_t seed) { return std::mt19937_64(seed); }

LayerSpec makeSpec() {
  LayerSpec spec;
  spec.experts = 37, spec.topK = 3, spec.hidden = 131, spec.width = 20;
  spec.router.scale = 1;
  return spec;
}

std::string makeText(const LayerSpec &spec) {
  LayerTypes types(spec);
  std::string E = std::to_string(spec.experts), H = std::to_string(spec.hidden);
  std::string matrix = "tensor<" + E + "x" + H + "xf32>";
  std::string rows = shapeAttr("\"tokens\", " + H);
  return layerAliases + spec.weightsText("", "") +
         "moe.weight @router : " + matrix +
         " from [\"router\"]\nfunc.func @layer(%x: " + types.tokens + rows +
         ") -> (" + types.tokens + rows + ") {\n" + layerConstants +
         spec.bankValuesText("") +
         "  %router = moe.get_weight @router : " + matrix +
         "\n  %t = tensor.dim %x, %c0 : " + types.tokens + "\n" +
         matmulText("z", "%t", "%x", types.tokens, "%router", matrix,
                    types.logits) +
         spec.opsText() + "  return %y : " + types.tokens + "\n}\n";
}

class RouterMatrix : public testing::TestWithParam<mlir::moe::Activations> {
protected:
  std::unique_ptr<Session> open(int32_t threads) {
    SessionOptions options;
    options.threads = threads;
    options.randomWeights = 5;
    options.activations = GetParam();
    if (GetParam() == mlir::moe::Activations::Int8)
      options.quantization.format = mlir::moe::ExpertFormat::Int8;
    auto session = Session::openText(makeText(spec), options);
    if (session)
      return std::move(*session);
    ADD_FAILURE() << llvm::toString(session.takeError());
    return nullptr;
  }

  Tensor makeRows(int64_t tokens) {
    Tensor x(MOE_F32, {tokens, spec.hidden});
    std::mt19937_64 random = makeRandom(7);
    std::normal_distribution<float> normal;
    for (int64_t i = 0, n = x.size(); i < n; ++i)
      x.f32()[i] = normal(random);
    return x;
  }

  Tensor run(Session &session, const Tensor &x) {
    Tensor y(MOE_F32, {x.dim(0), spec.hidden});
    moe_tensor in[] = {x.abi()}, out[] = {y.abi()};
    call(session, in, out);
    EXPECT_TRUE(y.isIntact()) << "written outside of its bounds";
    return y;
  }

  LayerSpec spec = makeSpec();
};

TEST_P(RouterMatrix, OtherTokensChangeNoBit) {
  auto session = open(/*threads=*/1);
  ASSERT_TRUE(session);
  for (int64_t tokens : {0, 1, 95, 97, 103, 200, 511}) {
    Tensor x = makeRows(tokens), all = run(*session, x);
    for (int64_t t = 0; t < tokens; ++t) {
      Tensor token(MOE_F32, {1, spec.hidden});
      std::copy_n(x.f32() + t * spec.hidden, spec.hidden, token.f32());
      Tensor alone = run(*session, token);
      EXPECT_EQ(std::memcmp(alone.f32(), all.f32() + t * spec.hidden,
                            4 * spec.hidden),
                0)
          << "token " << t << " of " << tokens;
    }
  }
}

TEST_P(RouterMatrix, ThreadsChangeNoBit) {
  Tensor x = makeRows(401);
  auto first = open(/*threads=*/1);
  ASSERT_TRUE(first);
  Tensor one = run(*first, x);
  for (int32_t threads : {2, 3, 4, 7}) {
    auto session = open(threads);
    ASSERT_TRUE(session);
    Tensor some = run(*session, x);
    EXPECT_EQ(std::memcmp(one.f32(), some.f32(), 4 * one.size()), 0)
        << threads << " threads";
  }
}

INSTANTIATE_TEST_SUITE_P(Activations, RouterMatrix,
                         testing::Values(mlir::moe::Activations::F32,
                                         mlir::moe::Activations::Int8),
                         [](const auto &info) {
                           return info.param == mlir::moe::Activations::Int8
                                      ? "int8"
                                      : "f32";
                         });

} // namespace

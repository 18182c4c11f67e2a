//===- AuxLossTest.cpp - Compiled losses against the oracle
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Layer.h"
#include "gtest/gtest.h"
#include <cmath>
#include <limits>

using namespace moe;
using namespace moe::test;

namespace {

/// One entry of the module under test.
struct Kind {
  const char *name;
  const char *attributes;
  moe_aux_loss_attrs attrs;
  bool takesIds() const { return attrs.kind == MOE_LOSS_FRACTION_PROBABILITY; }
};
constexpr Kind kinds[] = {
    {"fraction",
     "kind = #moe.loss<fraction_probability>",
     {MOE_LOSS_FRACTION_PROBABILITY, 0}},
    {"fraction_per_slot",
     "kind = #moe.loss<fraction_probability>, normalize_k",
     {MOE_LOSS_FRACTION_PROBABILITY, 1}},
    {"z", "kind = #moe.loss<z>", {MOE_LOSS_Z, 0}},
    {"importance",
     "kind = #moe.loss<importance_cv2>",
     {MOE_LOSS_IMPORTANCE_CV2, 0}},
};

/// An entry for each kind: values and, where it takes them, ids to the loss.
std::string makeText(int64_t experts, int64_t topK) {
  std::string E = std::to_string(experts), K = std::to_string(topK);
  std::string values = "tensor<?x" + E + "xf32>",
              ids = "tensor<?x" + K + "xi32>", text;
  for (const Kind &kind : kinds) {
    text += std::string("func.func @") + kind.name + "(%x: " + values +
            " {moe.shape = [\"tokens\", " + E + "]}";
    if (kind.takesIds())
      text += ", %ids: " + ids + " {moe.shape = [\"tokens\", " + K + "]}";
    text += std::string(") -> tensor<f32> {\n  %loss = moe.aux_loss %x ") +
            (kind.takesIds() ? "ids(%ids) {" : "{") + kind.attributes +
            "} : (" + values + (kind.takesIds() ? ", " + ids : "") +
            ") -> tensor<f32>\n  return %loss : tensor<f32>\n}\n";
  }
  return text;
}

struct Inputs {
  Tensor values, ids;
  Inputs(int64_t tokens, int64_t experts, int64_t topK)
      : values(MOE_F32, {tokens, experts}), ids(MOE_I32, {tokens, topK}) {}
};

/// Ids are none, or one of the first `used` experts.
Inputs makeInputs(int64_t tokens, int64_t experts, int64_t topK, int64_t used,
                  std::mt19937_64 &random) {
  Inputs inputs(tokens, experts, topK);
  // Not negative, as scores are.
  std::gamma_distribution<float> gamma(0.5f);
  for (int64_t i = 0, n = inputs.values.size(); i < n; ++i)
    inputs.values.f32()[i] = gamma(random);
  for (int64_t i = 0, n = inputs.ids.size(); i < n; ++i)
    inputs.ids.i32()[i] = static_cast<int32_t>(random() % (used + 1)) - 1;
  return inputs;
}

std::unique_ptr<Session> compile(int64_t experts, int64_t topK,
                                 bool reference) {
  SessionOptions options;
  options.reference = reference;
  auto session = Session::openText(makeText(experts, topK), options);
  if (session)
    return std::move(*session);
  ADD_FAILURE() << llvm::toString(session.takeError());
  return nullptr;
}

float run(Session &session, const Kind &kind, const Inputs &inputs) {
  Tensor loss(MOE_F32, {});
  std::vector<moe_tensor> in = {inputs.values.abi()}, out = {loss.abi()};
  if (kind.takesIds())
    in.push_back(inputs.ids.abi());
  auto function = session.find(kind.name);
  if (!function)
    ADD_FAILURE() << llvm::toString(function.takeError());
  else if (llvm::Error error = session.call(**function, in, out))
    ADD_FAILURE() << llvm::toString(std::move(error));
  EXPECT_TRUE(loss.isIntact()) << "written outside of its bounds";
  return *loss.f32();
}

double oracle(const Kind &kind, const Inputs &inputs) {
  double result = 0;
  moe_tensor values = inputs.values.abi(), ids = inputs.ids.abi(), loss = {};
  loss.data = &result;
  loss.dtype = MOE_F64;
  moe_error error = {};
  moe_ref_aux_loss(&kind.attrs, &values, kind.takesIds() ? &ids : nullptr,
                   &loss, &error);
  EXPECT_EQ(error.status, MOE_OK) << error.message;
  return result;
}

/// With the tolerance of docs/spec/aux_loss.md, whose scales are at least this.
void expectEqual(const Kind &kind, double got, double want) {
  SCOPED_TRACE(kind.name);
  if (!std::isfinite(want)) {
    EXPECT_TRUE(got == want || (std::isnan(got) && std::isnan(want)))
        << got << " instead of " << want;
    return;
  }
  double scale = std::fabs(want);
  if (kind.attrs.kind == MOE_LOSS_IMPORTANCE_CV2)
    scale += 1;
  EXPECT_NEAR(got, want, 1e-5 * scale);
}

void compareAll(Session &session, const Inputs &inputs) {
  for (const Kind &kind : kinds)
    expectEqual(kind, run(session, kind, inputs), oracle(kind, inputs));
}

class AuxLoss : public testing::TestWithParam<bool> {};

TEST_P(AuxLoss, EqualsTheOracle) {
  std::mt19937_64 random(5);
  // One expert, k = E, and odd sizes.
  const std::pair<int64_t, int64_t> sizes[] = {
      {1, 1}, {3, 3}, {8, 2}, {13, 5}, {60, 1}};
  for (auto [experts, topK] : sizes) {
    auto session = compile(experts, topK, GetParam());
    ASSERT_TRUE(session);
    for (int64_t tokens : {0, 1, 7, 301})
      for (int64_t used : {experts, (experts + 1) / 2}) {
        SCOPED_TRACE("T = " + std::to_string(tokens) + ", E = " +
                     std::to_string(experts) + ", k = " + std::to_string(topK) +
                     ", chosen = " + std::to_string(used));
        compareAll(*session, makeInputs(tokens, experts, topK, used, random));
      }
  }
}

TEST_P(AuxLoss, SumsOverManyTokensKeepTheirDigits) {
  auto session = compile(3, 1, GetParam());
  ASSERT_TRUE(session);
  Inputs inputs(1 << 20, 3, 1);
  std::fill_n(inputs.values.f32(), inputs.values.size(), 0.1f);
  std::fill_n(inputs.ids.i32(), inputs.ids.size(), 1);
  compareAll(*session, inputs);
}

TEST_P(AuxLoss, ExtremeValues) {
  auto session = compile(3, 2, GetParam());
  ASSERT_TRUE(session);
  constexpr float infinity = std::numeric_limits<float>::infinity();
  const float rows[][3] = {{0, 0, 0},
                           {5000, 5000, 4000},
                           {-5000, -5000, -5000},
                           {1, -infinity, 2},
                           {-infinity, -infinity, -infinity},
                           {1, infinity, 2},
                           {1, infinity, -infinity},
                           {1, 2, std::nanf("")}};
  std::mt19937_64 random(5);
  for (const float (&row)[3] : rows) {
    SCOPED_TRACE(testing::PrintToString(row));
    Inputs inputs = makeInputs(4, 3, 2, 2, random);
    std::copy_n(row, 3, inputs.values.f32() + 3);
    compareAll(*session, inputs);
  }
}

std::string nameOf(const testing::TestParamInfo<bool> &info) {
  return info.param ? "ByReference" : "ByLoops";
}

INSTANTIATE_TEST_SUITE_P(Paths, AuxLoss, testing::Bool(), nameOf);

} // namespace

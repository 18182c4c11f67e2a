//===- InputsTest.cpp - Inputs of one call --------------------------------===//
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Inputs.h"
#include "FakeModel.h"
#include "Support.h"
#include <map>

using namespace moe::run;

namespace {
/// A function (x f32 [tokens, 4], ids i64 [2*tokens] from 3 to 9, n i64 []).
class LayerFunction {
public:
  LayerFunction() {
    inputs[1].has_range = 1;
    inputs[1].lower = 3;
    inputs[1].upper = 10;
  }
  moe_dim twiceTokens = {2, {0, -1}};
  const char *symbols[1] = {"tokens"};
  moe_argument inputs[3] = {
      FakeModel::argument("x", MOE_F32,
                          {FakeModel::symbol(0), FakeModel::constant(4)}),
      FakeModel::argument("ids", MOE_I64, {twiceTokens}),
      FakeModel::argument("n", MOE_I64, {})};
  moe_function function = {"layer", nullptr, inputs, nullptr, symbols,
                           nullptr, 3,       0,      1,       0};
};
} // namespace

static std::vector<Tensor> makeRandom(const moe_function &function,
                                      uint64_t seed) {
  InputRequest request;
  request.randomSeed = seed;
  request.sizes = {{"tokens", 50}};
  return take(makeInputs(function, std::move(request)));
}

TEST(InputsTest, RandomValuesAreInRangeAndReproducible) {
  LayerFunction layer;
  std::vector<Tensor> inputs = makeRandom(layer.function, 1);
  EXPECT_EQ(inputs[0].getShape(), llvm::ArrayRef<int64_t>({50, 4}));
  EXPECT_EQ(inputs[1].getShape(), llvm::ArrayRef<int64_t>({100}));
  float least = 1, most = -1;
  for (float value : inputs[0].elements<float>()) {
    EXPECT_GE(value, -1.0f);
    EXPECT_LT(value, 1.0f);
    least = std::min(least, value);
    most = std::max(most, value);
  }
  EXPECT_LT(least, -0.9f);
  EXPECT_GT(most, 0.9f);
  std::map<int64_t, int> seen;
  for (int64_t value : inputs[1].elements<int64_t>())
    ++seen[value];
  EXPECT_EQ(seen.begin()->first, 3);
  EXPECT_EQ(seen.rbegin()->first, 9);
  std::vector<Tensor> again = makeRandom(layer.function, 1);
  EXPECT_EQ(again[0].elements<float>(),
            std::as_const(inputs[0]).elements<float>());
  std::vector<Tensor> other = makeRandom(layer.function, 2);
  EXPECT_NE(other[0].elements<float>(),
            std::as_const(inputs[0]).elements<float>());
}

TEST(InputsTest, SizesFollowFromGivenTensors) {
  LayerFunction layer;
  InputRequest request;
  request.randomSeed = 0;
  request.tensors.emplace_back("x", take(Tensor::create("x", MOE_F32, {6, 4})));
  std::vector<Tensor> inputs =
      take(makeInputs(layer.function, std::move(request)));
  EXPECT_EQ(inputs[1].getNumElements(), 12);
}

TEST(InputsTest, RefusesWhatTheEntryDoesNotTake) {
  LayerFunction layer;
  auto refuse = [&](InputRequest request, const char *tag) {
    std::string message =
        messageOf(makeInputs(layer.function, std::move(request)));
    EXPECT_TRUE(hasTag(message, tag));
    return message;
  };
  std::string missing = refuse({}, "[moe-run-input-missing]");
  EXPECT_NE(missing.find("'x': f32 [tokens, 4]; 'ids': i64 [2*tokens] from 3 "
                         "to 9; 'n': i64 []"),
            std::string::npos);
  InputRequest unknown;
  unknown.numbers = {{"m", "3"}};
  refuse(std::move(unknown), "[moe-run-input-name]");
  InputRequest twice;
  twice.numbers = {{"n", "3"}, {"n", "4"}};
  refuse(std::move(twice), "[moe-run-input-twice]");
  InputRequest notRankZero;
  notRankZero.numbers = {{"x", "3"}};
  refuse(std::move(notRankZero), "[moe-run-input-number]");
  InputRequest notInteger;
  notInteger.numbers = {{"n", "3.5"}};
  refuse(std::move(notInteger), "[moe-run-input-number]");
  InputRequest wrongSymbol;
  wrongSymbol.sizes = {{"seq", 3}};
  refuse(std::move(wrongSymbol), "[moe-run-symbol-name]");
  InputRequest noSize;
  noSize.randomSeed = 1;
  refuse(std::move(noSize), "[moe-run-symbol-unknown]");
  InputRequest overflow;
  overflow.randomSeed = 1;
  overflow.sizes = {{"tokens", INT64_MAX}};
  overflow.tensors.emplace_back("x",
                                take(Tensor::create("x", MOE_F32, {6, 4})));
  refuse(std::move(overflow), "[moe-run-extent-overflow]");
  InputRequest contradiction;
  contradiction.randomSeed = 1;
  contradiction.sizes = {{"tokens", 7}};
  contradiction.tensors.emplace_back(
      "x", take(Tensor::create("x", MOE_F32, {6, 4})));
  refuse(std::move(contradiction), "[moe-run-size-conflict]");
  InputRequest wrongType;
  wrongType.tensors.emplace_back("x",
                                 take(Tensor::create("x", MOE_F64, {6, 4})));
  refuse(std::move(wrongType), "[moe-run-input-dtype]");
}

TEST(InputsTest, StateOfALanguageModelIsMade) {
  FakeModel model;
  InputRequest request;
  request.isLanguageModel = true;
  request.tensors.emplace_back("input_ids",
                               take(Tensor::create("ids", MOE_I32, {2, 5})));
  std::vector<Tensor> inputs =
      take(makeInputs(model.getFunction(), std::move(request)));
  EXPECT_EQ(inputs[0].get().dtype, MOE_I64); // widened
  EXPECT_EQ(inputs[1].elements<int64_t>()[0], 0);
  EXPECT_EQ(inputs[2].getShape(), llvm::ArrayRef<int64_t>({2, 5}));
}

TEST(InputsTest, StateOfEarlierPositionsIsNotAssumed) {
  FakeModel model;
  auto request = [] {
    InputRequest request;
    request.isLanguageModel = true;
    request.tensors.emplace_back("input_ids",
                                 take(Tensor::create("ids", MOE_I64, {2, 5})));
    request.numbers = {{"past", "3"}};
    return request;
  };
  std::string message = messageOf(makeInputs(model.getFunction(), request()));
  EXPECT_TRUE(hasTag(message, "[moe-run-input-missing]"));
  EXPECT_NE(message.find("input 'state' of"), std::string::npos);
  InputRequest random = request();
  random.randomSeed = 1;
  std::vector<Tensor> inputs =
      take(makeInputs(model.getFunction(), std::move(random)));
  EXPECT_EQ(inputs[2].getShape(), llvm::ArrayRef<int64_t>({2, 8}));
  EXPECT_NE(inputs[2].elements<float>()[0], 0);
}

TEST(InputsTest, RefusesOtherRanks) {
  FakeModel model;
  InputRequest request;
  request.isLanguageModel = true;
  request.tensors.emplace_back("input_ids",
                               take(Tensor::create("ids", MOE_I64, {5})));
  std::string message =
      messageOf(makeInputs(model.getFunction(), std::move(request)));
  EXPECT_TRUE(hasTag(message, "[moe-run-input-rank]"));
  EXPECT_NE(message.find("'input_ids' has rank 1, expected [batch, seq]"),
            std::string::npos);
}

TEST(InputsTest, ContextCanBeLarger) {
  FakeModel model;
  InputRequest request;
  request.isLanguageModel = true;
  request.context = 32;
  request.tensors.emplace_back("input_ids",
                               take(Tensor::create("ids", MOE_I64, {2, 5})));
  std::vector<Tensor> inputs =
      take(makeInputs(model.getFunction(), std::move(request)));
  EXPECT_EQ(inputs[1].elements<int64_t>()[0], 0);
  EXPECT_EQ(inputs[2].getShape(), llvm::ArrayRef<int64_t>({2, 32}));
}

TEST(InputsTest, OtherEntriesGetNoState) {
  FakeModel model;
  InputRequest request;
  request.tensors.emplace_back("input_ids",
                               take(Tensor::create("ids", MOE_I64, {2, 5})));
  EXPECT_TRUE(
      hasTag(messageOf(makeInputs(model.getFunction(), std::move(request))),
             "[moe-run-input-missing]"));
}

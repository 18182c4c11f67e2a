//===- GenerateTest.cpp - Generation and evaluation -----------------------===//
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Generate.h"
#include "Evaluate.h"
#include "FakeModel.h"
#include "Stats.h"
#include "Support.h"
#include <cmath>

using namespace moe::run;

static GenerationRequest makeRequest(std::vector<std::vector<int64_t>> prompts,
                                     int64_t maxNewTokens) {
  GenerationRequest request;
  request.prompts = std::move(prompts);
  request.maxNewTokens = maxNewTokens;
  return request;
}

static std::vector<int64_t> run(FakeModel &fake,
                                const GenerationRequest &request) {
  LanguageModel model = take(LanguageModel::create(fake));
  Generation generation = take(generate(model, request));
  return generation.ids.elements<int64_t>().vec();
}

/// What FakeModel says after `row`.
static int64_t predict(const std::vector<int64_t> &row) {
  int64_t sum = 1;
  for (int64_t id : row)
    sum += id;
  return sum % FakeModel::vocabulary;
}

TEST(GenerateTest, RunsThePromptOnceThenSingleTokens) {
  FakeModel fake;
  std::vector<int64_t> row = {2, 5, 1};
  std::vector<int64_t> ids = run(fake, makeRequest({row}, 4));
  for (int64_t id : ids) {
    EXPECT_EQ(id, predict(row));
    row.push_back(id);
  }
  ASSERT_EQ(fake.calls.size(), 4u);
  EXPECT_EQ(fake.calls[0].seq, 3);
  EXPECT_EQ(fake.calls[0].past, 0);
  EXPECT_EQ(fake.calls[3].seq, 1);
  EXPECT_EQ(fake.calls[3].past, 5);
  for (const FakeCall &call : fake.calls)
    EXPECT_EQ(call.context, 7);
}

TEST(GenerateTest, WithoutCacheIsTheSame) {
  FakeModel cached, plain;
  GenerationRequest request = makeRequest({{2, 5, 1}, {0, 0, 6}}, 9);
  std::vector<int64_t> ids = run(cached, request);
  request.useCache = false;
  EXPECT_EQ(run(plain, request), ids);
  EXPECT_EQ(plain.calls.back().past, 0);
  EXPECT_EQ(plain.calls.back().seq, 11);
}

TEST(GenerateTest, SequencesEndByThemselves) {
  FakeModel fake;
  // 1 -> 2 -> 4 -> 1 -> 2 ...; 3 -> 4.
  GenerationRequest request = makeRequest({{1}, {3}}, 5);
  request.endOfText = {4};
  LanguageModel model = take(LanguageModel::create(fake));
  std::vector<std::vector<int64_t>> steps;
  Generation generation =
      take(generate(model, request, [&](llvm::ArrayRef<int64_t> fresh) {
        steps.push_back(fresh.vec());
      }));
  EXPECT_EQ(generation.lengths, (std::vector<int64_t>{2, 1}));
  EXPECT_EQ(generation.ids.elements<int64_t>().vec(),
            (std::vector<int64_t>{2, 4, 4, 4}));
  EXPECT_EQ(steps, (std::vector<std::vector<int64_t>>{{2, 4}, {4, -1}}));
}

TEST(GenerateTest, KeepsThePromptOutputs) {
  FakeModel fake;
  GenerationRequest request = makeRequest({{1, 2}}, 3);
  request.keepPromptOutputs = true;
  LanguageModel model = take(LanguageModel::create(fake));
  Generation generation = take(generate(model, request));
  std::vector<NamedTensor> results = model.name(generation.promptOutputs);
  ASSERT_EQ(results.size(), 3u);
  EXPECT_EQ(results[0].name, "state");
  EXPECT_EQ(results[1].name, "logits");
  EXPECT_EQ(typeText(*results[1].tensor), "f32 [1, 2, 7]");
}

TEST(GenerateTest, CountsTokens) {
  FakeModel fake;
  LanguageModel model = take(LanguageModel::create(fake));
  ExpertCounts counts;
  model.setObserver([&](llvm::ArrayRef<NamedTensor> outputs, int64_t tokens) {
    counts.add(outputs, tokens);
  });
  Generation generation =
      take(generate(model, makeRequest({{1, 2}, {3, 4}}, 3)));
  EXPECT_EQ(generation.times.prefillTokens, 4);
  EXPECT_EQ(generation.times.decodeTokens, 4);
  const ExpertCounts::Layer &layer = counts.getLayers().at(1);
  EXPECT_EQ(layer.tokens, (std::vector<int64_t>{8, 3}));
  EXPECT_EQ(layer.numTokens, 8);
}

TEST(GenerateTest, StopsOnNaN) {
  FakeModel fake;
  fake.largest = NAN;
  LanguageModel model = take(LanguageModel::create(fake));
  EXPECT_TRUE(hasTag(messageOf(generate(model, makeRequest({{1}}, 1))),
                     "[moe-run-logits-nan]"));
}

TEST(GenerateTest, RefusesLogitsOfAnotherShape) {
  FakeModel fake;
  fake.extraRows = 1;
  LanguageModel model = take(LanguageModel::create(fake));
  EXPECT_TRUE(hasTag(messageOf(generate(model, makeRequest({{1}}, 1))),
                     "[moe-run-logits-shape]"));
}

TEST(CheckRequestTest, RefusesWhatCannotRun) {
  auto check = [](std::vector<std::vector<int64_t>> prompts, int64_t count,
                  const char *tag) {
    EXPECT_TRUE(hasTag(
        messageOf(checkRequest(makeRequest(std::move(prompts), count), 7, 10)),
        tag));
  };
  check({{}}, 1, "[moe-run-prompt-empty]");
  check({{1}, {1, 2}}, 1, "[moe-run-prompt-lengths]");
  check({{7}}, 1, "[moe-run-prompt-id]");
  check({{-1}}, 1, "[moe-run-prompt-id]");
  check({{1, 2}}, 9, "[moe-run-positions]");
  check({{1, 2}}, INT64_MAX, "[moe-run-positions]");
  EXPECT_EQ(messageOf(checkRequest(makeRequest({{1, 2}}, 8), 7, 10)), "");
  GenerationRequest request = makeRequest({{1, 2}}, 4);
  request.context = 5;
  EXPECT_TRUE(
      hasTag(messageOf(checkRequest(request, 7, 10)), "[moe-run-context]"));
}

TEST(LanguageModelTest, RefusesOtherEntries) {
  FakeModel fake;
  moe_function function = fake.getFunction();
  function.num_outputs = 1;
  EXPECT_FALSE(LanguageModel::fits(function));
  EXPECT_TRUE(LanguageModel::fits(fake.getFunction()));
}

static Tensor makeWindows(int32_t dtype, llvm::ArrayRef<int64_t> shape,
                          const std::vector<int64_t> &ids) {
  Tensor windows = take(Tensor::create("windows", dtype, shape));
  for (size_t i = 0; i < ids.size(); ++i)
    writeInteger(windows.get(), int64_t(i), ids[i]);
  return windows;
}

TEST(EvaluateTest, AveragesOverAllPredictedTokens) {
  // Predictions after each prefix: 1 -> 2, 1 2 -> 4; 0 -> 1, 0 5 -> 6; ...
  Tensor windows = makeWindows(MOE_I32, {3, 3}, {1, 2, 4, 0, 5, 6, 3, 3, 3});
  double right = std::log(std::exp(3.0) + 6) - 3, wrong = right + 3;
  for (int64_t batch : {1, 2, 8}) {
    FakeModel fake;
    LanguageModel model = take(LanguageModel::create(fake));
    int64_t done = 0;
    Evaluation evaluation = take(
        evaluate(model, windows, batch, [&](int64_t count) { done = count; }));
    EXPECT_EQ(done, 3);
    EXPECT_EQ(evaluation.numTokens, 6);
    EXPECT_DOUBLE_EQ(evaluation.getAccuracy(), 3.0 / 6);
    EXPECT_NEAR(evaluation.getMeanNll(), (3 * right + 3 * wrong) / 6, 1e-12);
  }
}

TEST(EvaluateTest, RefusesWhatIsNoText) {
  auto check = [](int32_t dtype, llvm::ArrayRef<int64_t> shape) {
    Tensor windows = take(Tensor::create("windows", dtype, shape));
    EXPECT_TRUE(hasTag(messageOf(checkWindows(windows, 10)),
                       "[moe-run-evaluate-shape]"));
  };
  check(MOE_F32, {2, 4});
  check(MOE_I64, {8});
  check(MOE_I64, {0, 4});
  check(MOE_I64, {4, 1});
  Tensor windows = take(Tensor::create("windows", MOE_I64, {1, 11}));
  EXPECT_TRUE(hasTag(messageOf(checkWindows(windows, 10)),
                     "[moe-run-evaluate-positions]"));
}

TEST(EvaluateTest, RefusesUnknownIds) {
  FakeModel fake;
  LanguageModel model = take(LanguageModel::create(fake));
  Tensor windows = makeWindows(MOE_I64, {1, 2}, {1, 7});
  EXPECT_TRUE(
      hasTag(messageOf(evaluate(model, windows, 1)), "[moe-run-evaluate-id]"));
}

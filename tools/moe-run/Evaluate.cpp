//===- Evaluate.cpp - How well a model predicts a text --------------------===//
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Evaluate.h"
#include "Clock.h"
#include "support/ExitCode.h"
#include "llvm/ADT/Twine.h"
#include <algorithm>
#include <cmath>

using namespace llvm;
using namespace moe;
using namespace moe::run;

Error moe::run::checkWindows(const Tensor &windows, int64_t maxPositions) {
  const moe_tensor &ids = windows.get();
  bool isIds = ids.dtype == MOE_I32 || ids.dtype == MOE_I64;
  if (!isIds || ids.rank != 2 || ids.shape[0] < 1 || ids.shape[1] < 2)
    return invalidInput("--evaluate was given " + typeText(ids) +
                        ", expected i32 or i64 [N, T] with N at least 1 and T "
                        "at least 2; store one window of ids per row "
                        "[moe-run-evaluate-shape]");
  if (maxPositions != 0 && ids.shape[1] > maxPositions)
    return invalidInput("windows of " + Twine(ids.shape[1]) +
                        " tokens are longer than the " + Twine(maxPositions) +
                        " positions of the model; cut them "
                        "[moe-run-evaluate-positions]");
  return Error::success();
}

double moe::run::getNll(ArrayRef<float> logits, int64_t token) {
  double largest = *llvm::max_element(logits);
  double sum = 0;
  for (float logit : logits)
    sum += std::exp(logit - largest);
  return largest + std::log(sum) - logits[token];
}

namespace {
/// One run of `evaluate`.
class Evaluator {
public:
  Evaluator(LanguageModel &model, const Tensor &windows)
      : model(model), windows(windows), length(windows.getShape()[1]) {}

  Error allocate();

  /// Runs windows first .. first+count-1 and adds what they say.
  Error addWindows(int64_t first, int64_t count);

  Evaluation result;

private:
  Error addToken(int64_t window, int64_t sequence, int64_t position);
  int64_t getId(int64_t window, int64_t position) const {
    return readInteger(windows.get(), window * length + position);
  }

  LanguageModel &model;
  const Tensor &windows;
  int64_t length;
};
} // namespace

Error Evaluator::allocate() {
  auto created = Tensor::create("predictions", MOE_I64,
                                {windows.getShape()[0], length - 1});
  if (!created)
    return created.takeError();
  result.predictions = std::move(*created);
  return Error::success();
}

/// Adds the prediction of the token at `position` from those before it.
Error Evaluator::addToken(int64_t window, int64_t sequence, int64_t position) {
  ArrayRef<float> logits = model.getLogits(sequence, position - 1);
  int64_t token = getId(window, position);
  Expected<int64_t> best = findLargest(logits);
  if (!best)
    return best.takeError();
  if (token < 0 || token >= int64_t(logits.size()))
    return invalidInput("window " + Twine(window) + " has id " + Twine(token) +
                        ", expected ids from 0 to " + Twine(logits.size() - 1) +
                        "; use the tokenizer of this model "
                        "[moe-run-evaluate-id]");
  result.sumNll += getNll(logits, token);
  result.numCorrect += *best == token;
  result.predictions.elements<int64_t>()[result.numTokens] = *best;
  ++result.numTokens;
  return Error::success();
}

Error Evaluator::addWindows(int64_t first, int64_t count) {
  std::vector<int64_t> ids;
  for (int64_t window = first; window < first + count; ++window)
    for (int64_t position = 0; position < length; ++position)
      ids.push_back(getId(window, position));
  if (count != model.getBatch())
    if (Error error = model.reset(count, length))
      return error;
  double start = getSeconds();
  if (Error error = model.run(ids, /*past=*/0))
    return error;
  result.times.prefillSeconds += getSeconds() - start;
  result.times.prefillTokens += int64_t(ids.size());
  for (int64_t i = 0; i < count; ++i)
    for (int64_t position = 1; position < length; ++position)
      if (Error error = addToken(first + i, i, position))
        return error;
  result.numWindows += count;
  return Error::success();
}

Expected<Evaluation> moe::run::evaluate(LanguageModel &model,
                                        const Tensor &windows, int64_t batch,
                                        function_ref<void(int64_t)> onWindows) {
  Evaluator evaluator(model, windows);
  if (Error error = evaluator.allocate())
    return std::move(error);
  int64_t total = windows.getShape()[0];
  for (int64_t first = 0; first < total;) {
    int64_t count = std::min(batch, total - first);
    if (Error error = evaluator.addWindows(first, count))
      return std::move(error);
    first += count;
    if (onWindows)
      onWindows(first);
  }
  return std::move(evaluator.result);
}

Error moe::run::checkPredictions(const Tensor &predictions,
                                 const Tensor &windows, StringRef file) {
  moe_tensor expected = windows.get();
  expected.dtype = MOE_I64;
  --expected.shape[1];
  if (predictions.isLike(expected))
    return Error::success();
  return invalidInput("--agreement was given " + typeText(predictions.get()) +
                      " in '" + file + "', expected " + typeText(expected) +
                      "; store what --output of an evaluation of the same "
                      "windows has as 'predictions' [moe-run-agreement-shape]");
}

double moe::run::getAgreement(const Tensor &predictions, const Tensor &others) {
  int64_t same = 0;
  for (auto [mine, other] :
       zip_equal(predictions.elements<int64_t>(), others.elements<int64_t>()))
    same += mine == other;
  return double(same) / double(predictions.getNumElements());
}

//===- Generate.cpp - Continues prompts token by token --------------------===//
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Generate.h"
#include "Clock.h"
#include "support/ExitCode.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/Twine.h"
#include <algorithm>

using namespace llvm;
using namespace moe;
using namespace moe::run;

//===----------------------------------------------------------------------===//
// Checks
//===----------------------------------------------------------------------===//

static Error checkLengths(ArrayRef<std::vector<int64_t>> prompts) {
  for (auto [i, prompt] : enumerate(prompts)) {
    if (prompt.empty())
      return invalidInput("prompt " + Twine(i) +
                          " has no token, expected at least one; write more "
                          "[moe-run-prompt-empty]");
    if (prompt.size() != prompts.front().size())
      return invalidInput("prompt " + Twine(i) + " has " +
                          Twine(prompt.size()) + " tokens, but prompt 0 has " +
                          Twine(prompts.front().size()) +
                          "; run prompts of different lengths one by one "
                          "[moe-run-prompt-lengths]");
  }
  return Error::success();
}

static Error checkIds(ArrayRef<std::vector<int64_t>> prompts,
                      int64_t vocabulary) {
  for (auto [i, prompt] : enumerate(prompts))
    for (int64_t id : prompt)
      if (id < 0 || (vocabulary != 0 && id >= vocabulary))
        return invalidInput("prompt " + Twine(i) + " has id " + Twine(id) +
                            ", expected ids from 0 to " +
                            Twine(vocabulary - 1) +
                            "; use the tokenizer of this model "
                            "[moe-run-prompt-id]");
  return Error::success();
}

Error moe::run::checkRequest(const GenerationRequest &request,
                             int64_t vocabulary, int64_t maxPositions) {
  if (Error error = checkLengths(request.prompts))
    return error;
  if (Error error = checkIds(request.prompts, vocabulary))
    return error;
  int64_t length = request.prompts.front().size(), total;
  if (__builtin_add_overflow(length, request.maxNewTokens, &total) ||
      (maxPositions != 0 && total > maxPositions))
    return invalidInput(Twine(length) + " prompt tokens and " +
                        Twine(request.maxNewTokens) +
                        " new ones are more than the " + Twine(maxPositions) +
                        " positions of the model; shorten the prompt or lower "
                        "--max-new-tokens [moe-run-positions]");
  if (request.context != 0 && total > request.context)
    return invalidInput(
        Twine(length) + " prompt tokens and " + Twine(request.maxNewTokens) +
        " new ones do not fit in --context " + Twine(request.context) +
        "; raise it or leave it out [moe-run-context]");
  return Error::success();
}

//===----------------------------------------------------------------------===//
// Generation
//===----------------------------------------------------------------------===//

namespace {
/// One run of `generate`.
class Generator {
public:
  Generator(LanguageModel &model, const GenerationRequest &request)
      : model(model), request(request), rows(request.prompts),
        ended(rows.size(), false) {}

  Expected<Generation> run(function_ref<void(ArrayRef<int64_t>)> onStep);

private:
  /// Runs the model so that its last logits are those of the next token.
  Error runStep(int64_t step);
  /// Appends a token to each row; returns them, -1 for rows that had ended.
  Expected<std::vector<int64_t>> appendTokens(int64_t step);
  Error storeIds();
  /// All ids of the rows from position `past` on.
  std::vector<int64_t> takeIds(int64_t past) const;

  int64_t getPromptLength() const { return request.prompts.front().size(); }

  LanguageModel &model;
  const GenerationRequest &request;
  std::vector<std::vector<int64_t>> rows;
  std::vector<bool> ended;
  int64_t lastPosition = 0; ///< of the last call, whose logits count
  Generation result;
};
} // namespace

std::vector<int64_t> Generator::takeIds(int64_t past) const {
  std::vector<int64_t> ids;
  for (const std::vector<int64_t> &row : rows)
    ids.insert(ids.end(), row.begin() + past, row.end());
  return ids;
}

Error Generator::runStep(int64_t step) {
  bool runsAll = step == 0 || !request.useCache;
  int64_t past = runsAll ? 0 : getPromptLength() + step - 1;
  std::vector<int64_t> ids = takeIds(past);
  double start = getSeconds();
  if (Error error = model.run(ids, past))
    return error;
  CallTimes &times = result.times;
  (step == 0 ? times.prefillSeconds : times.decodeSeconds) +=
      getSeconds() - start;
  if (step == 0)
    times.prefillTokens += int64_t(ids.size());
  else
    times.decodeTokens += int64_t(rows.size());
  lastPosition = int64_t(rows.front().size()) - past - 1;
  return Error::success();
}

Expected<std::vector<int64_t>> Generator::appendTokens(int64_t step) {
  std::vector<int64_t> fresh(rows.size(), -1);
  for (auto [i, row] : enumerate(rows)) {
    if (ended[i]) {
      row.push_back(row.back());
      continue;
    }
    Expected<int64_t> token =
        pickToken(model.getLogits(i, lastPosition), request.sampling, i, step);
    if (!token)
      return token.takeError();
    row.push_back(fresh[i] = *token);
    ++result.lengths[i];
    ended[i] = is_contained(request.endOfText, *token);
  }
  return fresh;
}

/// The generated part of the rows as one tensor.
Error Generator::storeIds() {
  int64_t batch = rows.size(), steps = rows.front().size() - getPromptLength();
  Expected<Tensor> ids =
      Tensor::create("generated ids", MOE_I64, {batch, steps});
  if (!ids)
    return ids.takeError();
  auto *out = ids->elements<int64_t>().begin();
  for (const std::vector<int64_t> &row : rows)
    out = std::copy(row.begin() + getPromptLength(), row.end(), out);
  result.ids = std::move(*ids);
  return Error::success();
}

Expected<Generation>
Generator::run(function_ref<void(ArrayRef<int64_t>)> onStep) {
  result.lengths.assign(rows.size(), 0);
  int64_t needed = getPromptLength() + request.maxNewTokens;
  if (Error error = model.reset(rows.size(), std::max(needed, request.context)))
    return std::move(error);
  // What it leaves in the caches is written again.
  if (request.warmUp)
    if (Error error = model.runUnobserved(takeIds(0), 0))
      return std::move(error);
  for (int64_t step = 0;
       step < request.maxNewTokens && is_contained(ended, false); ++step) {
    if (Error error = runStep(step))
      return std::move(error);
    Expected<std::vector<int64_t>> fresh = appendTokens(step);
    if (!fresh)
      return fresh.takeError();
    if (step == 0 && request.keepPromptOutputs)
      result.promptOutputs = model.takeOutputs();
    if (onStep)
      onStep(*fresh);
  }
  if (Error error = storeIds())
    return std::move(error);
  return std::move(result);
}

Expected<Generation>
moe::run::generate(LanguageModel &model, const GenerationRequest &request,
                   function_ref<void(ArrayRef<int64_t>)> onStep) {
  return Generator(model, request).run(onStep);
}

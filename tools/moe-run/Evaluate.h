//===- Evaluate.h - How well a model predicts a text ------------*- C++ -*-===//
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef MOE_TOOLS_MOERUN_EVALUATE_H
#define MOE_TOOLS_MOERUN_EVALUATE_H

#include "Generate.h"
#include "LanguageModel.h"

namespace moe::run {

/// Over positions 1 .. T-1 of all windows.
struct Evaluation {
  int64_t numWindows = 0;
  int64_t numTokens = 0;  ///< predicted ones: windows * (T - 1)
  double sumNll = 0;      ///< negative log-likelihood in nats
  int64_t numCorrect = 0; ///< where the token has the largest logit
  /// The token of the largest logit at each of these positions, i64 [N, T - 1].
  Tensor predictions;
  CallTimes times;

  double getMeanNll() const { return sumNll / double(numTokens); }
  double getAccuracy() const { return double(numCorrect) / double(numTokens); }
};

/// Negative log-likelihood of `token` in nats.
double getNll(llvm::ArrayRef<float> logits, int64_t token);

/// Runs `windows`, i32 or i64 [N, T], `batch` at a time. `onWindows` is told
/// how many are done.
llvm::Expected<Evaluation>
evaluate(LanguageModel &model, const Tensor &windows, int64_t batch,
         llvm::function_ref<void(int64_t)> onWindows = nullptr);

/// Refuses `predictions` that are not of an evaluation of such windows; `file`
/// is where they come from.
llvm::Error checkPredictions(const Tensor &predictions, const Tensor &windows,
                             llvm::StringRef file);

/// The share of predictions that two evaluations of the same windows have in
/// common.
double getAgreement(const Tensor &predictions, const Tensor &others);

/// Refuses what cannot be evaluated: no window, windows of fewer than two
/// tokens or more than `maxPositions` (0: not known).
llvm::Error checkWindows(const Tensor &windows, int64_t maxPositions);

} // namespace moe::run

#endif // MOE_TOOLS_MOERUN_EVALUATE_H

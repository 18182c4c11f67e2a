//===- LanguageModel.h - Continues sequences of token ids -------*- C++ -*-===//
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef MOE_TOOLS_MOERUN_LANGUAGEMODEL_H
#define MOE_TOOLS_MOERUN_LANGUAGEMODEL_H

#include "Entry.h"
#include "llvm/ADT/StringRef.h"
#include <cstdint>
#include <functional>
#include <vector>

namespace moe::run {

/// What the arguments of a language model are called. Its state has no fixed
/// names: it is what outputs are tied to.
namespace names {
inline constexpr llvm::StringLiteral inputIds = "input_ids";
inline constexpr llvm::StringLiteral past = "past";
inline constexpr llvm::StringLiteral logits = "logits";
inline constexpr llvm::StringLiteral lastLogits = "last_logits";
} // namespace names

/// Calls an entry (input_ids i64 [batch, seq], past i64 [], state...) ->
/// (logits f32 [batch, seq, vocabulary], state..., others) and keeps its state.
/// It may have last_logits f32 [batch, vocabulary] instead of logits.
class LanguageModel {
public:
  /// Whether `function` has that form.
  static bool fits(const moe_function &function);
  /// Fails with a message that says what is missing.
  static llvm::Expected<LanguageModel> create(Entry &entry);

  /// Makes room for `batch` sequences of at most `context` positions.
  llvm::Error reset(int64_t batch, int64_t context);

  /// Runs `ids`, `batch` rows of equal length one after another, that follow
  /// `past` positions. Afterwards getLogits and getResults are of this call.
  llvm::Error run(llvm::ArrayRef<int64_t> ids, int64_t past);
  /// The same without telling the observer.
  llvm::Error runUnobserved(llvm::ArrayRef<int64_t> ids, int64_t past);

  /// Told of the outputs and the number of tokens of every call of run.
  using Observer = std::function<void(llvm::ArrayRef<NamedTensor>, int64_t)>;
  void setObserver(Observer newObserver) { observer = std::move(newObserver); }

  int64_t getBatch() const { return batch; }
  /// Extent of the last dimension of the logits. After run.
  int64_t getVocabulary() const;
  /// The logits after the given position of the last call; with last_logits, of
  /// the last one, which `position` must be.
  llvm::ArrayRef<float> getLogits(int64_t sequence, int64_t position) const;
  /// All outputs of the last call; the state is what it is now.
  std::vector<NamedTensor> getResults() const { return name(outputs); }

  /// Passes the outputs of the last call to the caller.
  std::vector<Tensor> takeOutputs() { return std::move(outputs); }
  /// Names what takeOutputs returned; the state is what it is now.
  std::vector<NamedTensor> name(llvm::ArrayRef<Tensor> taken) const;

private:
  explicit LanguageModel(Entry &entry);
  llvm::Error fillInputs(llvm::ArrayRef<int64_t> ids, int64_t past);
  const Tensor &logits() const { return outputs[logitsOutput]; }
  /// Whether there are logits of each position.
  bool hasAllLogits() const { return logits().getShape().size() == 3; }
  /// The shape of the logits for ids of this shape, without the vocabulary.
  llvm::ArrayRef<int64_t> expectRows(llvm::ArrayRef<int64_t> ids) const {
    return hasAllLogits() ? ids : ids.take_front();
  }

  Entry *entry;
  size_t idsInput, pastInput;
  size_t logitsOutput; ///< among the outputs that are passed
  int64_t batch = 0;
  std::vector<Tensor> inputs, outputs;
  Observer observer;
};

} // namespace moe::run

#endif // MOE_TOOLS_MOERUN_LANGUAGEMODEL_H

//===- Tokenizer.h - Text to token ids and back -----------------*- C++ -*-===//
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef MOE_TOOLS_MOERUN_TOKENIZER_H
#define MOE_TOOLS_MOERUN_TOKENIZER_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace moe::run {

/// The tokenizer.model (SentencePiece) of a model directory, with the tokens
/// that its added_tokens.json adds and what its tokenizer_config.json says of
/// the beginning of a text.
class Tokenizer {
public:
  /// Whether `directory` holds a tokenizer that `load` may read.
  static bool isIn(llvm::StringRef directory);
  static llvm::Expected<Tokenizer> load(llvm::StringRef directory);
  Tokenizer(Tokenizer &&) noexcept;
  ~Tokenizer();

  /// The pieces of `text`, without an id for its beginning. Special tokens that
  /// are written out, such as "</s>", are those tokens, the longest one first.
  llvm::Expected<std::vector<int64_t>> encode(llvm::StringRef text) const;
  /// The text of all ids. Control ids have none, added tokens are written out;
  /// an id that the tokenizer does not know reads as U+FFFD.
  std::string decode(llvm::ArrayRef<int64_t> ids) const;

  /// The id that begins a text, if the tokenizer has one.
  std::optional<int64_t> getBeginOfText() const;
  /// Whether texts get it, if they do not begin with it already.
  bool addsBeginOfText() const;
  /// The byte that `id` stands for, if it stands for one.
  std::optional<char> getByte(int64_t id) const;
  int64_t size() const;

private:
  struct Impl;
  explicit Tokenizer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl;
};

} // namespace moe::run

#endif // MOE_TOOLS_MOERUN_TOKENIZER_H

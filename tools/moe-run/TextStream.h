//===- TextStream.h - Decodes ids one by one --------------------*- C++ -*-===//
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef MOE_TOOLS_MOERUN_TEXTSTREAM_H
#define MOE_TOOLS_MOERUN_TEXTSTREAM_H

#include "Tokenizer.h"

namespace moe::run {

/// Turns ids into text as they come: what push and finish return, one after
/// another, is what Tokenizer::decode makes of all ids, and every part ends
/// where a character ends. The cost of an id does not grow with those before.
class TextStream {
public:
  explicit TextStream(const Tokenizer &tokenizer) : tokenizer(tokenizer) {}

  /// The text that is certain after one more id; often, but not always, of this
  /// id alone.
  std::string push(int64_t id);
  /// The text of an incomplete character at the end.
  std::string finish() { return emit(/*numHeld=*/0); }

private:
  std::string emit(size_t numHeld);
  size_t countHeldIds() const;
  void restart();

  const Tokenizer &tokenizer;
  /// The last ids. The text of the first `emitted` bytes of them was returned;
  /// what came before does not change the text of what follows.
  std::vector<int64_t> window;
  size_t emitted = 0;
};

} // namespace moe::run

#endif // MOE_TOOLS_MOERUN_TEXTSTREAM_H

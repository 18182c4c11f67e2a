//===- TextStream.cpp - Decodes ids one by one ----------------------------===//
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "TextStream.h"
#include "Utf8.h"

using namespace moe::run;

std::string TextStream::push(int64_t id) {
  window.push_back(id);
  size_t numHeld = countHeldIds();
  std::string text = emit(numHeld);
  if (numHeld == 0)
    restart();
  return text;
}

/// How many ids at the end are bytes of a character that is not complete.
size_t TextStream::countHeldIds() const {
  std::string bytes;
  for (auto id = window.rbegin(); id != window.rend() && bytes.size() < 3;
       ++id) {
    std::optional<char> byte = tokenizer.getByte(*id);
    if (!byte)
      break;
    bytes.insert(bytes.begin(), *byte);
  }
  return countIncompleteBytes(bytes);
}

std::string TextStream::emit(size_t numHeld) {
  std::string text =
      tokenizer.decode(llvm::ArrayRef(window).drop_back(numHeld));
  if (text.size() <= emitted)
    return "";
  std::string fresh = text.substr(emitted);
  emitted = text.size();
  return fresh;
}

/// Forgets all but the last id. That one stays, because the first piece of a
/// text is decoded differently (without its leading space); it must have text,
/// because a piece without text leaves the next one first. Bytes are kept until
/// another piece ends their run.
void TextStream::restart() {
  int64_t last = window.back();
  if (tokenizer.getByte(last))
    return;
  std::string text = tokenizer.decode(last);
  if (text.empty())
    return;
  window = {last};
  emitted = text.size();
}

//===- Utf8.h - Where characters end ----------------------------*- C++ -*-===//
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef MOE_TOOLS_MOERUN_UTF8_H
#define MOE_TOOLS_MOERUN_UTF8_H

#include "llvm/ADT/StringRef.h"
#include <algorithm>

namespace moe::run {

/// How many bytes a character has that starts with `lead`; 0 when none does.
inline size_t getUtf8Length(unsigned char lead) {
  if (lead < 0x80)
    return 1;
  if (lead >= 0xC2 && lead < 0xE0)
    return 2;
  if (lead >= 0xE0 && lead < 0xF0)
    return 3;
  if (lead >= 0xF0 && lead < 0xF5)
    return 4;
  return 0;
}

/// How many bytes at the end of `text` begin a character that more bytes may
/// complete: 0 to 3.
inline size_t countIncompleteBytes(llvm::StringRef text) {
  for (size_t back = 1; back <= std::min<size_t>(3, text.size()); ++back) {
    unsigned char byte = text[text.size() - back];
    bool isContinuation = (byte & 0xC0) == 0x80;
    if (!isContinuation)
      return getUtf8Length(byte) > back ? back : 0;
  }
  return 0;
}

} // namespace moe::run

#endif // MOE_TOOLS_MOERUN_UTF8_H

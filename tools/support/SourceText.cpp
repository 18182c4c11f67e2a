//===- SourceText.cpp - Files that may hold MLIR --------------------------===//
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "support/SourceText.h"
#include "support/ExitCode.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/Twine.h"
#include "llvm/Support/Endian.h"
#include "llvm/Support/JSON.h"
#include <algorithm>

using namespace llvm;
using namespace moe;

/// Of Unicode, below U+00A0, in UTF-8; `next` is the byte after it.
static bool isControl(unsigned char byte, unsigned char next) {
  bool isLayout = byte == '\t' || byte == '\n' || byte == '\r' ||
                  byte == '\f' || byte == '\v';
  return (byte < ' ' && !isLayout) || byte == 0x7F ||
         (byte == 0xC2 && next >= 0x80 && next < 0xA0);
}

/// Where the first control character of `text` is, or its size.
static size_t findControl(StringRef text, size_t from = 0) {
  for (size_t i = from; i < text.size(); ++i)
    if (isControl(text[i], i + 1 < text.size() ? text[i + 1] : 0))
      return i;
  return text.size();
}

std::string moe::maskControls(StringRef text) {
  std::string masked = text.str();
  for (size_t i = findControl(masked); i < masked.size();
       i = findControl(masked, i + 1)) {
    bool hasTwoBytes = static_cast<unsigned char>(masked[i]) == 0xC2;
    masked.replace(i, hasTwoBytes ? 2 : 1, "?");
  }
  return masked;
}

bool moe::isBytecode(StringRef contents) {
  return contents.starts_with("ML\xefR");
}

/// The length of a header, then the header.
static bool isSafetensors(StringRef contents) {
  constexpr size_t prefix = 8;
  return contents.size() > prefix && contents[prefix] == '{' &&
         support::endian::read64le(contents.data()) <= contents.size() - prefix;
}

/// Where `contents` stops being text, or its size.
static size_t findNoText(StringRef contents) {
  size_t invalid = contents.size();
  json::isUTF8(contents, &invalid);
  return std::min(invalid, findControl(contents));
}

Error moe::checkSourceText(StringRef path, StringRef contents) {
  if (isBytecode(contents))
    return makeError(MOE_UNSUPPORTED,
                     "expected MLIR text, but '" + path +
                         "' is bytecode; convert it with moe-opt "
                         "--read-bytecode [moe-text-bytecode]");
  if (isSafetensors(contents))
    return invalidInput("expected MLIR text or a model directory, but '" +
                        path +
                        "' is a .safetensors file; give it to moe-run with "
                        "--weights [moe-text-safetensors]");
  size_t at = findNoText(contents);
  if (at == contents.size())
    return Error::success();
  return makeError(MOE_INVALID_DATA,
                   "expected MLIR text, but '" + path + "' has byte 0x" +
                       utohexstr(static_cast<unsigned char>(contents[at])) +
                       " at offset " + Twine(at) +
                       "; check that this is the right file "
                       "[moe-text-binary]");
}

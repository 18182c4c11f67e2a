//===- Failure.cpp - How libMoE reports
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Failure.h"
#include <algorithm>
#include <cstring>
#include <sstream>

using namespace moe::capi;

/// The errors among the lines of MLIR's diagnostics, or else all lines.
static std::string joinErrors(const std::string &message) {
  std::string errors, lines, line;
  std::istringstream stream(message);
  auto append = [&](std::string &text) {
    text += (text.empty() ? "" : "; ") + line;
  };
  while (std::getline(stream, line)) {
    append(lines);
    if (line.find(": error: ") != std::string::npos)
      append(errors);
  }
  return errors.empty() ? lines : errors;
}

/// Where the tag that `message` ends in begins; npos without a tag.
static size_t findTag(const std::string &message) {
  size_t begin = message.rfind("[moe-");
  bool isLast = begin != std::string::npos &&
                message.find(']', begin) == message.size() - 1;
  return isLast ? begin : std::string::npos;
}

/// `text` with at most `size` bytes, cut between characters of UTF-8.
static std::string cut(const std::string &text, size_t size) {
  if (text.size() <= size)
    return text;
  while (size > 0 && (static_cast<unsigned char>(text[size]) & 0xC0) == 0x80)
    --size;
  return text.substr(0, size);
}

/// Shortens `message` to what a moe_error has room for.
static std::string fit(const std::string &message, size_t tag) {
  const std::string gap = "... ";
  size_t room = sizeof(moe_error::message) - 1;
  if (message.size() <= room)
    return message;
  std::string end = gap + message.substr(tag);
  return cut(message, room - std::min(room, end.size())) + end;
}

int32_t moe::capi::report(moe_error *error, int32_t status,
                          const std::string &message) {
  std::string text = joinErrors(message);
  if (findTag(text) == std::string::npos)
    text = "the model could not be opened: " + text + " [moe-model-open]";
  return moe_error_set(error, status, "%s", fit(text, findTag(text)).c_str());
}

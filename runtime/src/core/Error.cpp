//===- Error.cpp - Messages in fixed buffers ------------------------------===//
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "core/Boundary.h"

#include <cstdarg>
#include <cstdio>
#include <cstring>

using namespace moe::rt;

/// Control characters of a hostile name must not reach a terminal.
static void maskControlCharacters(char *text) {
  for (; *text; ++text) {
    unsigned char c = static_cast<unsigned char>(*text);
    if (c < 0x20 || c == 0x7f)
      *text = '?';
  }
}

/// Where a cut of `text` at `length` does not split a UTF-8 sequence.
static size_t cutBeforeSequence(const char *text, size_t length) {
  while (length > 0 &&
         (static_cast<unsigned char>(text[length]) & 0xC0) == 0x80)
    --length;
  return length;
}

/// A message that is too long loses its middle, never its tag: formats end in
/// the tag, so it can be taken from there.
static void keepTag(char *message, size_t capacity, const char *format) {
  const char *tag = std::strrchr(format, '[');
  if (!tag || std::strncmp(tag, "[moe-", 5) != 0)
    return;
  size_t tagLength = std::strlen(tag) + std::strlen("... ");
  if (tagLength + 1 > capacity)
    return;
  size_t cut = cutBeforeSequence(message, capacity - 1 - tagLength);
  std::snprintf(message + cut, capacity - cut, "... %s", tag);
}

int32_t moe_error_set(moe_error *error, int32_t status, const char *format,
                      ...) {
  if (!error)
    return status;
  error->status = status;
  va_list arguments;
  va_start(arguments, format);
  int length =
      std::vsnprintf(error->message, sizeof(error->message), format, arguments);
  va_end(arguments);
  if (length < 0)
    error->message[0] = '\0';
  else if (static_cast<size_t>(length) >= sizeof(error->message))
    keepTag(error->message, sizeof(error->message), format);
  maskControlCharacters(error->message);
  return status;
}

const char *moe_status_name(int32_t status) {
  switch (status) {
  case MOE_OK:
    return "ok";
  case MOE_INVALID_ARGUMENT:
    return "invalid-argument";
  case MOE_INVALID_DATA:
    return "invalid-data";
  case MOE_NOT_FOUND:
    return "not-found";
  case MOE_IO_ERROR:
    return "io-error";
  case MOE_OUT_OF_MEMORY:
    return "out-of-memory";
  case MOE_UNSUPPORTED:
    return "unsupported";
  case MOE_INTERNAL:
    return "internal";
  }
  return "unknown";
}

Shown::Shown(const char *name) {
  if (!name)
    name = "(null)";
  size_t length = std::strlen(name);
  if (length < sizeof(text)) {
    std::memcpy(text, name, length + 1);
    return;
  }
  size_t cut = cutBeforeSequence(name, sizeof(text) - sizeof("..."));
  std::memcpy(text, name, cut);
  std::memcpy(text + cut, "...", sizeof("..."));
}

ShownPath::ShownPath(const char *path) {
  if (!path)
    path = "(null)";
  size_t length = std::strlen(path);
  if (length < sizeof(text)) {
    std::memcpy(text, path, length + 1);
    return;
  }
  size_t kept = sizeof(text) - sizeof("...");
  std::memcpy(text, "...", sizeof("...") - 1);
  std::memcpy(text + sizeof("...") - 1, path + length - kept, kept + 1);
}

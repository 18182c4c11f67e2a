//===- Text.h - Building messages -------------------------------*- C++ -*-===//
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef MOE_LIB_IMPORT_HUGGINGFACE_TEXT_H
#define MOE_LIB_IMPORT_HUGGINGFACE_TEXT_H

#include <cstdint>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

namespace mlir::moe::hf {

/// The parts written one after another.
template <typename... Parts> std::string cat(const Parts &...parts) {
  std::ostringstream stream;
  (stream << ... << parts);
  return stream.str();
}

/// Text from a file, made fit for a terminal: quoted, control and non-ASCII
/// bytes as "\xNN", cut when long.
std::string inQuotes(std::string_view text);

/// "[2, 3, 4]".
std::string shapeText(const std::vector<int64_t> &shape);

/// `text` with every occurrence of `placeholder` replaced by `index`.
std::string withIndex(std::string_view text, std::string_view placeholder,
                      int64_t index);

inline bool endsWith(std::string_view text, std::string_view suffix) {
  return text.size() >= suffix.size() &&
         text.substr(text.size() - suffix.size()) == suffix;
}

} // namespace mlir::moe::hf

#endif // MOE_LIB_IMPORT_HUGGINGFACE_TEXT_H

//===- Text.cpp - Building messages ---------------------------------------===//
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Text.h"

using namespace mlir::moe::hf;

std::string mlir::moe::hf::inQuotes(std::string_view text) {
  constexpr size_t maxShown = 80;
  constexpr char digits[] = "0123456789abcdef";
  std::string result = "'";
  for (unsigned char byte : text.substr(0, maxShown)) {
    if (byte >= 0x20 && byte < 0x7f) {
      result += static_cast<char>(byte);
      continue;
    }
    result += "\\x";
    result += digits[byte >> 4];
    result += digits[byte & 15];
  }
  return result + (text.size() > maxShown ? "...'" : "'");
}

std::string mlir::moe::hf::shapeText(const std::vector<int64_t> &shape) {
  std::string result = "[";
  for (int64_t extent : shape) {
    if (result.size() > 1)
      result += ", ";
    result += std::to_string(extent);
  }
  return result + "]";
}

std::string mlir::moe::hf::withIndex(std::string_view text,
                                     std::string_view placeholder,
                                     int64_t index) {
  std::string result;
  for (size_t found = text.find(placeholder); found != std::string_view::npos;
       found = text.find(placeholder)) {
    result += text.substr(0, found);
    result += std::to_string(index);
    text.remove_prefix(found + placeholder.size());
  }
  return result += text;
}

//===- Support.h - Checks of values that may be errors ----------*- C++ -*-===//
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef MOE_UNITTESTS_RUN_SUPPORT_H
#define MOE_UNITTESTS_RUN_SUPPORT_H

#include "llvm/Support/Error.h"
#include <gtest/gtest.h>

namespace moe::run {

/// The value, or a failed test.
template <typename T> T take(llvm::Expected<T> value) {
  if (value)
    return std::move(*value);
  ADD_FAILURE() << llvm::toString(value.takeError());
  std::abort();
}

/// The message, empty on success.
inline std::string messageOf(llvm::Error error) {
  return error ? llvm::toString(std::move(error)) : "";
}
template <typename T> std::string messageOf(llvm::Expected<T> value) {
  return messageOf(value.takeError());
}

/// Whether `text` has something to say and ends in that tag, "[moe-...]".
inline ::testing::AssertionResult hasTag(const std::string &text,
                                         const std::string &tag) {
  if (text.size() > tag.size() &&
      text.compare(text.size() - tag.size(), tag.size(), tag) == 0)
    return ::testing::AssertionSuccess();
  return ::testing::AssertionFailure() << "'" << text << "' lacks " << tag;
}

} // namespace moe::run

#endif // MOE_UNITTESTS_RUN_SUPPORT_H

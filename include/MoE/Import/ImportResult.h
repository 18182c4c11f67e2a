//===- ImportResult.h - A value or a message --------------------*- C++ -*-===//
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What fallible functions of the importer return. The message is one sentence
// for the user: what was found, what was expected, what to do, and the tag
// "[moe-NAME]" of the rule. The status says of which kind the failure is.
//
//===----------------------------------------------------------------------===//

#ifndef MOE_IMPORT_IMPORTRESULT_H
#define MOE_IMPORT_IMPORTRESULT_H

#include "MoE/Runtime/Abi.h"

#include <optional>
#include <string>
#include <utility>

namespace mlir::moe::hf {

/// A message for the user, ending in "[moe-NAME]".
struct ImportError {
  std::string message;
  moe_status status = MOE_INVALID_DATA;
};

/// Either a T or an ImportError. Dereference it only when it is true.
template <typename T> class [[nodiscard]] ImportResult {
public:
  ImportResult(T value) : value(std::move(value)) {}
  ImportResult(ImportError error) : failure(std::move(error)) {}

  explicit operator bool() const { return value.has_value(); }
  T &operator*() { return *value; }
  const T &operator*() const { return *value; }
  T *operator->() { return &*value; }
  const T *operator->() const { return &*value; }

  /// Empty when there is a value.
  const std::string &message() const { return failure.message; }
  /// The failure, to be returned as an ImportResult of another type.
  const ImportError &error() const { return failure; }

private:
  std::optional<T> value;
  ImportError failure;
};

} // namespace mlir::moe::hf

#endif // MOE_IMPORT_IMPORTRESULT_H

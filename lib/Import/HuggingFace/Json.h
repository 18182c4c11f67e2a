//===- Json.h - Strict reading of JSON --------------------------*- C++ -*-===//
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef MOE_LIB_IMPORT_HUGGINGFACE_JSON_H
#define MOE_LIB_IMPORT_HUGGINGFACE_JSON_H

#include "MoE/Import/ImportResult.h"

#include <nlohmann/json.hpp>

#include <string_view>

namespace mlir::moe::hf {

/// Parses a JSON object, strictly (MoE/Support/StrictJson.h). Size and the
/// number of values are limited too (ModelConfig.h). `origin` names the text in
/// messages. Never throws.
ImportResult<nlohmann::json> parseStrictJson(std::string_view text,
                                             std::string_view origin);

/// A value as text for a message: JSON, cut when long.
std::string valueText(const nlohmann::json &value);

} // namespace mlir::moe::hf

#endif // MOE_LIB_IMPORT_HUGGINGFACE_JSON_H

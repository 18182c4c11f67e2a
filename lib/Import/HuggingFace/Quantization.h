//===- Quantization.h - What a quantization_config says ---------*- C++ -*-===//
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef MOE_LIB_IMPORT_HUGGINGFACE_QUANTIZATION_H
#define MOE_LIB_IMPORT_HUGGINGFACE_QUANTIZATION_H

#include "MoE/Import/ImportResult.h"
#include "MoE/Import/ModelConfig.h"

#include <nlohmann/json.hpp>

#include <string_view>

namespace mlir::moe::hf {

/// Reads the value of "quantization_config". Keys that no list knows are added
/// to `unknownKeys`. `origin` names the file in messages.
ImportResult<QuantizationConfig>
parseQuantization(const nlohmann::json &root, std::string_view origin,
                  std::vector<std::string> &unknownKeys);

} // namespace mlir::moe::hf

#endif // MOE_LIB_IMPORT_HUGGINGFACE_QUANTIZATION_H

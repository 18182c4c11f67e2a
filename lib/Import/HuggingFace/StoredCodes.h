//===- StoredCodes.h - Where checkpoints have codes -------------*- C++ -*-===//
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef MOE_LIB_IMPORT_HUGGINGFACE_STOREDCODES_H
#define MOE_LIB_IMPORT_HUGGINGFACE_STOREDCODES_H

#include "MoE/Import/WeightMap.h"

namespace mlir::moe::hf {

/// The tensors that hold the codes of `weight` in a checkpoint quantized as
/// `config` says; nothing if its matrices are no linear layers with a tensor of
/// their own. The type of scales is that of the file.
std::optional<StoredCodes> storedCodes(const QuantizationConfig &config,
                                       const Weight &weight);

/// All parts, in the order in which they are declared.
std::vector<const CodePart *> partsOf(const StoredCodes &stored);

/// How the names of tensors end that say nothing which other tensors do not.
std::vector<std::string_view> redundantSuffixes(StoredFormat format);

} // namespace mlir::moe::hf

#endif // MOE_LIB_IMPORT_HUGGINGFACE_STOREDCODES_H

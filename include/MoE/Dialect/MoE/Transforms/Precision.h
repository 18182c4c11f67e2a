//===- Precision.h - Types that weights and rows are narrowed to -*- C++ -*-
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef MOE_DIALECT_MOE_TRANSFORMS_PRECISION_H
#define MOE_DIALECT_MOE_TRANSFORMS_PRECISION_H

#include <cstdint>

namespace mlir::moe {

/// The narrowest type that rows may be rounded to where they meet weights that
/// are no wider, in experts and in dense layers (moe-narrow-rows): bf16 where
/// weights are bf16, 8-bit codes where they are quantized, of which a row has
/// one scale, or (grouped) one for each scale of a row of the weights.
enum class Activations { F32, BF16, Int8, Int8Grouped };

/// What the matrices of experts become when they are loaded
/// (moe-quantize-experts).
enum class ExpertFormat { Stored, Int8, Int4 };

/// How the matrices of experts are quantized.
struct ExpertQuantization {
  ExpertFormat format = ExpertFormat::Stored;
  /// Columns that share a scale; 0: all of a row; kDefaultGroup: 0 for Int8,
  /// and for Int4, whose 16 values say little of a whole row, 32.
  int64_t group = kDefaultGroup;
  /// Each scale has a zero of its own.
  bool zeroPoints = false;

  static constexpr int64_t kDefaultGroup = -1;
  int64_t getBits() const { return format == ExpertFormat::Int4 ? 4 : 8; }
  int64_t getGroup() const {
    if (group != kDefaultGroup)
      return group;
    return format == ExpertFormat::Int4 ? 32 : 0;
  }
};

} // namespace mlir::moe

#endif // MOE_DIALECT_MOE_TRANSFORMS_PRECISION_H

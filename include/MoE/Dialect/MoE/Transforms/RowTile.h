//===- RowTile.h - How many rows are computed together ----------*- C++ -*-===//
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef MOE_DIALECT_MOE_TRANSFORMS_ROWTILE_H
#define MOE_DIALECT_MOE_TRANSFORMS_ROWTILE_H

#include <cstdint>

namespace mlir::moe {

/// Most rows of a tile of an expert, unless an option says otherwise. The pass,
/// the pipeline and the tools share it; without MLIR, for the tools.
inline constexpr int64_t kDefaultRowTile = 64;

} // namespace mlir::moe

#endif // MOE_DIALECT_MOE_TRANSFORMS_ROWTILE_H

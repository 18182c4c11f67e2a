//===- VectorBody.h - Scalar bodies on vectors -*- C++ -*-
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef MOE_TRANSFORMS_UTILS_VECTORBODY_H
#define MOE_TRANSFORMS_UTILS_VECTORBODY_H

#include "mlir/IR/Builders.h"
#include "mlir/IR/Region.h"

namespace mlir::moe {

/// The first op of `body`, a region of scalar ops, that has no form on vectors;
/// null if all have one.
Operation *findNotVectorizable(Region &body);

/// Clones `body` for vectors of `lanes` elements: `arguments` are vectors, one
/// per argument of the body. Returns what the body yields.
Value cloneOnVectors(OpBuilder &builder, Region &body, ValueRange arguments,
                     int64_t lanes);

} // namespace mlir::moe

#endif // MOE_TRANSFORMS_UTILS_VECTORBODY_H

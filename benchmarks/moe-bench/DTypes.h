//===- DTypes.h - Types of weights ---------------------------- -*- C++ -*-===//
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef MOE_BENCHMARKS_MOEBENCH_DTYPES_H
#define MOE_BENCHMARKS_MOEBENCH_DTYPES_H

#include "MoE/Dialect/MoE/Transforms/Precision.h"
#include "PeakProbe.h"
#include "llvm/ADT/StringRef.h"

namespace moe::bench {

/// A type of expert weights.
struct DType {
  const char *name;
  int32_t element; ///< moe_dtype that the weights are stored in
  mlir::moe::ExpertQuantization quantization; ///< what they become
  Arithmetic arithmetic; ///< of the peak that the layer is compared with
  mlir::moe::Activations activations; ///< type of rows that meet the weights
  /// Largest difference to the oracle, relative to the row's largest magnitude,
  /// when rows are rounded to the type before they are multiplied. For f32 that
  /// of long sums in another order: the experts of the oracle's run add in f32.
  /// The oracle has the weights as they are stored.
  double errorBound;

  /// Bytes of an element as it is stored.
  int64_t getStoredBytes() const;
  /// Bytes that a row of `columns` takes when it is loaded.
  int64_t getRowBytes(int64_t columns) const;
  /// Fails when `error` is more than the bound, or not a number.
  llvm::Error checkError(double error) const;
};

/// The type of that name, or an error for --dtype.
llvm::Expected<const DType *> findDType(llvm::StringRef name);

} // namespace moe::bench

#endif // MOE_BENCHMARKS_MOEBENCH_DTYPES_H

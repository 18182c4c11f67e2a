//===- CPUModel.h - What code generation knows of a processor -*- C++ -*-
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Pure functions from a processor's features and caches and the sizes of a
// matmul to a schedule: no table of shapes, and nothing here reads the machine.
//
//===----------------------------------------------------------------------===//

#ifndef MOE_ANALYSIS_CPUMODEL_H
#define MOE_ANALYSIS_CPUMODEL_H

#include "MoE/Dialect/MoE/IR/MoE.h"

namespace mlir::moe {

/// The parts of a processor that decide how a matmul runs on it.
struct CPUModel {
  int64_t lanes = 4;         ///< f32 elements of the widest useful vector
  int64_t registers = 16;    ///< vector registers
  bool hasBF16Pairs = false; ///< vdpbf16ps
  bool hasI8Quads = false;   ///< vpdpbusd
  int64_t l1Ways = 8;        ///< of the first-level data cache
  int64_t l2Bytes = 512 << 10;

  /// From LLVM's names of features, "+avx2,+fma,...". Without any, the baseline
  /// of x86-64.
  static CPUModel fromFeatures(llvm::StringRef features);
  /// The same with caches that are known better than from the features; 0 is
  /// not known. What no processor has is taken for the nearest that one has.
  CPUModel withCaches(int64_t l1Ways, int64_t l2Bytes) const;
};

/// A grouped matmul as far as its kernel depends on it.
struct MatmulShape {
  int64_t columns = 0; ///< N
  int64_t depth = 0;   ///< K
  int64_t banks = 1;   ///< multiplied with the same rows at the same time
  Type rowElement, bankElement;
  QuantizedAttr quantized; ///< of the banks, or null
  /// There is one matrix, and what reads the result wants one row at a time.
  bool isReadByRows = false;
};

/// How a matmul runs, and how its banks lie in memory.
struct MatmulSchedule {
  int64_t rowBlock = 1, panel = 1, depth = 1, lanes = 1;
  Dot dot = Dot::FMA;
  WorkOrder order = WorkOrder::Panels;
};

/// The schedule with the lowest estimated time per product on `model`.
MatmulSchedule chooseSchedule(const CPUModel &model, const MatmulShape &shape);

} // namespace mlir::moe

#endif // MOE_ANALYSIS_CPUMODEL_H

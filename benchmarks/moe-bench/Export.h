//===- Export.h - A case as a file ---------------------------- -*- C++ -*-===//
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef MOE_BENCHMARKS_MOEBENCH_EXPORT_H
#define MOE_BENCHMARKS_MOEBENCH_EXPORT_H

#include "Case.h"
#include "Layer.h"
#include "moe_rt/safetensors.h"

namespace moe::bench {

/// Writes x, router, gate, up, down and y of the first call to a .safetensors
/// file, for other engines. Opened before anything is computed, so that a name
/// that cannot be written is found early; without `write`, no file is left.
class Export {
public:
  static llvm::Expected<Export> open(const Options &options);

  /// The data of `data`, whose x is that of the first call, its weights and
  /// the expected `y`.
  llvm::Error write(const Case &data, const Options &options,
                    const test::Tensor &y);

private:
  struct Abandon {
    void operator()(moe_safetensors_writer *writer) const {
      moe_safetensors_writer_abandon(writer);
    }
  };

  llvm::Error append(const void *data, int64_t bytes);
  llvm::Error appendWeight(llvm::StringRef role, const moe_tensor &tensor,
                           uint64_t seed);

  std::unique_ptr<moe_safetensors_writer, Abandon> writer;
  int64_t sliceBytes = 0; ///< of each weight of an expert
};

} // namespace moe::bench

#endif // MOE_BENCHMARKS_MOEBENCH_EXPORT_H

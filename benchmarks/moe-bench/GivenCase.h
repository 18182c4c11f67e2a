//===- GivenCase.h - A layer with the data of a file ---------- -*- C++ -*-===//
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef MOE_BENCHMARKS_MOEBENCH_GIVENCASE_H
#define MOE_BENCHMARKS_MOEBENCH_GIVENCASE_H

#include "Layer.h"
#include "Options.h"
#include "moe_rt/safetensors.h"
#include "llvm/Support/FileUtilities.h"

namespace moe::bench {

/// A compiled layer on the data of --case=FILE: f32 tensors x [T, H],
/// router [E, H], gate and up [E, F, H], down [E, H, F] and y [T, H], the
/// result that is expected. Weights are rounded to the dtype.
class GivenCase {
public:
  /// Compiles and loads `options.copies` copies, and calls each once.
  static llvm::Expected<std::unique_ptr<GivenCase>>
  open(const Options &options);

  /// The norm of the difference to y over the norm of y; the largest of all
  /// copies. Of many thousand elements one says more about luck than about the
  /// arithmetic.
  double getError() const { return error; }
  /// Milliseconds of a call of the next copy.
  llvm::Expected<double> run();

private:
  explicit GivenCase(const Options &options) : options(options) {}
  llvm::Error read();
  llvm::Expected<moe_tensor> find(const char *name,
                                  llvm::ArrayRef<int64_t> shape) const;
  llvm::Error roundWeights();
  llvm::Error openSession();
  double compareWithExpected() const;

  struct CloseCheckpoint {
    void operator()(moe_checkpoint *file) const { moe_checkpoint_close(file); }
  };

  const Options &options;
  std::unique_ptr<moe_checkpoint, CloseCheckpoint> file;
  std::string weights; ///< the file that the layer's weights are read from
  llvm::FileRemover rounded;
  moe_tensor x = {}, expected = {};
  std::optional<test::Tensor> y, counts;
  std::unique_ptr<Session> session;
  std::vector<const moe_function *> entries; ///< one per copy
  int64_t numCalls = 0;
  double error = 0;
};

} // namespace moe::bench

#endif // MOE_BENCHMARKS_MOEBENCH_GIVENCASE_H

//===- Case.h - A layer with its data ------------------------- -*- C++ -*-===//
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef MOE_BENCHMARKS_MOEBENCH_CASE_H
#define MOE_BENCHMARKS_MOEBENCH_CASE_H

#include "Options.h"
#include "Pages.h"

namespace moe::bench {

/// How many copies of a layer are called in turn.
struct Rotation {
  int64_t copies = 0;
  int64_t bufferBytes = 0; ///< that reading goes through, at most a quarter
  /// What kept it from being more: "memory", "copies", or "" when nothing did.
  const char *limit = "";
};

/// Copies of `bytesPerCopy` for `rotateBytes` of weights, at least 2, in half
/// of `available` bytes of memory. Fails when there is no room for one.
llvm::Expected<Rotation> planRotation(int64_t bytesPerCopy, int64_t rotateBytes,
                                      int64_t available);

/// A module with an entry `layer.I(x) -> (y, counts)` for each of `copies`
/// copies, whose weights are gate.I, up.I, down.I and, in memory of its own,
/// router. They are read from tensors of the same names, or, if all copies have
/// the same weights, from gate, up and down.
std::string makeLayerText(const Sizes &sizes, const DType &dtype,
                          int64_t copies, bool sameWeights = false);

/// What a call costs at least.
struct Work {
  double operations = 0;
  int64_t weightBytes = 0; ///< of the router and the experts that got tokens
  int64_t expertsHit = 0, mostTokens = 0; ///< of one expert
  double meanTokens = 0;                  ///< of all experts
};

/// One case: data of the calls, which all engines share. The window of a call
/// says which experts its tokens go to.
class Case {
public:
  static llvm::Expected<std::unique_ptr<Case>> create(const Options &options,
                                                      const Rotation &rotation);

  const Sizes &getSizes() const { return sizes; }
  const Rotation &getRotation() const { return rotation; }
  const Work &getWork() const { return work; }

  /// Makes x that of `window`.
  void writeTokens(int64_t window) { tokens.write(routing, window, x.f32()); }
  moe_tensor getX() const;
  moe_tensor getRouter() const;
  moe_tensor getY() const;
  moe_tensor getCounts() const;
  /// Fails when the counts are not those of `window`.
  llvm::Error checkCounts(int64_t window) const;

private:
  Case(const Options &options, const Rotation &rotation,
       std::vector<float> router, std::mt19937_64 random);
  llvm::Error allocate();

  Sizes sizes;
  Rotation rotation;
  std::vector<float> router;
  Routing routing;
  Tokens tokens;
  Work work;
  Pages x, y, counts;
};

} // namespace moe::bench

#endif // MOE_BENCHMARKS_MOEBENCH_CASE_H

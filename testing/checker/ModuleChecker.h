//===- ModuleChecker.h - A module, compiled in every way and compared -*- C++
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef MOE_TESTING_CHECKER_MODULECHECKER_H
#define MOE_TESTING_CHECKER_MODULECHECKER_H

#include "llvm/ADT/StringRef.h"
#include <string>

namespace moe::test {

enum class Verdict {
  Passed,  ///< compiled, and equal to the reference
  Refused, ///< not compiled, with a diagnostic that has a tag
  Unclear, ///< differs, as the reference does for inputs that are nearly equal
  Failed,  ///< what this program looks for
};

struct CheckResult {
  Verdict verdict = Verdict::Passed;
  std::string stage;   ///< where it ended; empty when it passed
  std::string message; ///< why
};

/// Checks the module `text`:
///   * each level verifies, and prints and parses to itself;
///   * compiled for this processor and for haswell it computes what
///     `--reference` does, up to the tolerance that it states;
///   * one and two threads compute the same bits.
///
/// Comments at the start of `text` say what to run it with:
///   // size: SYMBOL=NUMBER   the value of a symbol (one line for each)
///   // tolerance: NUMBER     of a result, relative to the largest magnitude of
///                            its row (default 1e-5)
///
/// A result may differ by more where the reference itself does when its inputs
/// change by a few units in the last place: a choice between experts whose keys
/// are that close, a value at the edge of a rounding. Such rows are left out;
/// that there were some makes the verdict Unclear.
CheckResult checkModule(llvm::StringRef text);

/// Checks a text that need not be valid: it is refused with a tag or lowered to
/// the LLVM dialect, and nothing else happens.
CheckResult checkText(llvm::StringRef text);

} // namespace moe::test

#endif // MOE_TESTING_CHECKER_MODULECHECKER_H

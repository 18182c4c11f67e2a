//===- Compare.cpp - Compares results with what was expected --------------===//
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Compare.h"
#include "llvm/Support/Format.h"
#include <algorithm>
#include <cmath>
#include <limits>

using namespace llvm;
using namespace moe::run;

bool moe::run::matches(double got, double want, Tolerance tolerance) {
  if (got == want)
    return true;
  // A relative tolerance of an infinite value would accept everything.
  if (!std::isfinite(got) || !std::isfinite(want))
    return false;
  return std::fabs(got - want) <=
         std::max(tolerance.absolute, tolerance.relative * std::fabs(want));
}

static double getError(double got, double want) {
  if (got == want)
    return 0;
  double error = std::fabs(got - want);
  return std::isnan(error) ? std::numeric_limits<double>::infinity() : error;
}

/// Why the tensors cannot be compared, or an empty text.
static std::string findProblem(const moe_tensor &got, const moe_tensor &want) {
  if (isFloat(got.dtype) != isFloat(want.dtype) ||
      getShape(got) != getShape(want))
    return "got " + typeText(got) + ", expected " + typeText(want);
  return "";
}

static bool elementMatches(const moe_tensor &got, const moe_tensor &want,
                           int64_t i, Tolerance tolerance) {
  if (isFloat(got.dtype))
    return matches(readNumber(got, i), readNumber(want, i), tolerance);
  return readInteger(got, i) == readInteger(want, i);
}

Comparison moe::run::compare(const moe_tensor &got, const moe_tensor &want,
                             Tolerance tolerance) {
  Comparison result;
  result.problem = findProblem(got, want);
  if (!result.problem.empty())
    return result;
  result.numValues = countElements(want);
  for (int64_t i = 0; i < result.numValues; ++i) {
    double error = getError(readNumber(got, i), readNumber(want, i));
    if (result.largestAt < 0 || error > result.largestError) {
      result.largestError = error;
      result.largestAt = i;
    }
    if (elementMatches(got, want, i, tolerance))
      continue;
    if (result.numDifferent++ == 0)
      result.firstDifferent = i;
  }
  return result;
}

/// The shortest text that tells a value from its neighbours.
static void printValue(raw_ostream &os, const moe_tensor &tensor, int64_t i) {
  if (isInteger(tensor.dtype))
    os << readInteger(tensor, i);
  else
    os << format(tensor.dtype == MOE_F64 ? "%.17g" : "%.9g",
                 readNumber(tensor, i));
}

void moe::run::printComparison(raw_ostream &os, StringRef name,
                               const Comparison &comparison,
                               const moe_tensor &got, const moe_tensor &want) {
  os << "expect " << name << ": ";
  if (!comparison.problem.empty()) {
    os << "MISMATCH, " << comparison.problem << '\n';
    return;
  }
  if (comparison.isMatch()) {
    os << "match (";
  } else {
    int64_t first = comparison.firstDifferent;
    os << "MISMATCH, first at " << indexText(want, first) << ": got ";
    printValue(os, got, first);
    os << ", expected ";
    printValue(os, want, first);
    os << " (" << comparison.numDifferent << " differ, ";
  }
  if (comparison.largestAt >= 0)
    os << "largest error " << format("%.3g", comparison.largestError) << " at "
       << indexText(want, comparison.largestAt) << ", ";
  os << comparison.numValues << " values)\n";
}

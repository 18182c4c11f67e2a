//===- Print.cpp - Tensors as text ----------------------------------------===//
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Print.h"
#include "llvm/Support/Format.h"
#include <algorithm>
#include <cmath>
#include <limits>

using namespace llvm;
using namespace moe::run;

static void printHeader(raw_ostream &os, const NamedTensor &named) {
  os << named.name << ": " << typeText(*named.tensor);
}

static void printElement(raw_ostream &os, const moe_tensor &tensor, int64_t i) {
  if (isInteger(tensor.dtype))
    os << readInteger(tensor, i);
  else
    os << format("%.6g", readNumber(tensor, i));
}

void moe::run::printTensor(raw_ostream &os, const NamedTensor &named,
                           int64_t valuesPerRow) {
  const moe_tensor &tensor = *named.tensor;
  printHeader(os, named);
  os << '\n';
  int64_t elements = countElements(tensor);
  int64_t row = tensor.rank ? tensor.shape[tensor.rank - 1] : 1;
  int64_t shown = std::min(row, valuesPerRow);
  for (int64_t start = 0; start < elements; start += row) {
    os << "  " << indexText(tensor, start) << ':';
    for (int64_t i = start; i < start + shown; ++i) {
      os << ' ';
      printElement(os, tensor, i);
    }
    os << (shown < row ? " ...\n" : "\n");
  }
}

void moe::run::printSummary(raw_ostream &os, const NamedTensor &named) {
  const moe_tensor &tensor = *named.tensor;
  printHeader(os, named);
  double least = std::numeric_limits<double>::infinity(), most = -least;
  double sum = 0;
  int64_t elements = countElements(tensor), numNaN = 0;
  for (int64_t i = 0; i < elements; ++i) {
    double value = readNumber(tensor, i);
    if (std::isnan(value)) {
      ++numNaN;
      continue;
    }
    least = std::min(least, value);
    most = std::max(most, value);
    sum += value;
  }
  if (elements != numNaN)
    os << format(", from %.6g to %.6g, mean %.6g", least, most,
                 sum / double(elements - numNaN));
  if (numNaN)
    os << ", " << numNaN << " NaN";
  os << '\n';
}

//===- Worker.cpp - Measurements that another program asks for ------------===//
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Worker.h"
#include "Failure.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/Format.h"

using namespace llvm;
using namespace moe::bench;

/// No line of the protocol is nearly as long.
static constexpr size_t longestLine = 64;

/// The next line without its end; nothing at the end of `in`. Of a line that is
/// too long, only the beginning.
static std::optional<std::string> readLine(std::istream &in) {
  char buffer[longestLine];
  in.getline(buffer, sizeof(buffer));
  size_t length = size_t(in.gcount());
  if (length == 0)
    return std::nullopt;
  if (in.good()) // the end of the line was read too
    --length;
  return std::string(buffer, length);
}

static Error refuse(StringRef line) {
  std::string shown;
  raw_string_ostream os(shown);
  printEscapedString(line, os);
  return invalidInput("the worker was told '" + shown +
                      "', expected 'run' or 'quit'; correct what drives it "
                      "[moe-bench-worker-line]");
}

Error moe::bench::serve(std::istream &in, raw_ostream &out, double error,
                        const Step &measure) {
  out << format("ready %.3e\n", error);
  out.flush();
  while (std::optional<std::string> line = readLine(in)) {
    if (*line == "quit")
      break;
    if (*line != "run")
      return refuse(*line);
    Expected<double> milliseconds = measure();
    if (!milliseconds)
      return milliseconds.takeError();
    out << format("%.6f\n", *milliseconds);
    out.flush();
  }
  return Error::success();
}

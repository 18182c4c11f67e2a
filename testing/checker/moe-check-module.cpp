//===- moe-check-module.cpp - Judges modules that a generator wrote
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// usage: moe-check-module FILE...   checks modules; see ModuleChecker.h
//        moe-check-module --serve   reads requests from stdin, answers on
//        stdout
//
// A request is a line "module BYTES" or "text BYTES" and so many bytes of MLIR;
// "text" need not be valid. The answer is one line of JSON: verdict (passed,
// refused, unclear, failed), stage, message.
//
//===----------------------------------------------------------------------===//

#include "ModuleChecker.h"
#include "llvm/Support/JSON.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/raw_ostream.h"
#include <iostream>

using llvm::StringRef;
using moe::test::CheckResult;
using moe::test::Verdict;

static StringRef nameOf(Verdict verdict) {
  switch (verdict) {
  case Verdict::Passed:
    return "passed";
  case Verdict::Refused:
    return "refused";
  case Verdict::Unclear:
    return "unclear";
  case Verdict::Failed:
    return "failed";
  }
  llvm_unreachable("all verdicts are handled");
}

static void answer(const CheckResult &result) {
  llvm::json::Object object{{"verdict", nameOf(result.verdict)},
                            {"stage", result.stage},
                            {"message", llvm::json::fixUTF8(result.message)}};
  llvm::outs() << llvm::json::Value(std::move(object)) << '\n';
  llvm::outs().flush();
}

static int serve() {
  std::string kind;
  size_t bytes = 0;
  while (std::cin >> kind >> bytes) {
    std::string text(bytes, '\0');
    if (std::cin.get() != '\n' ||
        !std::cin.read(text.data(), static_cast<std::streamsize>(bytes)))
      return 2;
    answer(kind == "text" ? moe::test::checkText(text)
                          : moe::test::checkModule(text));
  }
  return 0;
}

int main(int argc, char **argv) {
  if (argc == 2 && StringRef(argv[1]) == "--serve")
    return serve();
  if (argc < 2) {
    llvm::errs() << "usage: moe-check-module FILE... | --serve\n";
    return 2;
  }
  bool allPassed = true;
  for (StringRef path : llvm::ArrayRef(argv + 1, argc - 1)) {
    auto buffer = llvm::MemoryBuffer::getFile(path, /*IsText=*/true);
    if (!buffer) {
      llvm::errs() << path << ": " << buffer.getError().message() << '\n';
      return 2;
    }
    CheckResult result = moe::test::checkModule((*buffer)->getBuffer());
    llvm::outs() << path << ": " << nameOf(result.verdict)
                 << (result.stage.empty() ? "" : " at ") << result.stage << ' '
                 << result.message << '\n';
    allPassed &=
        result.verdict == Verdict::Passed || result.verdict == Verdict::Unclear;
  }
  return allPassed ? 0 : 1;
}

//===- BankElements.h - What a bank holds, by its kernel --------*- C++ -*-===//
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef MOE_UNITTESTS_EXECUTION_BANKELEMENTS_H
#define MOE_UNITTESTS_EXECUTION_BANKELEMENTS_H

#include "Layer.h"
#include "llvm/ADT/ArrayRef.h"

namespace moe::test {

/// Where compiled code runs: processor, or the oracle.
struct Path {
  const char *targetCPU;
  bool reference;
};
inline constexpr Path paths[] = {
    {"", false}, {"haswell", false}, {"x86-64", false}, {"", true}};

SessionOptions optionsOf(const Path &path);

/// Fails the test and returns null if `text` cannot be compiled.
std::unique_ptr<Session> open(const std::string &text,
                              const SessionOptions &options);

/// Calls the only function of a session.
void call(Session &session, llvm::ArrayRef<moe_tensor> in,
          llvm::MutableArrayRef<moe_tensor> out);

/// A tensor of a checkpoint.
struct NamedTensor {
  std::string name;
  Tensor tensor;
};

/// A quantized bank @w of 2 matrices N x K.
struct BankText {
  int64_t N, K;
  std::string format; ///< what is in #moe.quantized<>
  std::string source; ///< of @w, from "from" on
  std::string parts;  ///< weights that come before
};

/// Compiles `text` and binds it to a checkpoint of `file`.
llvm::Expected<std::unique_ptr<Session>>
openBank(const BankText &text, llvm::ArrayRef<NamedTensor> file,
         const SessionOptions &options);

/// The largest difference between an element of the bank and of `expected`, two
/// matrices, relative to the largest element of its row. Elements are products
/// with rows of the identity, which are exact: one rounding is left where a
/// scale is multiplied.
double elementError(const BankText &text, llvm::ArrayRef<NamedTensor> file,
                    llvm::ArrayRef<Tensor> expected,
                    const SessionOptions &options);

} // namespace moe::test

#endif // MOE_UNITTESTS_EXECUTION_BANKELEMENTS_H

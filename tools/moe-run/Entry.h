//===- Entry.h - An entry that can be called --------------------*- C++ -*-===//
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef MOE_TOOLS_MOERUN_ENTRY_H
#define MOE_TOOLS_MOERUN_ENTRY_H

#include "Tensors.h"
#include <vector>

namespace moe {
class Session;
} // namespace moe

namespace moe::run {

/// What the rest of this program needs of a compiled module. Tests implement it
/// without a compiler.
class Entry {
public:
  explicit Entry(const moe_function &function) : function(function) {}
  virtual ~Entry();

  const moe_function &getFunction() const { return function; }

  /// See Session.
  virtual llvm::Expected<std::vector<moe_tensor>>
  getOutputShapes(llvm::ArrayRef<moe_tensor> inputs) = 0;
  virtual llvm::Error call(llvm::ArrayRef<moe_tensor> inputs,
                           llvm::MutableArrayRef<moe_tensor> outputs) = 0;

private:
  const moe_function &function;
};

/// An entry of a session.
class SessionEntry : public Entry {
public:
  SessionEntry(Session &session, const moe_function &function)
      : Entry(function), session(session) {}

  llvm::Expected<std::vector<moe_tensor>>
  getOutputShapes(llvm::ArrayRef<moe_tensor> inputs) override;
  llvm::Error call(llvm::ArrayRef<moe_tensor> inputs,
                   llvm::MutableArrayRef<moe_tensor> outputs) override;

private:
  Session &session;
};

/// Calls `entry`. `outputs` holds the passed outputs of the last call or
/// nothing; its memory is used again where the shape stayed the same.
llvm::Error callEntry(Entry &entry, llvm::ArrayRef<Tensor> inputs,
                      std::vector<Tensor> &outputs);

/// All outputs by name; those tied to an input are that input.
std::vector<NamedTensor> nameOutputs(const moe_function &function,
                                     llvm::ArrayRef<Tensor> inputs,
                                     llvm::ArrayRef<Tensor> outputs);

} // namespace moe::run

#endif // MOE_TOOLS_MOERUN_ENTRY_H

//===- Bindings.h - Values of options such as NAME=FILE:TENSOR --*- C++ -*-===//
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef MOE_TOOLS_MOERUN_BINDINGS_H
#define MOE_TOOLS_MOERUN_BINDINGS_H

#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"
#include <cstdint>
#include <string>
#include <vector>

namespace moe::run {

/// One tensor of a .safetensors file (or of a checkpoint directory).
struct FileTensor {
  std::string file, tensor;
};

/// NAME=FILE:TENSOR: a tensor of an entry and its values.
struct TensorBinding {
  std::string name;
  FileTensor source;
};

/// NAME=FILE:TENSOR, or NAME=NUMBER for an input of rank 0.
struct InputBinding {
  std::string name;
  FileTensor source; ///< `file` is empty when this is a number
  std::string number;

  bool isNumber() const { return source.file.empty(); }
};

/// SYMBOL=N.
struct SymbolBinding {
  std::string symbol;
  int64_t size;
};

/// Splits FILE:TENSOR. Both may contain ':': the split is after the last
/// ".safetensors", else at the last ':'. `option` is for the message.
llvm::Expected<FileTensor> parseFileTensor(llvm::StringRef text,
                                           llvm::StringRef option);

/// Splits NAME=FILE:TENSOR at the first '=': a path may contain more of them.
llvm::Expected<TensorBinding> parseTensorBinding(llvm::StringRef text,
                                                 llvm::StringRef option);

/// Without ':' after the '=', the value is a number.
llvm::Expected<InputBinding> parseInputBinding(llvm::StringRef text,
                                               llvm::StringRef option);

llvm::Expected<SymbolBinding> parseSymbolBinding(llvm::StringRef text,
                                                 llvm::StringRef option);

/// "1,2,3": decimal ids, at least one.
llvm::Expected<std::vector<int64_t>> parseIds(llvm::StringRef text,
                                              llvm::StringRef option);

} // namespace moe::run

#endif // MOE_TOOLS_MOERUN_BINDINGS_H

//===- Bindings.cpp - Values of options such as NAME=FILE:TENSOR ----------===//
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Bindings.h"
#include "support/ExitCode.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/Twine.h"

using namespace llvm;
using namespace moe;
using namespace moe::run;

static Error malformed(StringRef option, StringRef text, StringRef form) {
  return invalidInput("--" + option + " is '" + text + "', expected " + form +
                      " [moe-run-binding]");
}

/// Where FILE ends in FILE:TENSOR, or npos.
static size_t findSeparator(StringRef text) {
  static constexpr StringLiteral extension = ".safetensors:";
  size_t known = text.rfind(extension);
  if (known != StringRef::npos)
    return known + extension.size() - 1;
  return text.rfind(':');
}

Expected<FileTensor> moe::run::parseFileTensor(StringRef text,
                                               StringRef option) {
  size_t separator = findSeparator(text);
  if (separator == StringRef::npos || separator == 0 ||
      separator + 1 == text.size())
    return malformed(option, text,
                     "FILE:TENSOR, a .safetensors file and a tensor in it");
  return FileTensor{text.substr(0, separator).str(),
                    text.substr(separator + 1).str()};
}

Expected<TensorBinding> moe::run::parseTensorBinding(StringRef text,
                                                     StringRef option) {
  auto [name, value] = text.split('=');
  size_t separator = findSeparator(value);
  if (name.empty() || separator == StringRef::npos || separator == 0 ||
      separator + 1 == value.size())
    return malformed(option, text,
                     "NAME=FILE:TENSOR, for example "
                     "logits=golden.safetensors:logits");
  return TensorBinding{
      name.str(),
      {value.substr(0, separator).str(), value.substr(separator + 1).str()}};
}

Expected<InputBinding> moe::run::parseInputBinding(StringRef text,
                                                   StringRef option) {
  auto [name, value] = text.split('=');
  if (!name.empty() && !value.empty() && !value.contains(':'))
    return InputBinding{name.str(), {}, value.str()};
  Expected<TensorBinding> binding = parseTensorBinding(text, option);
  if (!binding) {
    consumeError(binding.takeError());
    return malformed(option, text,
                     "NAME=FILE:TENSOR, or NAME=NUMBER for an input of rank 0");
  }
  return InputBinding{binding->name, binding->source, {}};
}

Expected<SymbolBinding> moe::run::parseSymbolBinding(StringRef text,
                                                     StringRef option) {
  auto [symbol, value] = text.split('=');
  int64_t size;
  if (symbol.empty() || value.getAsInteger(10, size) || size < 0)
    return malformed(option, text,
                     "SYMBOL=N with N at least 0, for example seq=16");
  return SymbolBinding{symbol.str(), size};
}

Expected<std::vector<int64_t>> moe::run::parseIds(StringRef text,
                                                  StringRef option) {
  SmallVector<StringRef> parts;
  text.split(parts, ',');
  std::vector<int64_t> ids;
  for (StringRef part : parts) {
    int64_t id;
    if (part.trim().getAsInteger(10, id))
      return malformed(option, text, "ids such as 1,2,3");
    ids.push_back(id);
  }
  return ids;
}

//===- Entry.cpp - An entry that can be called ----------------------------===//
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Entry.h"
#include "Symbols.h"
#include "support/ExitCode.h"
#include "llvm/ADT/STLExtras.h"

using namespace llvm;
using namespace moe;
using namespace moe::run;

Entry::~Entry() = default;

/// Names of the outputs that are passed, in order.
static SmallVector<StringRef> getPassedNames(const moe_function &function) {
  SmallVector<StringRef> names;
  for (const moe_argument &output : getOutputs(function))
    if (output.tied_input < 0)
      names.push_back(output.name);
  return names;
}

/// Makes `outputs` fit `shapes`.
static Error allocate(const moe_function &function, ArrayRef<moe_tensor> shapes,
                      std::vector<Tensor> &outputs) {
  outputs.resize(shapes.size());
  for (auto [output, shape, name] :
       zip_equal(outputs, shapes, getPassedNames(function))) {
    if (output.isLike(shape) && output.get().data)
      continue;
    output = Tensor(); // freed before the new one is allocated
    Expected<Tensor> fresh = Tensor::create(name, shape.dtype, getShape(shape));
    if (!fresh)
      return fresh.takeError();
    output = std::move(*fresh);
  }
  return Error::success();
}

static std::vector<moe_tensor> getDescriptors(ArrayRef<Tensor> tensors) {
  std::vector<moe_tensor> descriptors;
  for (const Tensor &tensor : tensors)
    descriptors.push_back(tensor.get());
  return descriptors;
}

Error moe::run::callEntry(Entry &entry, ArrayRef<Tensor> inputs,
                          std::vector<Tensor> &outputs) {
  std::vector<moe_tensor> in = getDescriptors(inputs);
  auto shapes = entry.getOutputShapes(in);
  if (!shapes)
    return shapes.takeError();
  if (Error error = allocate(entry.getFunction(), *shapes, outputs))
    return error;
  std::vector<moe_tensor> out = getDescriptors(outputs);
  return entry.call(in, out);
}

std::vector<NamedTensor> moe::run::nameOutputs(const moe_function &function,
                                               ArrayRef<Tensor> inputs,
                                               ArrayRef<Tensor> outputs) {
  std::vector<NamedTensor> named;
  size_t passed = 0;
  for (const moe_argument &output : getOutputs(function)) {
    const Tensor &tensor =
        output.tied_input < 0 ? outputs[passed++] : inputs[output.tied_input];
    named.push_back({output.name, &tensor.get()});
  }
  return named;
}

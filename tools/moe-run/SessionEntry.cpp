//===- SessionEntry.cpp - An entry of a compiled session ------------------===//
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Entry.h"
#include "session/Session.h"

using namespace llvm;
using namespace moe::run;

Expected<std::vector<moe_tensor>>
SessionEntry::getOutputShapes(ArrayRef<moe_tensor> inputs) {
  return session.getOutputShapes(getFunction(), inputs);
}

Error SessionEntry::call(ArrayRef<moe_tensor> inputs,
                         MutableArrayRef<moe_tensor> outputs) {
  return session.call(getFunction(), inputs, outputs);
}

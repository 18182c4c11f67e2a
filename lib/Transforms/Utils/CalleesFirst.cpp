//===- CalleesFirst.cpp - Functions in the order of their calls
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "MoE/Transforms/Utils/CalleesFirst.h"
#include "mlir/Analysis/CallGraph.h"
#include "llvm/ADT/SCCIterator.h"

using namespace mlir;
using namespace mlir::moe;

SmallVector<OrderedFunction> moe::getCalleesFirst(ModuleOp module) {
  SmallVector<OrderedFunction> functions;
  const CallGraph graph(module);
  for (auto scc = llvm::scc_begin(&graph); !scc.isAtEnd(); ++scc)
    for (CallGraphNode *node : *scc) {
      if (node->isExternal())
        continue;
      Operation *op = node->getCallableRegion()->getParentOp();
      if (auto function = dyn_cast<func::FuncOp>(op))
        functions.push_back({function, scc.hasCycle()});
    }
  return functions;
}

//===- Partition.cpp - Modules cut for several threads
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Partition.h"
#include "llvm/ADT/DenseMap.h"
#include "llvm/Bitcode/BitcodeWriter.h"
#include "llvm/Support/raw_ostream.h"
#include "llvm/Transforms/Utils/Cloning.h"

using namespace llvm;
using namespace mlir::moe;

/// The part of each function that `module` defines: the largest first, each to
/// the part that has least.
static DenseMap<const GlobalValue *, unsigned> distribute(const Module &module,
                                                          unsigned &count) {
  SmallVector<std::pair<size_t, const Function *>> functions;
  for (const Function &function : module)
    if (!function.isDeclaration())
      functions.push_back({function.getInstructionCount(), &function});
  sort(functions, [](const auto &a, const auto &b) {
    return a.first != b.first ? a.first > b.first
                              : a.second->getName() < b.second->getName();
  });
  count = std::max<size_t>(1, std::min<size_t>(count, functions.size()));
  SmallVector<size_t> sizes(count);
  DenseMap<const GlobalValue *, unsigned> parts;
  for (auto [size, function] : functions) {
    unsigned part =
        std::min_element(sizes.begin(), sizes.end()) - sizes.begin();
    sizes[part] += size;
    parts[function] = part;
  }
  return parts;
}

/// Lets parts see what the module alone saw. A C library may have a function of
/// the same name, which its own callers must still find. Parts can be loaded
/// further from each other than instructions reach, so that addresses come from
/// a table: nothing is local.
static void shareLocals(Module &module) {
  for (GlobalValue &value : module.global_values())
    if (value.hasLocalLinkage()) {
      value.setName("moe.part." + value.getName());
      value.setLinkage(GlobalValue::ExternalLinkage);
      value.setDSOLocal(false);
    }
}

SmallVector<Bitcode> mlir::moe::partition(Module &module, unsigned count) {
  // An alias is defined where what it stands for is.
  if (!module.alias_empty())
    count = 1;
  DenseMap<const GlobalValue *, unsigned> parts = distribute(module, count);
  if (count > 1)
    shareLocals(module);
  SmallVector<Bitcode> bitcode(count);
  for (unsigned part = 0; part < count; ++part) {
    ValueToValueMapTy map;
    std::unique_ptr<Module> copy =
        CloneModule(module, map, [&](const GlobalValue *value) {
          return isa<Function>(value) ? parts.lookup(value) == part : part == 0;
        });
    raw_svector_ostream stream(bitcode[part]);
    WriteBitcodeToFile(*copy, stream);
  }
  return bitcode;
}

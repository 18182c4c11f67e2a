//===- Context.h - What a call needs besides its arguments ------*- C++ -*-===//
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef MOE_RT_CORE_CONTEXT_H
#define MOE_RT_CORE_CONTEXT_H

#include "core/Arguments.h"
#include "core/Memory.h"
#include "core/Overlap.h"
#include "core/Weights.h"
#include "cpu/ThreadPool.h"
#include "moe_rt/context.h"

struct moe_ctx {
  moe_ctx(const moe_module &module, const moe::rt::Allocator &allocator,
          int32_t numThreads, moe::rt::ThreadPool::Duration spin, bool pin)
      : module(module), allocator(allocator), pool(numThreads, spin, pin) {}

  const moe_module &module;
  const moe::rt::Allocator allocator;
  moe::rt::ThreadPool pool;
  moe::rt::BoundWeights weights;
  moe::rt::Block workspace;
  uint64_t peakWorkspace = 0;
  // Scratch of the checks of a call.
  std::vector<moe::rt::SymbolValue> symbols;
  std::vector<moe::rt::ArgumentMemory> argumentMemory;
  moe_error error = {};
};

#endif // MOE_RT_CORE_CONTEXT_H

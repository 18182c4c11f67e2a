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

#include <string>
#include <vector>

struct moe_ctx {
  moe_ctx(const moe_module &module, const moe_ctx_options &options,
          int32_t numThreads, moe::rt::ThreadPool::Duration spin)
      : module(module),
        allocator{options.allocate, options.deallocate, options.user},
        progress{options.progress, options.user},
        packedCache(options.packed_cache ? options.packed_cache : ""),
        pool(numThreads, spin, options.pin_threads != 0) {}

  const moe_module &module;
  const moe::rt::Allocator allocator;
  const moe::rt::ProgressCallback progress;
  const std::string packedCache; ///< empty: none
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

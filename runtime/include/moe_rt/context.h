//===- context.h - Bind weights to a compiled module and call it -*- C -*-===//
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef MOE_RT_CONTEXT_H
#define MOE_RT_CONTEXT_H

#include "moe_rt/safetensors.h"

#ifdef __cplusplus
extern "C" {
#endif

/// What a call needs besides its arguments: bound weights, workspace, threads,
/// last message. One call at a time per context; contexts are independent.
typedef struct moe_ctx moe_ctx;

/// `size` is sizeof(moe_ctx_options). Fields are only ever appended, and one
/// that an older caller does not have means what zero means in it: the default
/// (moe_rt/options.h).
typedef struct moe_ctx_options {
  size_t size;
  int32_t num_threads; ///< 0 = one per core that this thread may use
  /// Allocator for workspace and tables (alignment is a power of two, >= 16);
  /// both null = the C library's.
  void *(*allocate)(void *user, size_t bytes, size_t alignment);
  void (*deallocate)(void *user, void *pointer);
  void *user; ///< what these functions and `progress` are called with
  /// Microseconds for which a thread without work looks for more before it
  /// sleeps; its core is busy meanwhile, and so for as long after each call. A
  /// call that finds it asleep waits some tens of microseconds for it. 0 =
  /// 1000; negative = it sleeps at once.
  int32_t spin_us;
  /// Not 0: each thread but the caller's stays on a core of its own, those that
  /// follow the one that creates the context, so that none waits for another to
  /// leave its core. For a process that has the machine to itself; without
  /// effect when there are more threads than cores.
  int32_t pin_threads;
  /// A file for weights in the form that kernels want, which
  /// moe_ctx_bind_checkpoint reads instead of packing them again; null = none.
  /// It is written, completely or not at all, when it is missing or keeps the
  /// weights of another module, checkpoint or version. A checkpoint is told by
  /// names, sizes and times of its files, and by some bytes of each tensor. A
  /// file that is no such cache, or a damaged one, is refused. Without effect
  /// for a module that packs nothing.
  const char *packed_cache;
  /// Told while weights are bound: that `done` of `total` bytes of a step, such
  /// as "packing weights", are finished. On the thread that binds; null = none.
  void (*progress)(void *user, const char *step, uint64_t done, uint64_t total);
} moe_ctx_options;

/// Checks that `module` has this runtime's ABI version and that this CPU has
/// the features it was compiled for, and makes a context for it. `module` must
/// outlive the context.
int32_t moe_ctx_create(const moe_module *module, const moe_ctx_options *options,
                       moe_ctx **out, moe_error *error);
void moe_ctx_destroy(moe_ctx *ctx);

/// Points every weight of the module into `checkpoint` (which must outlive the
/// context): a name, dtype or shape that differs is an error that names it.
/// Weights whose kernels want them packed (moe_packing) are copied, with all
/// threads of the context, or read from the option `packed_cache`; nothing else
/// is.
int32_t moe_ctx_bind_checkpoint(moe_ctx *ctx, const moe_checkpoint *checkpoint);

/// Fills every weight with the values that a checkpoint made up from `seed` has
/// there (moe_checkpoint_random_values for the tensors that the weight is read
/// from), so that binding such a checkpoint computes the same. Integer weights
/// are refused.
int32_t moe_ctx_bind_random(moe_ctx *ctx, uint64_t seed);

/// The status and message of the last failed call.
int32_t moe_ctx_status(const moe_ctx *ctx);
const char *moe_ctx_message(const moe_ctx *ctx);

/// The entry of that name, or null.
const moe_function *moe_module_find(const moe_module *module, const char *name);

/// Shapes of the outputs (tied ones left out, in order) for these inputs, with
/// `data` null: what to allocate before the call. `out` has room for n_out.
int32_t moe_ctx_output_shapes(moe_ctx *ctx, const moe_function *function,
                              const moe_tensor *in, size_t n_in,
                              moe_tensor *out, size_t n_out);

/// Runs `function`. Fails with MOE_INVALID_ARGUMENT if weights are not bound.
/// Outputs, and inputs that an output is tied to, share no memory with another
/// argument; inputs that are only read may share theirs.
int32_t moe_ctx_call(moe_ctx *ctx, const moe_function *function,
                     const moe_tensor *in, size_t n_in, moe_tensor *out,
                     size_t n_out);

/// Largest workspace that a call of this context has had, in bytes.
uint64_t moe_ctx_peak_workspace(const moe_ctx *ctx);

/// Threads that a call of this context uses, the caller's included.
int32_t moe_ctx_num_threads(const moe_ctx *ctx);

#ifdef __cplusplus
} // extern "C"
#endif

#endif // MOE_RT_CONTEXT_H

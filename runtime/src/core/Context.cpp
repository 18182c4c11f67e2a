//===- Context.cpp - What a call needs besides its arguments --------------===//
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "core/Context.h"
#include "core/Boundary.h"
#include "core/CpuFeatures.h"
#include "moe_rt/options.h"

#include <algorithm>
#include <cstddef>
#include <functional>
#include <memory>
#include <system_error>

using namespace moe::rt;

//===----------------------------------------------------------------------===//
// Creation
//===----------------------------------------------------------------------===//

/// More threads than any machine has cores: a mistake in the options.
static constexpr int32_t maxThreads = 4096;

static int32_t checkOptions(const moe_ctx_options &options, moe_error *error) {
  if (!options.allocate != !options.deallocate)
    return moe_error_set(error, MOE_INVALID_ARGUMENT,
                         "only one of the options 'allocate' and 'deallocate' "
                         "is set; set both or neither "
                         "[moe-ctx-options-allocator]");
  if (options.num_threads < 0 || options.num_threads > maxThreads)
    return moe_error_set(error, MOE_INVALID_ARGUMENT,
                         "the option 'num_threads' is %d, expected 0 (one per "
                         "core) to %d; correct it [moe-ctx-threads]",
                         options.num_threads, maxThreads);
  return MOE_OK;
}

/// `first_size` ends behind the last field of the first release.
static constexpr moe_options_type optionsType = {
    "moe_ctx_options", sizeof(moe_ctx_options),
    offsetof(moe_ctx_options, user) + sizeof(moe_ctx_options::user)};

static int32_t readOptions(const moe_ctx_options *options,
                           moe_ctx_options &read, moe_error *error) {
  if (int32_t status = moe_options_read(&optionsType, options, &read, error))
    return status;
  return checkOptions(read, error);
}

static int32_t makeContext(const moe_module &module,
                           const moe_ctx_options &options, moe_ctx **out,
                           moe_error *error) {
  int32_t threads = options.num_threads ? options.num_threads : countCores();
  ThreadPool::Duration spin = ThreadPool::defaultSpin;
  if (options.spin_us != 0)
    spin = ThreadPool::Duration(std::max(options.spin_us, 0));
  try {
    *out = std::make_unique<moe_ctx>(module, options, threads, spin).release();
    return MOE_OK;
  } catch (const std::system_error &failure) {
    return moe_error_set(error, MOE_OUT_OF_MEMORY,
                         "the system refused to start %d threads (%s); set a "
                         "smaller 'num_threads' [moe-ctx-threads-refused]",
                         threads, failure.what());
  }
}

int32_t moe_ctx_create(const moe_module *module, const moe_ctx_options *options,
                       moe_ctx **out, moe_error *error) {
  clearError(error);
  if (out)
    *out = nullptr;
  return guarded(error, [&] {
    if (!module || !out)
      return moe_error_set(error, MOE_INVALID_ARGUMENT,
                           "moe_ctx_create was called without %s; pass one "
                           "[moe-ctx-argument]",
                           module ? "a place for the context" : "a module");
    moe_ctx_options read;
    if (int32_t status = readOptions(options, read, error))
      return status;
    if (int32_t status = checkModule(*module, error))
      return status;
    if (int32_t status = checkCpuFeatures(module->target_features,
                                          module->target_cpu, error))
      return status;
    return makeContext(*module, read, out, error);
  });
}

void moe_ctx_destroy(moe_ctx *ctx) { delete ctx; }

//===----------------------------------------------------------------------===//
// Weights
//===----------------------------------------------------------------------===//

static Binding bindingOf(moe_ctx &ctx) {
  return {ctx.module, ctx.allocator, ctx.pool, ctx.progress, &ctx.error};
}

int32_t moe_ctx_bind_checkpoint(moe_ctx *ctx,
                                const moe_checkpoint *checkpoint) {
  if (!ctx)
    return MOE_INVALID_ARGUMENT;
  return guarded(&ctx->error, [&] {
    if (!checkpoint)
      return moe_error_set(&ctx->error, MOE_INVALID_ARGUMENT,
                           "moe_ctx_bind_checkpoint was called without a "
                           "checkpoint; open one [moe-bind-argument]");
    BoundWeights fresh;
    int32_t status =
        fresh.bindCheckpoint(bindingOf(*ctx), *checkpoint, ctx->packedCache);
    if (status == MOE_OK)
      ctx->weights = std::move(fresh);
    return status;
  });
}

int32_t moe_ctx_bind_random(moe_ctx *ctx, uint64_t seed) {
  if (!ctx)
    return MOE_INVALID_ARGUMENT;
  return guarded(&ctx->error, [&] {
    BoundWeights fresh;
    int32_t status = fresh.bindRandom(bindingOf(*ctx), seed);
    if (status == MOE_OK)
      ctx->weights = std::move(fresh);
    return status;
  });
}

void *const *moe_rt_weights(moe_ctx *ctx) {
  return ctx ? ctx->weights.table() : nullptr;
}

//===----------------------------------------------------------------------===//
// Calls
//===----------------------------------------------------------------------===//

int32_t moe_ctx_status(const moe_ctx *ctx) {
  return ctx ? ctx->error.status : int32_t(MOE_INVALID_ARGUMENT);
}

const char *moe_ctx_message(const moe_ctx *ctx) {
  return ctx ? ctx->error.message : "there is no context";
}

/// Whether `function` is one of the module's: another module's code would read
/// this context's weights with its own shapes.
static bool belongsTo(const moe_function *function, const moe_module &module) {
  std::less<const moe_function *> before;
  return module.num_functions > 0 && !before(function, module.functions) &&
         before(function, module.functions + module.num_functions);
}

static int32_t checkFunction(moe_ctx &ctx, const moe_function *function) {
  if (!function || !belongsTo(function, ctx.module))
    return moe_error_set(&ctx.error, MOE_INVALID_ARGUMENT,
                         "the function is %s; pass one that moe_module_find "
                         "returned for the module of this context "
                         "[moe-ctx-function]",
                         function ? "of another module" : "null");
  return MOE_OK;
}

static int32_t checkCallable(moe_ctx &ctx, const moe_function *function) {
  if (int32_t status = checkFunction(ctx, function))
    return status;
  if (ctx.module.num_weights != 0 && !ctx.weights.isBound())
    return moe_error_set(&ctx.error, MOE_INVALID_ARGUMENT,
                         "'%s' was called before the %lld weights of its "
                         "module were bound; call moe_ctx_bind_checkpoint or "
                         "moe_ctx_bind_random [moe-ctx-weights-unbound]",
                         Shown(function->name).text,
                         static_cast<long long>(ctx.module.num_weights));
  return MOE_OK;
}

int32_t moe_rt_enter(moe_ctx *ctx, const moe_function *function,
                     const moe_tensor *in, size_t n_in, const moe_tensor *out,
                     size_t n_out) {
  if (!ctx)
    return MOE_INVALID_ARGUMENT;
  return guarded(&ctx->error, [&] {
    if (int32_t status = checkCallable(*ctx, function))
      return status;
    ArgumentCheck check(*function, ctx->symbols, &ctx->error);
    if (int32_t status = check.checkInputs(in, n_in))
      return status;
    if (int32_t status = check.checkOutputs(out, n_out))
      return status;
    return checkOverlap(*function, in, out, ctx->argumentMemory, &ctx->error);
  });
}

int32_t moe_rt_refuse(moe_ctx *ctx, const moe_function *function,
                      const char *message) {
  // The message has a tag of its own.
  return moe_error_set(ctx ? &ctx->error : nullptr, MOE_INVALID_ARGUMENT,
                       "'%s': %s", Shown(function->name).text, message);
}

int32_t moe_ctx_output_shapes(moe_ctx *ctx, const moe_function *function,
                              const moe_tensor *in, size_t n_in,
                              moe_tensor *out, size_t n_out) {
  if (!ctx)
    return MOE_INVALID_ARGUMENT;
  return guarded(&ctx->error, [&] {
    if (int32_t status = checkFunction(*ctx, function))
      return status;
    ArgumentCheck check(*function, ctx->symbols, &ctx->error);
    if (int32_t status = check.checkInputs(in, n_in))
      return status;
    return check.fillOutputs(out, n_out);
  });
}

/// Runs the entry. One that fails without a message gets one; the message of an
/// earlier failure survives a call that succeeds.
static int32_t runEntry(moe_ctx &ctx, const moe_function &function,
                        const moe_tensor *in, size_t n_in, moe_tensor *out,
                        size_t n_out) {
  int32_t earlier = ctx.error.status;
  ctx.error.status = MOE_OK;
  int32_t status = function.entry(&ctx, in, n_in, out, n_out);
  if (status == MOE_OK)
    ctx.error.status = earlier;
  else if (ctx.error.status == MOE_OK)
    moe_error_set(&ctx.error, status,
                  "'%s' failed with status %d (%s) and no message; this is a "
                  "defect of the compiler, report it [moe-ctx-entry]",
                  Shown(function.name).text, status, moe_status_name(status));
  return status;
}

int32_t moe_ctx_call(moe_ctx *ctx, const moe_function *function,
                     const moe_tensor *in, size_t n_in, moe_tensor *out,
                     size_t n_out) {
  if (!ctx)
    return MOE_INVALID_ARGUMENT;
  return guarded(&ctx->error, [&] {
    if (int32_t status = checkCallable(*ctx, function))
      return status;
    return runEntry(*ctx, *function, in, n_in, out, n_out);
  });
}

//===----------------------------------------------------------------------===//
// Workspace and threads
//===----------------------------------------------------------------------===//

void *moe_rt_workspace(moe_ctx *ctx, uint64_t bytes) {
  if (!ctx)
    return nullptr;
  bool fits = ctx->workspace.data() && bytes <= ctx->workspace.size();
  // The old block goes first: a call that needs more never needs both.
  if (!fits && !ctx->workspace.allocate(ctx->allocator, bytes)) {
    moe_error_set(&ctx->error, MOE_OUT_OF_MEMORY,
                  "no memory for a workspace of %llu bytes; pass fewer tokens "
                  "or free memory [moe-workspace]",
                  static_cast<unsigned long long>(bytes));
    return nullptr;
  }
  ctx->peakWorkspace = std::max(ctx->peakWorkspace, bytes);
  return ctx->workspace.data();
}

uint64_t moe_ctx_peak_workspace(const moe_ctx *ctx) {
  return ctx ? ctx->peakWorkspace : 0;
}

int32_t moe_ctx_num_threads(const moe_ctx *ctx) {
  return ctx ? ctx->pool.size() : 0;
}

int64_t moe_rt_num_threads(moe_ctx *ctx) { return ctx->pool.size(); }

void moe_rt_parallel(moe_ctx *ctx, void (*body)(void *env, int64_t i),
                     void *env, int64_t n) {
  ctx->pool.run(body, env, n);
}

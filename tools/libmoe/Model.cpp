//===- Model.cpp - Compile a model and run it
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "moe-c/Model.h"
#include "Failure.h"
#include "Options.h"
#include "moe_rt/boundary.h"
#include "session/Reference.h"
#include "session/Session.h"
#include "llvm/Support/FileSystem.h"
#include <dlfcn.h>
#include <gnu/lib-names.h>
#include <mutex>

using namespace moe;
using namespace moe::capi;
using moe::rt::clearError;
using moe::rt::guarded;

struct moe_model {
  std::unique_ptr<Session> session;
};

const char *moe_version(void) { return MOE_VERSION; }

//===----------------------------------------------------------------------===//
// Opening
//===----------------------------------------------------------------------===//

static int32_t checkPath(const std::string &path, const SessionOptions &options,
                         moe_error *error) {
  if (!llvm::sys::fs::exists(path))
    return moe_error_set(error, MOE_NOT_FOUND,
                         "there is nothing at '%.256s', expected a model "
                         "directory or a file with MLIR text; correct the path "
                         "[moe-model-path]",
                         path.c_str());
  if (!options.outputs.empty() && !llvm::sys::fs::is_directory(path))
    return moe_error_set(error, MOE_INVALID_ARGUMENT,
                         "the option 'outputs' has %zu names for a module, "
                         "which has the results that it has; leave the option "
                         "out or open a model directory [moe-model-outputs]",
                         options.outputs.size());
  return MOE_OK;
}

/// Compiled code looks for sinf and the like in the process, where they are not
/// when the program has loaded this library with its dependencies for itself
/// (RTLD_LOCAL). If this fails, linking says which functions are missing.
static void offerMathLibrary() {
  dlopen(LIBM_SO, RTLD_NOW | RTLD_GLOBAL | RTLD_NOLOAD);
}

static int32_t report(moe_error *error, llvm::Error from) {
  Failure failure = takeFailure(std::move(from));
  return report(error, failure.status, failure.message);
}

/// Targets register themselves in tables of the process: one model at a time.
/// LLVM is built without exceptions. One of `new` that went through it would
/// leave its locks held and its tables half written, so it ends the process
/// here (noexcept), as LLVM does itself where it calls malloc.
static llvm::Expected<std::unique_ptr<Session>>
openSession(const std::string &path, const SessionOptions &options) noexcept {
  static std::mutex mutex;
  std::lock_guard<std::mutex> lock(mutex);
  offerMathLibrary();
  // A session takes "-" for the standard input.
  return Session::open(path == "-" ? "./-" : path, options);
}

static int32_t open(const std::string &path, const moe_model_options *options,
                    moe_model **out, moe_error *error) {
  SessionOptions read;
  if (int32_t status = readOptions(options, read, error))
    return status;
  if (int32_t status = checkPath(path, read, error))
    return status;
  auto model = std::make_unique<moe_model>();
  auto session = openSession(path, read);
  if (!session)
    return report(error, session.takeError());
  model->session = std::move(*session);
  *out = model.release();
  return MOE_OK;
}

int32_t moe_model_open(const char *path, const moe_model_options *options,
                       moe_model **out, moe_error *error) {
  clearError(error);
  if (out)
    *out = nullptr;
  if (!path || !out)
    return moe_error_set(error, MOE_INVALID_ARGUMENT,
                         "moe_model_open was called without %s; pass one "
                         "[moe-model-argument]",
                         path ? "a place for the model" : "a path");
  return guarded(error, [&] { return open(path, options, out, error); });
}

void moe_model_close(moe_model *model) { delete model; }

//===----------------------------------------------------------------------===//
// Entries
//===----------------------------------------------------------------------===//

static int32_t checkModel(const moe_model *model, const char *caller,
                          moe_error *error) {
  clearError(error);
  if (model)
    return MOE_OK;
  return moe_error_set(error, MOE_INVALID_ARGUMENT,
                       "%s was called without a model; open one with "
                       "moe_model_open [moe-model-null]",
                       caller);
}

const moe_module *moe_model_module(const moe_model *model) {
  return model ? &model->session->getModule() : nullptr;
}

const moe_function *moe_model_find(const moe_model *model, const char *name,
                                   moe_error *error) {
  if (checkModel(model, "moe_model_find", error) != MOE_OK)
    return nullptr;
  const moe_function *found = nullptr;
  guarded(error, [&]() -> int32_t {
    auto function = model->session->find(name ? name : "");
    if (!function)
      return report(error, function.takeError());
    found = *function;
    return MOE_OK;
  });
  return found;
}

//===----------------------------------------------------------------------===//
// Calls
//===----------------------------------------------------------------------===//

/// Passes the message of a failed call of the runtime on.
static int32_t forward(int32_t status, const moe_ctx *context,
                       moe_error *error) {
  if (status == MOE_OK)
    return MOE_OK;
  return moe_error_set(error, status, "%s", moe_ctx_message(context));
}

int32_t moe_model_output_shapes(moe_model *model, const moe_function *function,
                                const moe_tensor *in, size_t n_in,
                                moe_tensor *out, size_t n_out,
                                moe_error *error) {
  if (int32_t status = checkModel(model, "moe_model_output_shapes", error))
    return status;
  moe_ctx *context = model->session->getContext();
  return forward(moe_ctx_output_shapes(context, function, in, n_in, out, n_out),
                 context, error);
}

int32_t moe_model_call(moe_model *model, const moe_function *function,
                       const moe_tensor *in, size_t n_in, moe_tensor *out,
                       size_t n_out, moe_error *error) {
  if (int32_t status = checkModel(model, "moe_model_call", error))
    return status;
  moe_ctx *context = model->session->getContext();
  // The oracle reports per thread: what another caller left is not of this
  // call.
  takeReferenceFailure();
  if (int32_t status = moe_ctx_call(context, function, in, n_in, out, n_out))
    return forward(status, context, error);
  moe_error failure = takeReferenceFailure();
  return failure.status == MOE_OK
             ? MOE_OK
             : moe_error_set(error, failure.status, "%s", failure.message);
}

int32_t moe_model_run(moe_model *model, const moe_arguments *arguments,
                      moe_error *error) {
  clearError(error);
  if (!arguments)
    return moe_error_set(error, MOE_INVALID_ARGUMENT,
                         "moe_model_run was called without arguments; make "
                         "them with moe_arguments_create "
                         "[moe-model-arguments]");
  return moe_model_call(model, arguments->function, arguments->in,
                        arguments->n_in, arguments->out, arguments->n_out,
                        error);
}

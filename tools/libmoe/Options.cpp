//===- Options.cpp - Options as a C caller passes them
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Options.h"
#include <algorithm>

using namespace moe;

/// Whether the caller sets fields behind those that this library knows.
static bool asksForMore(const moe_model_options &options) {
  const char *bytes = reinterpret_cast<const char *>(&options);
  return options.reserved != 0 ||
         std::any_of(bytes + sizeof(options), bytes + options.size,
                     [](char byte) { return byte != 0; });
}

static int32_t checkVersion(const moe_model_options &options,
                            moe_error *error) {
  if (options.size < sizeof(options))
    return moe_error_set(error, MOE_INVALID_ARGUMENT,
                         "the options have size %zu, expected %zu; set 'size' "
                         "to sizeof(moe_model_options) "
                         "[moe-model-options-size]",
                         options.size, sizeof(options));
  if (asksForMore(options))
    return moe_error_set(error, MOE_UNSUPPORTED,
                         "the options of size %zu set fields that this library "
                         "(size %zu) does not know; set them to 0 or use a "
                         "newer library [moe-model-options-newer]",
                         options.size, sizeof(options));
  return MOE_OK;
}

static int32_t readOutputs(const moe_model_options &options,
                           std::vector<std::string> &read, moe_error *error) {
  for (size_t i = 0; i < options.num_outputs; ++i) {
    if (!options.outputs || !options.outputs[i])
      return moe_error_set(error, MOE_INVALID_ARGUMENT,
                           "the option 'outputs' has no name at index %zu, "
                           "expected %zu names; pass them or correct "
                           "'num_outputs' [moe-model-outputs-null]",
                           i, options.num_outputs);
    read.emplace_back(options.outputs[i]);
  }
  return MOE_OK;
}

static std::string textOrEmpty(const char *text) { return text ? text : ""; }

int32_t moe::capi::readOptions(const moe_model_options *options,
                               SessionOptions &read, moe_error *error) {
  if (!options)
    return MOE_OK;
  if (int32_t status = checkVersion(*options, error))
    return status;
  if (options->weights && options->random_weights)
    return moe_error_set(error, MOE_INVALID_ARGUMENT,
                         "the options set both 'weights' and "
                         "'random_weights', expected at most one; leave one "
                         "out [moe-model-weights-conflict]");
  read.weights = textOrEmpty(options->weights);
  read.targetCPU = textOrEmpty(options->target_cpu);
  if (options->random_weights)
    read.randomWeights = options->random_seed;
  read.reference = options->reference != 0;
  read.threads = options->num_threads;
  return readOutputs(*options, read.outputs, error);
}

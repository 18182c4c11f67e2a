//===- Options.cpp - Options as a C caller passes them
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Options.h"
#include "moe_rt/options.h"
#include <cstddef>

using namespace moe;

/// `first_size` ends behind the last field of the first release.
static constexpr moe_options_type optionsType = {
    "moe_model_options", sizeof(moe_model_options),
    offsetof(moe_model_options, reserved) +
        sizeof(moe_model_options::reserved)};

static int32_t checkReserved(const moe_model_options &options,
                             moe_error *error) {
  if (options.reserved == 0)
    return MOE_OK;
  return moe_error_set(error, MOE_UNSUPPORTED,
                       "the option 'reserved' is %d, expected 0; clear the "
                       "options before setting fields "
                       "[moe-model-options-reserved]",
                       options.reserved);
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
  moe_model_options known;
  if (int32_t status = moe_options_read(&optionsType, options, &known, error))
    return status;
  if (int32_t status = checkReserved(known, error))
    return status;
  if (known.weights && known.random_weights)
    return moe_error_set(error, MOE_INVALID_ARGUMENT,
                         "the options set both 'weights' and "
                         "'random_weights', expected at most one; leave one "
                         "out [moe-model-weights-conflict]");
  read.weights = textOrEmpty(known.weights);
  read.targetCPU = textOrEmpty(known.target_cpu);
  if (known.random_weights)
    read.randomWeights = known.random_seed;
  read.reference = known.reference != 0;
  read.threads = known.num_threads;
  return readOutputs(known, read.outputs, error);
}

//===- Options.cpp - Options as a C caller passes them
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Options.h"
#include "moe_rt/options.h"
#include <algorithm>
#include <cstddef>

using namespace moe;

/// `first_size` ends behind the last field of the first release.
static constexpr moe_options_type optionsType = {
    "moe_model_options", sizeof(moe_model_options),
    offsetof(moe_model_options, reserved) +
        sizeof(moe_model_options::reserved)};

static int32_t checkReserved(const moe_model_options &options,
                             moe_error *error) {
  if (options.reserved == 0 && options.reserved2 == 0)
    return MOE_OK;
  return moe_error_set(error, MOE_UNSUPPORTED,
                       "the options 'reserved' and 'reserved2' are %d and %d, "
                       "expected 0; clear the options before setting fields "
                       "[moe-model-options-reserved]",
                       options.reserved, options.reserved2);
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

/// A number that is none of the values of an enum, which are 0 to `last`.
static int32_t checkEnum(const char *name, int32_t value, int32_t last,
                         moe_error *error) {
  if (value >= 0 && value <= last)
    return MOE_OK;
  return moe_error_set(error, MOE_INVALID_ARGUMENT,
                       "the option '%s' is %d, expected 0 to %d; see "
                       "moe-c/Model.h [moe-model-option-value]",
                       name, value, last);
}

/// The enums of both sides have the same values.
template <typename CEnum, typename Enum>
static constexpr bool areSame(CEnum c, Enum cpp) {
  return static_cast<int>(c) == static_cast<int>(cpp);
}
static_assert(areSame(MOE_ACTIVATIONS_F32, mlir::moe::Activations::F32) &&
              areSame(MOE_ACTIVATIONS_BF16, mlir::moe::Activations::BF16) &&
              areSame(MOE_ACTIVATIONS_INT8, mlir::moe::Activations::Int8) &&
              areSame(MOE_ACTIVATIONS_INT8_GROUPED,
                      mlir::moe::Activations::Int8Grouped));
static_assert(areSame(MOE_EXPERTS_STORED, mlir::moe::ExpertFormat::Stored) &&
              areSame(MOE_EXPERTS_INT8, mlir::moe::ExpertFormat::Int8) &&
              areSame(MOE_EXPERTS_INT4, mlir::moe::ExpertFormat::Int4));

/// How numbers are represented.
static int32_t readPrecision(const moe_model_options &options,
                             SessionOptions &read, moe_error *error) {
  if (int32_t status = checkEnum("activations", options.activations,
                                 MOE_ACTIVATIONS_INT8_GROUPED, error))
    return status;
  if (int32_t status = checkEnum("quantize_experts", options.quantize_experts,
                                 MOE_EXPERTS_INT4, error))
    return status;
  bool isGrouped = options.quantize_group != 0 || options.quantize_zero_points;
  if (isGrouped && options.quantize_experts == MOE_EXPERTS_STORED)
    return moe_error_set(error, MOE_INVALID_ARGUMENT,
                         "'quantize_group' or 'quantize_zero_points' is set, "
                         "but 'quantize_experts' is 0; set it too "
                         "[moe-model-quantize-conflict]");
  // As moe-run's option and the type of banks have it.
  constexpr int64_t mostColumns = 65536;
  if (options.quantize_group > mostColumns ||
      (options.quantize_group > 0 && options.quantize_group % 8 != 0))
    return moe_error_set(error, MOE_INVALID_ARGUMENT,
                         "the option 'quantize_group' is %lld, expected a "
                         "multiple of 8 up to %lld; correct it "
                         "[moe-model-quantize-group]",
                         static_cast<long long>(options.quantize_group),
                         static_cast<long long>(mostColumns));
  read.activations = static_cast<mlir::moe::Activations>(options.activations);
  read.quantization.format =
      static_cast<mlir::moe::ExpertFormat>(options.quantize_experts);
  if (options.quantize_group != 0)
    read.quantization.group = std::max<int64_t>(options.quantize_group, 0);
  read.quantization.zeroPoints = options.quantize_zero_points != 0;
  return MOE_OK;
}

static int32_t checkWeights(const moe_model_options &options,
                            moe_error *error) {
  if (!options.random_weights)
    return MOE_OK;
  const char *other = options.weights        ? "weights"
                      : options.packed_cache ? "packed_cache"
                                             : nullptr;
  if (!other)
    return MOE_OK;
  return moe_error_set(error, MOE_INVALID_ARGUMENT,
                       "the options set both '%s' and 'random_weights', "
                       "expected at most one; leave one out "
                       "[moe-model-weights-conflict]",
                       other);
}

static std::string textOrEmpty(const char *text) { return text ? text : ""; }

int32_t moe::capi::readOptions(const moe_model_options *options,
                               SessionOptions &read, moe_error *error) {
  moe_model_options known;
  if (int32_t status = moe_options_read(&optionsType, options, &known, error))
    return status;
  if (int32_t status = checkReserved(known, error))
    return status;
  if (int32_t status = checkWeights(known, error))
    return status;
  if (int32_t status = readPrecision(known, read, error))
    return status;
  read.weights = textOrEmpty(known.weights);
  read.targetCPU = textOrEmpty(known.target_cpu);
  if (known.random_weights)
    read.randomWeights = known.random_seed;
  read.reference = known.reference != 0;
  read.threads = known.num_threads;
  read.packedCache = textOrEmpty(known.packed_cache);
  read.spinMicroseconds = known.spin_us;
  read.pinThreads = known.pin_threads != 0;
  return readOutputs(known, read.outputs, error);
}

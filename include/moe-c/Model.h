//===- Model.h - Compile a model and run it -*- C -*-===//
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Compiler and runtime behind one C interface, in the library libMoE: a model
// directory or a module in MLIR text becomes machine code in this process, with
// its weights bound; its entries are called with tensors that the caller owns.
// examples/c/forward.c is a complete program.
//
// Errors: a function that can fail takes `error`, which may be null. It is set
// to MOE_OK and an empty message first, and says what went wrong when the
// function fails. No exception leaves the library.
//
// Memory: where it is exhausted, calls and everything that the library
// allocates by itself fail with MOE_OUT_OF_MEMORY. The exception is
// moe_model_open: LLVM and MLIR are built without C++ exceptions and cannot
// give up halfway, so when they find no memory, the process ends (abort, after
// a line on stderr). A program that must survive this opens models in a process
// of its own.
//
// Threads: models are independent of each other; one call at a time per model.
// Any thread may open models; they are compiled one after the other.
//
//===----------------------------------------------------------------------===//

#ifndef MOE_C_MODEL_H
#define MOE_C_MODEL_H

#include "moe_rt/arguments.h"

#ifdef __cplusplus
extern "C" {
#endif

/// Version of the library, such as "0.1.0".
const char *moe_version(void);

/// A compiled model with its weights.
typedef struct moe_model moe_model;

/// The narrowest type that rows of matrix products get; the narrower, the
/// faster.
typedef enum moe_activations {
  MOE_ACTIVATIONS_F32 = 0,  ///< as the graph has them
  MOE_ACTIVATIONS_BF16 = 1, ///< bf16 where they meet bf16 weights
  /// 8-bit integers with a scale where they meet quantized weights, else as
  /// bf16.
  MOE_ACTIVATIONS_INT8 = 2,
  /// As int8, with a scale for each run of columns that share one of the
  /// weights: more exact.
  MOE_ACTIVATIONS_INT8_GROUPED = 3
} moe_activations;

/// What the matrices of experts become when they are loaded.
typedef enum moe_expert_format {
  MOE_EXPERTS_STORED = 0, ///< nothing else
  MOE_EXPERTS_INT8 = 1,   ///< 8-bit integers
  MOE_EXPERTS_INT4 = 2    ///< 4-bit integers
} moe_expert_format;

/// How a model is compiled and where its weights come from. `size` is
/// sizeof(moe_model_options). Fields are only ever appended, and one that an
/// older caller does not have means what zero means in it: the default, so the
/// struct is cleared first. Nothing is kept after moe_model_open.
///
///   moe_model_options options = {0};
///   options.size = sizeof(options);
///   options.quantize_experts = MOE_EXPERTS_INT4;
///   options.activations = MOE_ACTIVATIONS_INT8;
///   options.packed_cache = "model.packed";
typedef struct moe_model_options {
  size_t size;
  /// Checkpoint directory or .safetensors file; null = the model directory.
  /// A module with weights needs this or `random_weights`.
  const char *weights;
  /// Processor to compile for, such as "haswell"; null = this one.
  const char *target_cpu;
  /// Results of a model directory besides its caches: "logits" (the default) or
  /// "last_logits", "router_logits", "expert_counts". A module has the results
  /// that it has.
  const char *const *outputs;
  size_t num_outputs;
  /// With `random_weights` not 0, weights are those of a checkpoint made up
  /// from `random_seed`, see moe_checkpoint_random_values.
  uint64_t random_seed;
  int32_t random_weights;
  /// Not 0: routing is computed by the reference oracle (slow, to compare).
  int32_t reference;
  int32_t num_threads; ///< 0 = one per core that this thread may use
  int32_t reserved;    ///< 0
  /// File that keeps weights in the form that kernels want; null = none. See
  /// moe_ctx_options. Not with `random_weights`.
  const char *packed_cache;
  int32_t activations;      ///< moe_activations
  int32_t quantize_experts; ///< moe_expert_format
  /// Columns of a quantized matrix that share a scale, a multiple of 8;
  /// 0 = 32 for 4 bits and all of a row for 8, negative = all of a row (the
  /// flag of moe-run has 0 for that).
  int64_t quantize_group;
  /// Not 0: each scale of `quantize_experts` has a zero of its own.
  int32_t quantize_zero_points;
  int32_t spin_us;     ///< see moe_ctx_options
  int32_t pin_threads; ///< see moe_ctx_options
  int32_t reserved2;   ///< 0
} moe_model_options;

/// Opens `path`: a model directory (config.json and weights) or a file with
/// MLIR text of any level. `options` may be null. On failure *out is null and
/// the status is
///   MOE_INVALID_ARGUMENT  an argument or the options contradict this page:
///                         call otherwise;
///   MOE_NOT_FOUND         there is nothing at `path`, or a file or tensor of
///                         the model, or the folder of `packed_cache`, is
///                         missing: correct the path, complete it;
///   MOE_IO_ERROR          the system refused to read a file, or to write
///                         `packed_cache`;
///   MOE_INVALID_DATA      the configuration, the weights, their cache or the
///                         MLIR text is damaged or contradicts itself, or
///                         another file has the place of the cache: replace it;
///   MOE_UNSUPPORTED       a model family, a feature of one, a format or a
///                         processor that this version or machine does not
///                         have, or options of a newer version;
///   MOE_OUT_OF_MEMORY     memory is exhausted: retry with less (see the top of
///                         this page for what LLVM does instead);
///   MOE_INTERNAL          a model directory was read, but could not be
///                         compiled: a defect of moe-mlir, report it.
int32_t moe_model_open(const char *path, const moe_model_options *options,
                       moe_model **out, moe_error *error);

/// Frees the model and everything that it returned. Null is ignored.
void moe_model_close(moe_model *model);

/// The entries and weights of the model, with names, shapes and symbols; null
/// without a model. Valid until the model is closed.
const moe_module *moe_model_module(const moe_model *model);

/// The entry of that name, or the only entry when `name` is null or empty. On
/// failure null; MOE_NOT_FOUND comes with a message that lists the names.
const moe_function *moe_model_find(const moe_model *model, const char *name,
                                   moe_error *error);

/// Shapes of the outputs (tied ones left out, in order) for these inputs, with
/// `data` null: what to allocate before the call. `out` has room for `n_out`.
int32_t moe_model_output_shapes(moe_model *model, const moe_function *function,
                                const moe_tensor *in, size_t n_in,
                                moe_tensor *out, size_t n_out,
                                moe_error *error);

/// Runs `function`, which moe_model_find returned for this model. `in` holds
/// its inputs in order; an input that an output is tied to (a cache) is updated
/// in place. `out` holds the other outputs, as moe_model_output_shapes says,
/// with data. What is written (outputs and tied inputs) shares no memory with
/// another argument. The arguments are checked before anything is written.
int32_t moe_model_call(moe_model *model, const moe_function *function,
                       const moe_tensor *in, size_t n_in, moe_tensor *out,
                       size_t n_out, moe_error *error);

/// Runs the function that `arguments` were made for (moe_arguments_create, with
/// what moe_model_find returned for this model) on their tensors.
int32_t moe_model_run(moe_model *model, const moe_arguments *arguments,
                      moe_error *error);

#ifdef __cplusplus
} // extern "C"
#endif

#endif // MOE_C_MODEL_H

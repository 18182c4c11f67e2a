//===- forward.c - One step of a model, from C ----------------------------===//
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// usage: moe_example_forward [DIR]
//
// Opens the model directory DIR, runs it on a few token ids and prints the id
// that it predicts next with its logit.
//
//===----------------------------------------------------------------------===//

#include "moe-c/Model.h"
#include "moe_rt/safetensors.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int64_t ids[] = {1, 2, 3};
enum { num_ids = sizeof(ids) / sizeof(ids[0]) };

/// Zeroed memory for a tensor, or null.
static void *allocate(const moe_tensor *tensor) {
  size_t count = 1;
  for (int i = 0; i < tensor->rank; ++i)
    count *= (size_t)tensor->shape[i];
  return calloc(count ? count : 1, moe_dtype_size(tensor->dtype));
}

/// A cache of one sequence, empty, with room for the ids.
static moe_tensor make_cache(const moe_function *function,
                             const moe_argument *input) {
  moe_tensor cache = {NULL, input->dtype, input->rank, {0}};
  for (int i = 0; i < cache.rank; ++i) {
    int32_t symbol = input->shape[i].symbols[0];
    int grows = symbol >= 0 && !strcmp(function->symbols[symbol], "context");
    cache.shape[i] = input->shape[i].extent * (grows ? num_ids : 1);
  }
  cache.data = allocate(&cache);
  return cache;
}

static void print_best(const moe_tensor *logits) {
  int64_t vocabulary = logits->shape[2], best = 0;
  const float *last = (const float *)logits->data + (num_ids - 1) * vocabulary;
  for (int64_t id = 1; id < vocabulary; ++id)
    if (last[id] > last[best])
      best = id;
  printf("next token %lld, logit %.4f\n", (long long)best, last[best]);
}

/// Runs the entry on the ids. `in` has room for its inputs.
static int32_t run(moe_model *model, const moe_function *forward,
                   moe_tensor *in, moe_error *error) {
  int64_t past = 0; // positions that are in the caches already
  size_t num_inputs = (size_t)forward->num_inputs;
  in[0] = (moe_tensor){ids, MOE_I64, 2, {1, num_ids}};
  in[1] = (moe_tensor){&past, MOE_I64, 0, {0}};
  for (int64_t i = 0; i < forward->num_outputs; ++i) {
    int32_t tied = forward->outputs[i].tied_input;
    if (tied >= 0)
      in[tied] = make_cache(forward, &forward->inputs[tied]);
  }
  moe_tensor logits;
  int32_t status = moe_model_output_shapes(model, forward, in, num_inputs,
                                           &logits, 1, error);
  if (status != MOE_OK)
    return status;
  logits.data = allocate(&logits);
  status = moe_model_call(model, forward, in, num_inputs, &logits, 1, error);
  if (status == MOE_OK)
    print_best(&logits);
  free(logits.data);
  return status;
}

/// Finds the entry and runs it with memory for its inputs.
static int32_t run_forward(moe_model *model, moe_error *error) {
  const moe_function *forward = moe_model_find(model, "forward", error);
  if (!forward)
    return error->status;
  moe_tensor *in = calloc((size_t)forward->num_inputs, sizeof(moe_tensor));
  if (!in)
    return moe_error_set(error, MOE_OUT_OF_MEMORY, "no memory for the inputs");
  int32_t status = run(model, forward, in, error);
  for (int64_t i = 2; i < forward->num_inputs; ++i)
    free(in[i].data); // the caches
  free(in);
  return status;
}

int main(int argc, char **argv) {
  const char *path = argc > 1 ? argv[1] : "examples/tiny-mixtral";
  moe_model *model;
  moe_error error;
  int32_t status = moe_model_open(path, NULL, &model, &error);
  if (status == MOE_OK)
    status = run_forward(model, &error);
  moe_model_close(model);
  if (status != MOE_OK)
    fprintf(stderr, "error: %s\n", error.message);
  return status == MOE_OK ? 0 : 1;
}

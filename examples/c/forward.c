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
#include <stdio.h>
#include <string.h>

static const int64_t ids[] = {1, 2, 3};
enum { num_ids = sizeof(ids) / sizeof(ids[0]) };

/// Prints the id with the largest logit after the last of the ids.
static void print_best(const moe_tensor *logits) {
  int64_t vocabulary = logits->shape[2], best = 0;
  const float *last = (const float *)logits->data + (num_ids - 1) * vocabulary;
  for (int64_t id = 1; id < vocabulary; ++id)
    if (last[id] > last[best])
      best = id;
  printf("next token %lld, logit %.4f\n", (long long)best, last[best]);
}

/// One sequence, with room for the ids in its caches.
static void run_step(moe_model *model, moe_error *error) {
  const moe_size sizes[] = {
      {"batch", 1}, {"seq", num_ids}, {"context", num_ids}};
  const moe_function *forward = moe_model_find(model, "forward", error);
  moe_arguments *arguments = NULL;
  if (!forward || moe_arguments_create(forward, sizes, 3, &arguments, error))
    return;
  // Every model directory becomes an entry with these two.
  memcpy(moe_arguments_input(arguments, "input_ids")->data, ids, sizeof(ids));
  if (moe_model_run(model, arguments, error) == MOE_OK)
    print_best(moe_arguments_output(arguments, "logits"));
  moe_arguments_destroy(arguments);
}

int main(int argc, char **argv) {
  moe_model *model;
  moe_error error;
  const char *path = argc > 1 ? argv[1] : "examples/tiny-mixtral";
  if (moe_model_open(path, NULL, &model, &error) == MOE_OK)
    run_step(model, &error);
  moe_model_close(model);
  if (error.status != MOE_OK)
    fprintf(stderr, "error: %s\n", error.message);
  return error.status == MOE_OK ? 0 : 1;
}

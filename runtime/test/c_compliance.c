/*===- c_compliance.c - The headers are C11 and usable from C ---*- C -*-===//
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===*/

#include "MoE/Runtime/Abi.h"
#include "moe_rt/arguments.h"
#include "moe_rt/context.h"
#include "moe_rt/error.h"
#include "moe_rt/file.h"
#include "moe_rt/options.h"
#include "moe_rt/safetensors.h"

#include <stdio.h>
#include <string.h>

static const moe_function function;

/* Doubles each element of its input. */
static int32_t twice(struct moe_ctx *ctx, const moe_tensor *in, size_t n_in,
                     moe_tensor *out, size_t n_out) {
  int32_t status = moe_rt_enter(ctx, &function, in, n_in, out, n_out);
  if (status != MOE_OK)
    return status;
  for (int64_t i = 0; i < in[0].shape[0]; ++i)
    ((float *)out[0].data)[i] = 2.0f * ((const float *)in[0].data)[i];
  return MOE_OK;
}

static const char *const symbols[] = {"n"};
static const moe_argument input = {.name = "x",
                                   .dtype = MOE_F32,
                                   .rank = 1,
                                   .shape = {{1, {0, -1}}},
                                   .value_symbol = -1,
                                   .tied_input = -1};
static const moe_argument output = {.name = "y",
                                    .dtype = MOE_F32,
                                    .rank = 1,
                                    .shape = {{1, {0, -1}}},
                                    .value_symbol = -1,
                                    .tied_input = -1};
static const moe_function function = {.name = "twice",
                                      .entry = twice,
                                      .inputs = &input,
                                      .outputs = &output,
                                      .symbols = symbols,
                                      .num_inputs = 1,
                                      .num_outputs = 1,
                                      .num_symbols = 1};
static const moe_module module = {.abi_version = MOE_ABI_VERSION,
                                  .struct_size = sizeof(moe_module),
                                  .target_cpu = "generic",
                                  .target_features = "",
                                  .functions = &function,
                                  .num_functions = 1};

int main(void) {
  moe_error error;
  moe_ctx *ctx = NULL;
  moe_ctx_options options = {.size = sizeof(options), .num_threads = 1};
  if (moe_ctx_create(&module, &options, &ctx, &error) != MOE_OK) {
    fprintf(stderr, "%s\n", error.message);
    return 1;
  }
  float x[2] = {1.0f, 2.0f}, y[2] = {0};
  moe_tensor in = {.data = x, .dtype = MOE_F32, .rank = 1, .shape = {2}};
  moe_tensor out = {0};
  const moe_function *found = moe_module_find(&module, "twice");
  int32_t status = moe_ctx_output_shapes(ctx, found, &in, 1, &out, 1);
  out.data = y;
  if (status == MOE_OK)
    status = moe_ctx_call(ctx, found, &in, 1, &out, 1);
  if (status != MOE_OK)
    fprintf(stderr, "%s\n", moe_ctx_message(ctx));
  moe_ctx_destroy(ctx);

  moe_checkpoint *checkpoint = NULL;
  int32_t absent = moe_checkpoint_open("", 1, &checkpoint, &error);
  moe_checkpoint_close(checkpoint);
  return status == MOE_OK && y[1] == 4.0f && absent == MOE_NOT_FOUND &&
                 strcmp(moe_status_name(absent), "not-found") == 0
             ? 0
             : 1;
}

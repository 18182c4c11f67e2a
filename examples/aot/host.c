//===- host.c - Calls a layer that was compiled ahead of time -------------===//
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
//   moe-opt examples/layer.mlir --emit=so --module-name=moe_layer
//     --emit-header=moe_layer.h -o libmoe_layer.so
//   cc examples/aot/host.c -I. -Iinclude -Iruntime/include
//     -L. -lmoe_layer -Wl,-rpath,. -o host
//
// One compiled layer serves every number of tokens.
//
//===----------------------------------------------------------------------===//

#include "moe_layer.h"
#include <stdio.h>

int main(void) {
  static float x[3 * 64], logits[3 * 8], y[3 * 64];
  for (int i = 0; i < 3 * 64; ++i)
    x[i] = (float)(i % 7) - 3;
  for (int i = 0; i < 3 * 8; ++i)
    logits[i] = (float)(i % 5);
  moe_error error;
  moe_ctx *ctx = NULL;
  if (moe_ctx_create(&moe_layer, NULL, &ctx, &error) != MOE_OK)
    return fprintf(stderr, "error: %s\n", error.message), 1;
  const moe_function *layer = moe_module_find(&moe_layer, "layer");
  int status = moe_ctx_bind_random(ctx, /*seed=*/1);
  for (int tokens = 1; status == MOE_OK && tokens <= 3; ++tokens) {
    moe_tensor in[layer_in_count] = {
        [layer_in_x] = {x, MOE_F32, 2, {tokens, 64}},
        [layer_in_logits] = {logits, MOE_F32, 2, {tokens, 8}}};
    moe_tensor out[layer_out_count] = {
        [layer_out_y] = {y, MOE_F32, 2, {tokens, 64}}};
    status = moe_ctx_call(ctx, layer, in, layer_in_count, out, layer_out_count);
    if (status == MOE_OK)
      printf("%d tokens: y[0] = %.4f\n", tokens, y[0]);
  }
  if (status != MOE_OK)
    fprintf(stderr, "error: %s\n", moe_ctx_message(ctx));
  moe_ctx_destroy(ctx);
  return status == MOE_OK ? 0 : 1;
}

//===- load.c - Loads libMoE while the program runs -----------------------===//
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// usage: moe_capi_load LIBRARY MODEL
//
// Opens and closes a model with a library whose symbols, and those of its
// dependencies, the program cannot see.
//
//===----------------------------------------------------------------------===//

#include "moe-c/Model.h"
#include <dlfcn.h>
#include <stdio.h>

typedef int32_t (*open_function)(const char *, const moe_model_options *,
                                 moe_model **, moe_error *);
typedef void (*close_function)(moe_model *);

static int open_and_close(void *library, const char *path) {
  open_function open_model =
      (open_function)(uintptr_t)dlsym(library, "moe_model_open");
  close_function close_model =
      (close_function)(uintptr_t)dlsym(library, "moe_model_close");
  if (!open_model || !close_model) {
    fprintf(stderr, "the library lacks moe_model_open or moe_model_close\n");
    return 1;
  }
  moe_model *model;
  moe_error error;
  if (open_model(path, NULL, &model, &error) != MOE_OK) {
    fprintf(stderr, "%s\n", error.message);
    return 1;
  }
  close_model(model);
  return 0;
}

int main(int argc, char **argv) {
  if (argc != 3) {
    fprintf(stderr, "usage: moe_capi_load LIBRARY MODEL\n");
    return 2;
  }
  void *library = dlopen(argv[1], RTLD_NOW | RTLD_LOCAL);
  if (!library) {
    fprintf(stderr, "%s\n", dlerror());
    return 1;
  }
  return open_and_close(library, argv[2]);
}

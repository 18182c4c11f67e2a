/*===- HeaderTest.c - The public header is C11 -------------------*- C -*-===//
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===---------------------------------------------------------------------===*/

#include "moe_rt/reference.h"

_Static_assert(MOE_REF_SILU == 0, "activations start at 0");

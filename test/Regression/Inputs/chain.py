#!/usr/bin/env python3
#===- chain.py - A body that is a long chain -------------------------------===#
#
# Part of the moe-mlir project, under the Apache License v2.0 with LLVM
# Exceptions. See LICENSE for license information.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#
#===------------------------------------------------------------------------===#
#
# usage: chain.py LINKS
#
# Prints experts whose body multiplies rows with a weight and doubles the result
# LINKS times.
#
#===------------------------------------------------------------------------===#

import sys

ROWS = "tensor<?x8xf32>"

links = int(sys.argv[1])
print(f"""\
moe.weight @w : !moe.bank<2x8x8xf32> from ["w.{{e}}"]
func.func @f(%x: tensor<4x8xf32>, %offsets: tensor<3xi32>) -> tensor<4x8xf32> {{
  %bank = moe.get_weight @w : !moe.bank<2x8x8xf32>
  %y = moe.experts %x, %offsets banks(%bank) : (tensor<4x8xf32>, tensor<3xi32>, !moe.bank<2x8x8xf32>) -> tensor<4x8xf32> {{
  ^bb0(%r: {ROWS}, %e: index, %w: tensor<8x8xf32>):
    %c0 = arith.constant 0 : index
    %zero = arith.constant 0.0 : f32
    %n = tensor.dim %r, %c0 : {ROWS}
    %empty = tensor.empty(%n) : {ROWS}
    %init = linalg.fill ins(%zero : f32) outs(%empty : {ROWS}) -> {ROWS}
    %h0 = linalg.matmul ins(%r, %w : {ROWS}, tensor<8x8xf32>) outs(%init : {ROWS}) -> {ROWS}""")
for i in range(links):
    print(f"    %h{i + 1} = arith.addf %h{i}, %h{i} : {ROWS}")
print(f"""\
    moe.yield %h{links} : {ROWS}
  }}
  return %y : tensor<4x8xf32>
}}""")

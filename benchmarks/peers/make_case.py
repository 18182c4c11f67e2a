#===- make_case.py - Writes a random case for the workers -------------===#
#
# Part of the moe-mlir project, under the Apache License v2.0 with LLVM
# Exceptions. See LICENSE for license information.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#
#===------------------------------------------------------------------------===#
#
# usage: make_case.py --shape=E,k,H,F --tokens=T [--seed=N] FILE.safetensors
#
#===------------------------------------------------------------------------===#

import argparse

import case


def main():
    parser = argparse.ArgumentParser(description="Writes a random case.")
    parser.add_argument("--shape", required=True, metavar="E,k,H,F")
    parser.add_argument("--tokens", required=True, type=int)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("file")
    arguments = parser.parse_args()
    shape = tuple(int(size) for size in arguments.shape.split(","))
    tensors = case.random(shape, arguments.tokens, arguments.seed)
    case.write(arguments.file, shape[1], tensors)


if __name__ == "__main__":
    main()

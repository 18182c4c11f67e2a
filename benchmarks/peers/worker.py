#===- worker.py - One engine that runs one layer when told to ---------===#
#
# Part of the moe-mlir project, under the Apache License v2.0 with LLVM
# Exceptions. See LICENSE for license information.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#
#===------------------------------------------------------------------------===#
#
# usage: worker.py --engine NAME --case FILE.safetensors --dtype D --threads N
#                  --copies C
#
# Loads the case, converts and packs its weights C times, runs the layer once
# with each copy and prints "ready ERROR", the largest error of a copy. Then for
# each line "run" on standard input it runs the whole layer, router included,
# with the next copy and prints the milliseconds; "quit" or the end of input
# ends it. What an engine itself prints goes to standard error.
#
# An engine is a module engines/NAME.py with
#
#   LAYERS   {dtype: layers(case, threads, copies)}, which returns one function
#            () -> y for each copy of the weights
#   array(y) the result as a f32 array [T, H]
#
#===------------------------------------------------------------------------===#

import argparse
import importlib
import os
import sys
import time


def parse():
    parser = argparse.ArgumentParser(description="Runs one layer when told to.")
    parser.add_argument("--engine", required=True)
    parser.add_argument("--case", required=True)
    parser.add_argument("--dtype", required=True)
    parser.add_argument("--threads", required=True, type=int)
    parser.add_argument("--copies", required=True, type=int)
    return parser.parse_args()


def take_standard_output():
    """A file for the protocol; whatever else is printed is an error message."""
    protocol = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    return protocol


def prepare(arguments):
    """The layer's functions, one for each copy of the weights, and the error."""
    import case

    engine = importlib.import_module(f"engines.{arguments.engine}")
    data = case.read(arguments.case)
    layers = engine.LAYERS[arguments.dtype]
    functions = layers(data, arguments.threads, arguments.copies)
    errors = [case.error(engine.array(run()), data.y) for run in functions]
    return functions, max(errors)


def milliseconds(function):
    start = time.perf_counter()
    function()
    return 1e3 * (time.perf_counter() - start)


def serve(functions, requests, protocol):
    """Answers each "run" with a time; copies take turns."""
    turn = 0
    for line in requests:
        if line.strip() == "quit":
            break
        if line.strip() != "run":
            sys.exit(f"worker: unknown request {line.strip()!r}")
        protocol.write(f"{milliseconds(functions[turn]):.6f}\n")
        turn = (turn + 1) % len(functions)


def main():
    arguments = parse()
    # Before the engine is imported: OpenMP reads it then.
    os.environ["OMP_NUM_THREADS"] = str(arguments.threads)
    protocol = take_standard_output()
    functions, error = prepare(arguments)
    protocol.write(f"ready {error:.3e}\n")
    serve(functions, sys.stdin, protocol)


if __name__ == "__main__":
    main()

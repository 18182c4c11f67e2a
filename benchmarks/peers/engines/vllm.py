#===- vllm.py - vLLM's fused layers for the CPU ---------------------------===#
#
# Part of the moe-mlir project, under the Apache License v2.0 with LLVM
# Exceptions. See LICENSE for license information.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#
#===------------------------------------------------------------------------===#
#
# Only the package's library of operators is loaded, not its Python modules:
# they need packages that the operators do not.
#
#===------------------------------------------------------------------------===#

import importlib.util
from pathlib import Path

import torch

from engines import weights
from engines.weights import array  # noqa: F401

INT8_W8A8 = 1  # vLLM's number of that method


def operators():
    """vLLM's operators, of the library that it loads on this processor."""
    folder = importlib.util.find_spec("vllm").submodule_search_locations[0]
    libraries = (
        (torch.cpu._is_avx512_bf16_supported, "_C.abi3.so"),
        (torch.cpu._is_avx512_supported, "_C_AVX512.abi3.so"),
        (torch.cpu._is_avx2_supported, "_C_AVX2.abi3.so"),
    )
    name = next(name for supported, name in libraries if supported())
    torch.ops.load_library(str(Path(folder, name)))
    return torch.ops._C


def packed(operator, weight):
    """The weight as cpu_fused_moe reads it, in new memory."""
    output = torch.empty_like(weight)
    operator(weight, output, "vec")
    return output


def floating(dtype):
    """cpu_fused_moe: weights and rows of one floating-point type."""

    def prepare(case, threads, copies):
        torch.set_num_threads(threads)
        ops = operators()
        pair = [weight.to(dtype).contiguous() for weight in weights.fused(case)]

        def copy():
            return [packed(ops.prepack_moe_weight, weight) for weight in pair]

        return [floating_layer(ops, case, *copy()) for _ in range(copies)]

    return prepare


def floating_layer(ops, case, w13, w2):
    x, rows, router = weights.inputs(case, w13.dtype)

    @weights.inference
    def run():
        mix, ids = weights.route(x, router, case.k)
        y = torch.empty_like(rows)
        none = (None, None)
        ops.cpu_fused_moe(y, rows, w13, w2, *none, mix, ids, False, "silu", "vec")
        return y

    return run


def integer(case, threads, copies):
    """fused_experts_cpu: int8 weights per column, int8 rows per token."""
    torch.set_num_threads(threads)
    ops = operators()
    pairs = [weights.per_column(weight) for weight in weights.fused(case)]

    def copy():
        return [ops.convert_weight_packed(weight) for weight, _ in pairs]

    scales = [scale for _, scale in pairs]
    return [integer_layer(ops, case, copy(), scales) for _ in range(copies)]


def integer_layer(ops, case, pair, scales):
    x, rows, router = weights.inputs(case, torch.bfloat16)
    unused = (None,) * 8

    @weights.inference
    def run():
        mix, ids = weights.route(x, router, case.k)
        y = torch.empty_like(rows)
        ops.fused_experts_cpu(
            y, rows, *pair, mix, ids, INT8_W8A8, *scales, *unused, True
        )
        return y

    return run


LAYERS = {
    "f32": floating(torch.float32),
    "bf16": floating(torch.bfloat16),
    "int8": integer,
}

#===- pytorch.py - PyTorch's grouped matrix product -----------------------===#
#
# Part of the moe-mlir project, under the Apache License v2.0 with LLVM
# Exceptions. See LICENSE for license information.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#
#===------------------------------------------------------------------------===#
#
# The order of operations is that of the transformers library's grouped
# experts: rows sorted by expert, two grouped products, weights applied to the
# rows, the order undone, a sum over the k rows of a token.
#
#===------------------------------------------------------------------------===#

import torch
from torch.nn.functional import grouped_mm, silu

from engines import weights
from engines.weights import array  # noqa: F401


def layers(dtype):
    def prepare(case, threads, copies):
        torch.set_num_threads(threads)
        w13, w2 = (weight.to(dtype) for weight in weights.fused(case))
        return [layer(case, w13.clone(), w2.clone()) for _ in range(copies)]

    return prepare


def layer(case, w13, w2):
    """The layer on w13 [E, 2F, H] and w2 [E, H, F]."""
    x, rows, router = weights.inputs(case, w13.dtype)

    @weights.inference
    def run():
        mix, ids = weights.route(x, router, case.k)
        order = torch.argsort(ids.flatten())
        back = torch.argsort(order)
        counts = torch.bincount(ids.flatten(), minlength=len(router))
        ends = torch.cumsum(counts, 0, dtype=torch.int32)
        both = grouped_mm(rows[order // case.k], w13.transpose(1, 2), offs=ends)
        gate, up = both.chunk(2, -1)
        down = grouped_mm(silu(gate) * up, w2.transpose(1, 2), offs=ends)
        down = down * mix.flatten()[order, None].to(down.dtype)
        return down[back].unflatten(0, (-1, case.k)).sum(1)

    return run


LAYERS = {"f32": layers(torch.float32), "bf16": layers(torch.bfloat16)}

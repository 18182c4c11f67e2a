#===- weights.py - Weights and a router as PyTorch tensors ----------------===#
#
# Part of the moe-mlir project, under the Apache License v2.0 with LLVM
# Exceptions. See LICENSE for license information.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#
#===------------------------------------------------------------------------===#
#
# Shared by the engines that are called through PyTorch.
#
#===------------------------------------------------------------------------===#

import torch

GROUP = 32


def fused(case):
    """Gate above up as [E, 2F, H] and down as [E, H, F], in f32."""
    w13 = torch.cat([torch.from_numpy(case.gate), torch.from_numpy(case.up)], 1)
    return w13, torch.from_numpy(case.down)


def per_column(weight):
    """Symmetric int8 [E, N, K] with one f32 scale per output, [E, N]."""
    scale = weight.abs().amax(-1).clamp_min(1e-12) / 127
    return (weight / scale[..., None]).round_().to(torch.int8), scale


def per_group(weight):
    """Symmetric 4 bit in int8 [E, N, K], one scale per 32 of K: [E, N, K/32].

    Every code from -8 to 7 is used: the scale is that of 15 steps.
    """
    groups = weight.unflatten(-1, (-1, GROUP))
    scale = groups.abs().amax(-1).clamp_min(1e-12) / 7.5
    codes = (groups / scale[..., None]).round_().clamp_(-8, 7)
    return codes.flatten(-2).to(torch.int8), scale


def inputs(case, dtype):
    """x twice: f32 for the router, and as the experts take it; the router."""
    x = torch.from_numpy(case.x)
    return x, x.to(dtype), torch.from_numpy(case.router)


def route(x, router, k):
    """Weights f32 and ids i32, both [T, k], of every token's experts."""
    scores = torch.softmax(torch.nn.functional.linear(x, router), -1)
    weights, ids = torch.topk(scores, k, dim=-1)
    return weights / weights.sum(-1, keepdim=True), ids.to(torch.int32)


def inference(function):
    """The function without gradients."""
    return torch.inference_mode()(function)


def array(y):
    return y.float().numpy()

#===- case.py - One MoE layer, its input and its result ---------------===#
#
# Part of the moe-mlir project, under the Apache License v2.0 with LLVM
# Exceptions. See LICENSE for license information.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#
#===------------------------------------------------------------------------===#
#
# A case is a safetensors file of f32 tensors, with k, the experts per token, in
# its metadata:
#
#   x [T, H]   router [E, H]   gate, up [E, F, H]   down [E, H, F]   y [T, H]
#
# y is the layer's result, computed in f64: softmax over the experts, the k
# largest kept and divided by their sum, SwiGLU experts, weighted sum.
#
#===------------------------------------------------------------------------===#

import json
import struct
from types import SimpleNamespace

import numpy as np

NAMES = ("x", "router", "gate", "up", "down", "y")
ALIGNMENT = 64
HEADER_LIMIT = 1 << 20


def read(path):
    """The case in a file: k and the tensors by name, mapped, not read."""
    with open(path, "rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        if length > HEADER_LIMIT:
            raise ValueError(f"{path}: its header has {length} bytes")
        header = json.loads(file.read(length))
    tensors = {name: mapped(path, header[name], 8 + length) for name in NAMES}
    return SimpleNamespace(k=int(header["__metadata__"]["k"]), **tensors)


def mapped(path, entry, start):
    """One tensor of a file whose data begins at byte `start`.

    Writing to it changes this process' copy, never the file.
    """
    if entry["dtype"] != "F32":
        raise ValueError(f"{path}: a tensor is {entry['dtype']}, not F32")
    offset = start + entry["data_offsets"][0]
    return np.memmap(path, np.float32, "c", offset, tuple(entry["shape"]))


def write(path, k, tensors):
    """Writes a case; `tensors` is {name: f32 array} with the names above."""
    header, end = {"__metadata__": {"k": str(k)}}, 0
    for name in NAMES:
        begin, end = end, end + tensors[name].nbytes
        entry = {"dtype": "F32", "shape": tensors[name].shape}
        header[name] = {**entry, "data_offsets": [begin, end]}
    text = json.dumps(header).encode()
    text += b" " * (-(8 + len(text)) % ALIGNMENT)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for name in NAMES:
            tensors[name].tofile(file)


def random(shape, tokens, seed=1):
    """The tensors of a random case of `shape` = (E, k, H, F), y included.

    Weights are scaled so that every intermediate value is of order 1.
    """
    experts, k, hidden, inner = shape
    generator = np.random.default_rng(seed)

    def normal(variance, *dimensions):
        values = generator.standard_normal(dimensions, dtype=np.float32)
        values *= np.float32(variance**0.5)
        return values

    tensors = {
        "x": normal(1, tokens, hidden),
        "router": normal(1 / hidden, experts, hidden),
        "gate": normal(1 / hidden, experts, inner, hidden),
        "up": normal(1 / hidden, experts, inner, hidden),
        "down": normal(1 / inner, experts, hidden, inner),
    }
    return {**tensors, "y": reference(k, **tensors)}


def reference(k, x, router, gate, up, down):
    """The layer's result [T, H], computed in f64 and rounded once."""
    x = x.astype(np.float64)
    logits = x @ router.astype(np.float64).T
    weights = np.exp(logits - logits.max(axis=1, keepdims=True))
    chosen = np.argsort(-logits, axis=1, kind="stable")[:, :k]
    weights = np.take_along_axis(weights, chosen, axis=1)
    weights /= weights.sum(axis=1, keepdims=True)
    y = np.zeros_like(x)
    for expert in np.unique(chosen):
        tokens, slots = np.nonzero(chosen == expert)
        rows = x[tokens]
        gated = rows @ gate[expert].astype(np.float64).T
        hidden = gated / (1 + np.exp(-gated))
        hidden *= rows @ up[expert].astype(np.float64).T
        rows = hidden @ down[expert].astype(np.float64).T
        y[tokens] += weights[tokens, slots, None] * rows
    return y.astype(np.float32)


def error(result, expected):
    """The norm of the difference of two [T, H] over the norm of the second."""
    expected = expected.astype(np.float64)
    return float(np.linalg.norm(result - expected) / np.linalg.norm(expected))

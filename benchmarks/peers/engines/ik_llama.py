#===- ik_llama.py - The graph of ik_llama.cpp for a MoE layer -------------===#
#
# Part of the moe-mlir project, under the Apache License v2.0 with LLVM
# Exceptions. See LICENSE for license information.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#
#===------------------------------------------------------------------------===#
#
# The ops, their fusion and their order are those that its loader of models
# builds by default, and weights are repacked as its option -rtr does. The graph
# is built through the C interface of ggml, whose sizes come innermost first: a
# weight [E, N, K] is a tensor (K, N, E).
#
#===------------------------------------------------------------------------===#

import ctypes
import importlib.util
from ctypes import c_bool, c_float, c_int, c_int64, c_size_t, c_void_p
from pathlib import Path

import numpy as np

# Numbers of enumerators in ggml.h.
F32, Q4_0, Q8_0, BF16 = 0, 2, 8, 30
SILU = 10
SUCCESS = 0


class InitParams(ctypes.Structure):
    _fields_ = [("size", c_size_t), ("buffer", c_void_p), ("no_alloc", c_bool)]


class Plan(ctypes.Structure):
    _fields_ = [
        ("work_size", c_size_t),
        ("work_data", c_void_p),
        ("threads", c_int),
        ("abort_callback", c_void_p),
        ("abort_data", c_void_p),
    ]


# {function: (result, arguments)}; all names begin with ggml_ but the last.
ARGUMENTS = {
    "init": (c_void_p, [InitParams]),
    "row_size": (c_size_t, [c_int, c_int64]),
    "get_data": (c_void_p, [c_void_p]),
    "quantize_chunk": (
        c_size_t,
        [c_int, c_void_p, c_void_p, c_int64, c_int64, c_int64, c_void_p],
    ),
    "new_tensor_2d": (c_void_p, [c_void_p, c_int] + [c_int64] * 2),
    "new_tensor_3d": (c_void_p, [c_void_p, c_int] + [c_int64] * 3),
    "reshape_2d": (c_void_p, [c_void_p, c_void_p] + [c_int64] * 2),
    "reshape_3d": (c_void_p, [c_void_p, c_void_p] + [c_int64] * 3),
    "mul_mat": (c_void_p, [c_void_p] * 3),
    "soft_max_inplace": (c_void_p, [c_void_p] * 2),
    "top_k": (c_void_p, [c_void_p, c_void_p, c_int]),
    "get_rows": (c_void_p, [c_void_p] * 3),
    "sum_rows": (c_void_p, [c_void_p] * 2),
    "div": (c_void_p, [c_void_p] * 3),
    "moe_up_gate": (c_void_p, [c_void_p] * 5 + [c_int]),
    "mul_mat_id": (c_void_p, [c_void_p] * 4),
    "mul_multi_add": (c_void_p, [c_void_p] * 3),
    "new_graph": (c_void_p, [c_void_p]),
    "build_forward_expand": (None, [c_void_p] * 2),
    "graph_plan": (Plan, [c_void_p, c_int]),
    "graph_compute": (c_int, [c_void_p, ctypes.POINTER(Plan)]),
    "iqk_repack_tensor": (None, [c_void_p]),
}


class Library:
    """ggml's functions as attributes, without their prefix."""

    def __init__(self):
        package = importlib.util.find_spec("ik_llama_cpp")
        folder = Path(package.submodule_search_locations[0], "lib")
        library = ctypes.CDLL(str(folder / "libggml.so"))
        for name, (result, arguments) in ARGUMENTS.items():
            prefix = "" if name.startswith("iqk_") else "ggml_"
            function = getattr(library, prefix + name)
            function.restype, function.argtypes = result, arguments
            setattr(self, name, function)


class Layer:
    """The layer with its own weights, input, intermediate values and result."""

    def __init__(self, ggml, case, kind, threads):
        self.ggml, self.case = ggml, case
        self.context = ggml.init(InitParams(self.bytes_needed(kind), None, False))
        if not self.context:
            raise MemoryError("ggml has no memory for the layer")
        self.graph = ggml.new_graph(self.context)
        self.y = self.build(kind)
        ggml.build_forward_expand(self.graph, self.y)
        self.plan = ggml.graph_plan(self.graph, threads)
        self.work = ctypes.create_string_buffer(max(1, self.plan.work_size))
        self.plan.work_data = ctypes.addressof(self.work)

    def bytes_needed(self, kind):
        """Weights, all values between them, and room for what describes them."""
        experts, inner, hidden = self.case.gate.shape
        rows = len(self.case.x) * (self.case.k + 1)
        weights = 2 * inner * self.ggml.row_size(kind, hidden)
        weights += hidden * self.ggml.row_size(kind, inner)
        values = 4 * rows * (inner + 2 * hidden + 8 * experts)
        return experts * (weights + 4 * hidden) + values + (4 << 20)

    def build(self, kind):
        """Adds the ops of the layer; its result (H, T)."""
        ggml, context, case = self.ggml, self.context, self.case
        tokens, hidden = case.x.shape
        x = self.tensor(F32, case.x)
        up, gate, down = (
            self.weight(kind, array) for array in (case.up, case.gate, case.down)
        )
        mix, ids = self.route(x)
        ggml.build_forward_expand(self.graph, mix)
        rows = ggml.reshape_3d(context, x, hidden, 1, tokens)
        inner = ggml.moe_up_gate(context, up, gate, rows, ids, SILU)
        outer = ggml.mul_mat_id(context, down, inner, ids)
        return ggml.mul_multi_add(context, outer, mix)

    def route(self, x):
        """Weights (1, k, T) and ids (k, T) of every token's experts."""
        ggml, context, case = self.ggml, self.context, self.case
        experts, tokens, k = len(case.router), len(case.x), case.k
        logits = ggml.mul_mat(context, self.tensor(F32, case.router), x)
        # In place, as its allocator has it: the fused softmax and top k rely on it.
        scores = ggml.soft_max_inplace(context, logits)
        ids = ggml.top_k(context, scores, k)
        scores = ggml.reshape_3d(context, scores, 1, experts, tokens)
        mix = ggml.get_rows(context, scores, ids)
        mix = ggml.reshape_2d(context, mix, k, tokens)
        mix = ggml.div(context, mix, ggml.sum_rows(context, mix))
        return ggml.reshape_3d(context, mix, 1, k, tokens), ids

    def tensor(self, kind, array):
        """A tensor of 2 or 3 dimensions with the array's values."""
        new = {2: self.ggml.new_tensor_2d, 3: self.ggml.new_tensor_3d}[array.ndim]
        tensor = new(self.context, kind, *reversed(array.shape))
        rows, length = array.size // array.shape[-1], array.shape[-1]
        target = self.ggml.get_data(tensor)
        if kind == F32:
            ctypes.memmove(target, array.ctypes.data, array.nbytes)
        else:
            source = array.ctypes.data
            self.ggml.quantize_chunk(kind, source, target, 0, rows, length, None)
        return tensor

    def weight(self, kind, array):
        """A tensor repacked, where its kind has a repacked form."""
        tensor = self.tensor(kind, array)
        self.ggml.iqk_repack_tensor(tensor)
        return tensor

    def __call__(self):
        status = self.ggml.graph_compute(self.graph, ctypes.byref(self.plan))
        if status != SUCCESS:
            raise RuntimeError(f"ggml_graph_compute returned {status}")
        return self

    def result(self):
        """y [T, H]."""
        pointer = ctypes.cast(self.ggml.get_data(self.y), ctypes.POINTER(c_float))
        return np.ctypeslib.as_array(pointer, self.case.y.shape).copy()


def layers(kind):
    def prepare(case, threads, copies):
        ggml = Library()
        return [Layer(ggml, case, kind, threads) for _ in range(copies)]

    return prepare


def array(layer):
    return layer.result()


LAYERS = {
    "f32": layers(F32),
    "bf16": layers(BF16),
    "int8": layers(Q8_0),
    "int8-grouped": layers(Q8_0),
    "int4": layers(Q4_0),
}

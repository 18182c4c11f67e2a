#===- onnxruntime.py - ONNX Runtime's MoE and QMoE operators --------------===#
#
# Part of the moe-mlir project, under the Apache License v2.0 with LLVM
# Exceptions. See LICENSE for license information.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#
#===------------------------------------------------------------------------===#
#
# The model is a matrix product for the router's logits and the operator, which
# does the rest: softmax over the k largest is the softmax divided by its sum.
# Weights are initializers in this process' memory, since a model file holds at
# most 2 GiB; the session packs them as it packs a model's own.
#
#===------------------------------------------------------------------------===#

import numpy as np
import onnx
import onnxruntime as ort
from onnx import TensorProto, helper

BLOCK = 32
INT8_ACTIVATIONS = 4  # the accuracy level with that name


def interleaved(case):
    """Gate and up rows in turn, as the operator wants them: [E, 2F, H]."""
    experts, inner, hidden = case.gate.shape
    pairs = np.stack([case.gate, case.up], 2)
    return pairs.reshape(experts, 2 * inner, hidden)


def quantized(weight, bits):
    """Unsigned codes [E, N, K * bits / 8] and scales [E, N, K / 32].

    The middle code is zero; of two 4-bit codes in a byte the lower is first.
    """
    middle = 1 << (bits - 1)
    groups = weight.reshape(*weight.shape[:2], -1, BLOCK)
    scale = np.maximum(np.abs(groups).max(-1), 1e-12) / (middle - 0.5)
    codes = np.rint(groups / scale[..., None]).clip(-middle, middle - 1)
    codes = (codes + middle).astype(np.uint8).reshape(weight.shape)
    if bits == 4:
        codes = codes[..., ::2] | codes[..., 1::2] << 4
    return codes, scale


def attributes(case):
    return {
        "domain": "com.microsoft",
        "k": case.k,
        "normalize_routing_weights": 1,
        "activation_type": "swiglu",
        "swiglu_fusion": 1,  # interleaved
        "activation_alpha": 1.0,
        "activation_beta": 0.0,
    }


def floating(case):
    """The operator's node and its weights {name: array}."""
    weights = {"w13": interleaved(case), "w2": case.down}
    inputs = ["x", "logits", "w13", "", "w2"]
    return helper.make_node("MoE", inputs, ["y"], **attributes(case)), weights


def integer(bits):
    def build(case):
        """As `floating`, with codes of `bits` bits and a scale for each 32."""
        w13, s13 = quantized(interleaved(case), bits)
        w2, s2 = quantized(case.down, bits)
        weights = {"w13": w13, "s13": s13, "w2": w2, "s2": s2}
        node = helper.make_node(
            "QMoE",
            ["x", "logits", "w13", "s13", "", "w2", "s2"],
            ["y"],
            expert_weight_bits=bits,
            block_size=BLOCK,
            accuracy_level=INT8_ACTIVATIONS,
            **attributes(case),
        )
        return node, weights

    return build


def external(name, array):
    """An initializer whose data is supplied when the model is loaded."""
    kind = helper.np_dtype_to_tensor_dtype(array.dtype)
    tensor = TensorProto(name=name, data_type=kind, dims=array.shape)
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value=name)
    return tensor


def model(case, node, weights):
    def value(name, shape):
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)

    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "router"], ["logits"]), node],
        "layer",
        [value("x", case.x.shape)],
        [value("y", case.y.shape)],
        [external(name, array) for name, array in weights.items()],
    )
    imports = [helper.make_opsetid("", 21), helper.make_opsetid("com.microsoft", 1)]
    return helper.make_model(graph, opset_imports=imports, ir_version=10)


def layers(build):
    def prepare(case, threads, copies):
        node, weights = build(case)
        weights["router"] = np.ascontiguousarray(case.router.T)
        data = model(case, node, weights).SerializeToString()
        return [layer(case, data, weights, threads) for _ in range(copies)]

    return prepare


def layer(case, data, weights, threads):
    values = [ort.OrtValue.ortvalue_from_numpy(w.copy()) for w in weights.values()]
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    # While another engine is measured this one's threads sleep.
    options.add_session_config_entry("session.force_spinning_stop", "1")
    options.add_external_initializers(list(weights), values)
    session = ort.InferenceSession(data, options, ["CPUExecutionProvider"])
    binding = session.io_binding()
    binding.bind_cpu_input("x", np.array(case.x))
    binding.bind_output("y")

    def run():
        session.run_with_iobinding(binding)
        return binding, values

    return run


def array(result):
    binding, _ = result
    return binding.copy_outputs_to_cpu()[0]


LAYERS = {
    "f32": layers(floating),
    "int8": layers(integer(8)),
    "int8-grouped": layers(integer(8)),
    "int4": layers(integer(4)),
}

#!/usr/bin/env python3
"""Checks quantized copies of a model directory, end to end.

check_quantized.py BIN MODEL WORK FORMAT...: for each format, writes two copies of
MODEL to WORK: one whose linear layers are codes in that format, with a
quantization_config, and one with the floats that the codes stand for. The tools
in BIN must compute the same logits from both. Prints a line per format; exits
with 1 at the first that fails.
"""

import json
import os
import re
import shutil
import struct
import subprocess
import sys

LINEAR = re.compile(
    r"(self_attn\.[qkvo]_proj|experts\.\d+\.\w+|mlp\.(gate|up|down)_proj"
    r"|shared_experts?\.(gate|up|down)_proj)\.weight$"
)
AWQ_ORDER = [0, 2, 4, 6, 1, 3, 5, 7]
PROMPT = ["--prompt-ids", "5,9,31,7,101,66,2", "--quiet"]


def read_tensors(path):
    """The tensors of a .safetensors file: name -> (dtype, shape, bytes)."""
    with open(path, "rb") as file:
        length = struct.unpack("<Q", file.read(8))[0]
        header = json.loads(file.read(length))
        data = file.read()
    header.pop("__metadata__", None)
    return {
        name: (
            entry["dtype"],
            entry["shape"],
            data[entry["data_offsets"][0] : entry["data_offsets"][1]],
        )
        for name, entry in header.items()
    }


def write_tensors(path, tensors):
    header, offset = {}, 0
    for name, (dtype, shape, data) in tensors.items():
        end = offset + len(data)
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [offset, end]}
        offset = end
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for _, _, data in tensors.values():
            file.write(data)


# --- Tensors from lists of rows ---------------------------------------------------


def transpose(rows):
    return [list(column) for column in zip(*rows)]


def tensor(dtype, rows):
    """A matrix; `dtype` as files name it."""
    letter = {"F32": "f", "F16": "e", "I32": "I", "I8": "b"}[dtype]
    values = [value for row in rows for value in row]
    data = struct.pack(f"<{len(values)}{letter}", *values)
    return dtype, [len(rows), len(rows[0])], data


def pack(rows, bits, order=range(8)):
    """Words of 32 bits along the rows: element i in place order.index(i)."""
    count = 32 // bits
    return [
        [
            sum(
                (row + [0] * count)[first + code] << bits * place
                for place, code in enumerate(list(order)[:count])
            )
            for first in range(0, len(row), count)
        ]
        for row in rows
    ]


# --- Formats ----------------------------------------------------------------------
# Each writes the codes, zeros and scales of a matrix N x K under `name`, which
# ends in a dot.


def write_gptq(name, matrix, options, less=None):
    """`less` is what the words of zeros hold less in each field: 1 in version 1."""
    if less is None:
        less = 0 if options.get("checkpoint_format") == "gptq_v2" else 1
    bits = matrix.bits
    groups = [k // matrix.group for k in range(len(matrix.codes[0]))]
    ones = (2**32 - 1) // (2**bits - 1)
    zeros = [
        [(word - less * ones) % 2**32 for word in row]
        for row in pack(transpose(matrix.zeros), bits)
    ]
    return {
        name + "qweight": tensor("I32", transpose(pack(matrix.codes, bits))),
        name + "qzeros": tensor("I32", zeros),
        name + "scales": tensor("F16", transpose(matrix.scales)),
        name + "g_idx": ("I32", [len(groups)], struct.pack(f"<{len(groups)}i", *groups)),
    }


def write_gptq_v2_zeros(name, matrix, options):
    """Zeros of version 2 in a file that says version 1."""
    return write_gptq(name, matrix, options, less=0)


def write_awq(name, matrix, options):
    return {
        name + "qweight": tensor("I32", pack(transpose(matrix.codes), 4, AWQ_ORDER)),
        name + "qzeros": tensor("I32", pack(transpose(matrix.zeros), 4, AWQ_ORDER)),
        name + "scales": tensor("F16", transpose(matrix.scales)),
    }


def write_packed(name, matrix, options):
    shape = struct.pack("<2q", len(matrix.codes), len(matrix.codes[0]))
    tensors = {
        name + "weight_packed": tensor("I32", pack(matrix.codes, matrix.bits)),
        name + "weight_scale": tensor("F16", matrix.scales),
        name + "weight_shape": ("I64", [2], shape),
    }
    if matrix.has_zeros:
        zeros = transpose(pack(transpose(matrix.zeros), matrix.bits))
        tensors[name + "weight_zero_point"] = tensor("I32", zeros)
    return tensors


def write_int8(name, matrix, options):
    def signed(rows):
        return [[value - 128 for value in row] for row in rows]

    tensors = {
        name + "weight": tensor("I8", signed(matrix.codes)),
        name + "weight_scale": tensor("F16", matrix.scales),
    }
    if matrix.has_zeros:
        tensors[name + "weight_zero_point"] = tensor("I8", signed(matrix.zeros))
    return tensors


def compressed(kind, bits, group, symmetric):
    weights = {
        "num_bits": bits,
        "type": "int",
        "symmetric": symmetric,
        "strategy": "group" if group else "channel",
        "group_size": group or None,
        "dynamic": False,
    }
    return {
        "quant_method": "compressed-tensors",
        "format": kind,
        "config_groups": {"group_0": {"targets": ["Linear"], "weights": weights}},
        "ignore": ["lm_head", "re:.*gate$"],
        "quantization_status": "compressed",
    }


def gptq(bits, group, sym, **more):
    method = {"quant_method": "gptq", "desc_act": False}
    return dict(method, bits=bits, group_size=group, sym=sym, **more)


AWQ = {"quant_method": "awq", "bits": 4, "version": "gemm", "zero_point": True}

# Name -> writer, bits, group (0: a row), symmetric, quantization_config.
FORMATS = {
    "gptq4": (write_gptq, 4, 32, True, gptq(4, 32, True)),
    "gptq8": (write_gptq, 8, 0, True, gptq(8, -1, True)),
    "gptq_v2": (
        write_gptq,
        4,
        32,
        False,
        gptq(4, 32, False, checkpoint_format="gptq_v2"),
    ),
    "gptq_zero_0": (write_gptq, 4, 32, False, gptq(4, 32, False)),
    "gptq_mislabelled": (write_gptq_v2_zeros, 4, 32, True, gptq(4, 32, True)),
    "awq": (write_awq, 4, 32, False, dict(AWQ, group_size=32)),
    "packed4": (write_packed, 4, 32, True, compressed("pack-quantized", 4, 32, True)),
    "packed8": (write_packed, 8, 0, False, compressed("pack-quantized", 8, 0, False)),
    "int8": (write_int8, 8, 0, True, compressed("int-quantized", 8, 0, True)),
    "int8_zeros": (write_int8, 8, 16, False, compressed("int-quantized", 8, 16, False)),
}

# What the kernels read does not depend on the format, so a few are enough.
ALL_PATHS = {"gptq4", "packed8"}


def to_f16(value):
    return struct.unpack("<e", struct.pack("<e", value))[0]


class Matrix:
    """Codes of `rows`, to nearest, and the floats that they stand for."""

    def __init__(self, rows, bits, group, symmetric):
        self.bits, self.has_zeros = bits, not symmetric
        self.group = group or len(rows[0])
        self.codes, self.zeros, self.scales, self.values = [], [], [], []
        for row in rows:
            self.add(row)

    def add(self, row):
        last, codes, values, zeros, scales = 2**self.bits - 1, [], [], [], []
        for first in range(0, len(row), self.group):
            run = row[first : first + self.group]
            zero = 2 ** (self.bits - 1)
            if self.has_zeros:
                low, high = min(min(run), 0), max(max(run), 0)
                if len(self.codes) % 3 == 0:
                    low = 0  # a zero of 0 is stored like any other
                    high = high or 1
                scale = to_f16((high - low) / last) or 1.0
                zero = min(last, round(-low / scale))
            else:
                scale = to_f16(max(map(abs, run)) / (zero - 1)) or 1.0
            for value in run:
                code = min(last, max(0, zero + round(value / scale)))
                codes.append(code)
                values.append(scale * (code - zero))
            zeros.append(zero)
            scales.append(scale)
        self.codes.append(codes)
        self.values.append(values)
        self.zeros.append(zeros)
        self.scales.append(scales)


# --- Copies -----------------------------------------------------------------------


def write_model(path, model, tensors, quantization):
    shutil.rmtree(path, ignore_errors=True)
    os.makedirs(path)
    with open(os.path.join(model, "config.json")) as file:
        config = json.load(file)
    if quantization:
        config["quantization_config"] = quantization
    with open(os.path.join(path, "config.json"), "w") as file:
        json.dump(config, file)
    write_tensors(os.path.join(path, "model.safetensors"), tensors)


def write_copies(model, work, name):
    """The directories with codes and with floats."""
    writer, bits, group, symmetric, quantization = FORMATS[name]
    codes, floats = {}, {}
    for key, entry in read_tensors(os.path.join(model, "model.safetensors")).items():
        dtype, shape, data = entry
        if not LINEAR.search(key):
            codes[key] = floats[key] = entry
            continue
        assert dtype == "F32", f"{key} is {dtype}"
        values = struct.unpack(f"<{len(data) // 4}f", data)
        columns = shape[1]
        rows = [values[i : i + columns] for i in range(0, len(values), columns)]
        matrix = Matrix(rows, bits, group, symmetric)
        codes.update(writer(key[: -len("weight")], matrix, quantization))
        floats[key] = tensor("F32", matrix.values)
    paths = os.path.join(work, name), os.path.join(work, name + "-floats")
    write_model(paths[0], model, codes, quantization)
    write_model(paths[1], model, floats, None)
    return paths


def run(command):
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode != 0:
        sys.exit(f"{' '.join(command)}\n{result.stdout}{result.stderr}")
    return result.stdout


def check(tool, model, work, name):
    codes, floats = write_copies(model, work, name)
    expected = os.path.join(work, name + ".safetensors")
    run([tool, floats, *PROMPT, "--output", expected])
    like = ["--expect", f"logits={expected}:logits", "--rtol"]
    run([tool, codes, *PROMPT, *like, "1e-4", "--atol", "1e-4"])
    if name in ALL_PATHS:
        run([tool, codes, *PROMPT, "--reference", *like, "1e-4", "--atol", "1e-4"])
        # Rows of 8 bits are near.
        int8 = ["--activations=int8", *like, "0.2", "--atol", "0.2"]
        run([tool, codes, *PROMPT, *int8])
    print(f"{name}: logits match")


def main():
    if len(sys.argv) < 5:
        sys.exit(__doc__.strip())
    bin_dir, model, work = sys.argv[1:4]
    for name in sys.argv[4:]:
        check(os.path.join(bin_dir, "moe-run"), model, work, name)


if __name__ == "__main__":
    main()

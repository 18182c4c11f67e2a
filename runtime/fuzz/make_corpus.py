#!/usr/bin/env python3
# ===- make_corpus.py - Seeds for the fuzzers ------------------------------===//
#
# Part of the moe-mlir project, under the Apache License v2.0 with LLVM
# Exceptions. See LICENSE for license information.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#
# ===----------------------------------------------------------------------===//
"""Writes fuzz/corpus: small files, good and bad, that reach each check."""

import json
import pathlib
import struct

CORPUS = pathlib.Path(__file__).parent / "corpus"


def tensor(dtype, shape, begin, end):
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}


def safetensors(header, data=b""):
    text = header if isinstance(header, str) else json.dumps(header)
    text = text.encode()
    return struct.pack("<Q", len(text)) + text + data


SAFETENSORS = {
    "empty": safetensors({}),
    "one": safetensors({"w": tensor("F32", [2, 2], 0, 16)}, bytes(range(16))),
    "metadata": safetensors(
        {
            "__metadata__": {"format": "pt"},
            "b": tensor("BF16", [3], 0, 6),
            "a": tensor("I64", [], 6, 14),
        },
        bytes(14),
    ),
    "misaligned": safetensors(
        {"a": tensor("U8", [1], 0, 1), "b": tensor("F64", [1], 1, 9)}, bytes(9)
    ),
    "no_elements": safetensors(
        {"a": tensor("F16", [0, 4], 0, 0), "b": tensor("BOOL", [2], 0, 2)},
        bytes(2),
    ),
    "unsupported": safetensors(
        {"a": tensor("F8_E4M3", [2], 0, 2), "b": tensor("F4", [4], 2, 4)},
        bytes(4),
    ),
    "duplicate": safetensors(
        '{"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0]},'
        '"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}}'
    ),
    "overlap": safetensors(
        {"a": tensor("U8", [3], 0, 3), "b": tensor("U8", [3], 1, 4)}, bytes(4)
    ),
    "overflow": safetensors(
        {"a": tensor("F32", [4294967296, 4294967296], 0, 0)}
    ),
    "long_header": struct.pack("<Q", 100_000_000) + b"{}",
}

INDEX = {
    "good": json.dumps(
        {
            "metadata": {"total_size": 8, "list": [1, [2.5, None]]},
            "weight_map": {"a": "one.safetensors", "b": "two.safetensors"},
        }
    ).encode(),
    "outside": b'{"weight_map":{"a":"../x"}}',
    "duplicate": b'{"weight_map":{"a":"x","a":"y"}}',
    "no_map": b'{"metadata":{}}',
}


def main():
    for folder, files in {"safetensors": SAFETENSORS, "index": INDEX}.items():
        (CORPUS / folder).mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            (CORPUS / folder / name).write_bytes(content)


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""Writes a .safetensors file: FILE NAME:DTYPE:SHAPE[:VALUES]...

SHAPE and VALUES are separated by commas; without VALUES all bytes are zero.
"""

import json
import math
import struct
import sys

FORMATS = {"F64": "d", "F32": "f", "I64": "q", "I32": "i", "U8": "B"}
SIZES = {"F16": 2, "BF16": 2, "F8_E4M3": 1}


def encode(dtype, shape, values):
    count = math.prod(shape)
    if not values:
        size = SIZES.get(dtype) or struct.calcsize("<" + FORMATS[dtype])
        return bytes(count * size)
    kind = float if dtype.startswith("F") else int
    return struct.pack(f"<{count}{FORMATS[dtype]}",
                       *(kind(value) for value in values.split(",")))


header, data = {}, b""
for argument in sys.argv[2:]:
    name, dtype, shape, *values = argument.split(":")
    shape = [int(extent) for extent in shape.split(",") if extent]
    encoded = encode(dtype, shape, values[0] if values else "")
    header[name] = {"dtype": dtype, "shape": shape,
                    "data_offsets": [len(data), len(data) + len(encoded)]}
    data += encoded
text = json.dumps(header).encode()
text += b" " * (-len(text) % 8)
with open(sys.argv[1], "wb") as file:
    file.write(struct.pack("<Q", len(text)) + text + data)

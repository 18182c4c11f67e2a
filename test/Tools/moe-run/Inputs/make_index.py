#!/usr/bin/env python3
"""Makes model.safetensors of the given directory the only shard of an index."""

import json
import os
import struct
import sys

folder = sys.argv[1]
shard = "model-1.safetensors"
os.rename(os.path.join(folder, "model.safetensors"), os.path.join(folder, shard))
with open(os.path.join(folder, shard), "rb") as file:
    header = json.loads(file.read(struct.unpack("<Q", file.read(8))[0]))
header.pop("__metadata__", None)
with open(os.path.join(folder, "model.safetensors.index.json"), "w") as file:
    json.dump({"weight_map": dict.fromkeys(header, shard)}, file)

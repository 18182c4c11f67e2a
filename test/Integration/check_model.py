#!/usr/bin/env python3
"""Checks a model directory against its golden.safetensors, end to end.

check_model.py BIN MODEL WORK: with the tools in BIN, on a copy in WORK too whose
tensors are in reverse order and in two shards. Prints a line per check; exits
with 1 at the first that fails.
"""

import json
import os
import re
import shutil
import struct
import subprocess
import sys

TOLERANCE = ["--rtol", "1e-4", "--atol", "1e-4"]


def read_header(path):
    """The tensors of a .safetensors file and where its data begin."""
    with open(path, "rb") as file:
        length = struct.unpack("<Q", file.read(8))[0]
        header = json.loads(file.read(length))
    header.pop("__metadata__", None)
    return header, 8 + length


def write_shard(path, source, data_begin, tensors):
    """Writes `tensors` (name -> header entry) of `source` to `path`."""
    header, offset = {}, 0
    for name, entry in tensors:
        size = entry["data_offsets"][1] - entry["data_offsets"][0]
        header[name] = dict(entry, data_offsets=[offset, offset + size])
        offset += size
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(source, "rb") as data, open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for _, entry in tensors:
            begin, end = entry["data_offsets"]
            data.seek(data_begin + begin)
            file.write(data.read(end - begin))


def reshard(model, target):
    """A copy of `model` with its tensors reversed and split in two files."""
    shutil.rmtree(target, ignore_errors=True)
    os.makedirs(target)
    shutil.copy(os.path.join(model, "config.json"), target)
    source = os.path.join(model, "model.safetensors")
    header, begin = read_header(source)
    tensors = sorted(header.items(), reverse=True)
    middle = len(tensors) // 2
    weight_map = {}
    for i, part in enumerate([tensors[:middle], tensors[middle:]]):
        name = f"model-{i + 1:05}-of-00002.safetensors"
        write_shard(os.path.join(target, name), source, begin, part)
        weight_map.update((tensor, name) for tensor, _ in part)
    with open(os.path.join(target, "model.safetensors.index.json"), "w") as file:
        json.dump({"metadata": {}, "weight_map": weight_map}, file)


def run(what, command):
    print(f"{what}: ", end="", flush=True)
    result = subprocess.run(command, capture_output=True, text=True,
                            timeout=120)
    if result.returncode != 0:
        print("FAILED\n" + " ".join(command))
        print(result.stdout + result.stderr)
        sys.exit(1)
    print("ok")
    return result.stdout


def check_outputs(bin_dir, model, golden, suffix, label):
    """Logits and router logits at every position; greedy ids both ways."""
    tensors, _ = read_header(golden)
    moe_run = [os.path.join(bin_dir, "moe-run"), model, "--quiet", "--input",
               f"input_ids={golden}:input_ids{suffix}"]
    expected = ["--expect", f"logits={golden}:logits{suffix}"]
    for name in tensors:
        if name.startswith("router_logits."):
            expected += ["--expect", f"{name}={golden}:{name}"]
    run(f"{label}: logits",
        moe_run + ["--outputs=logits,router_logits"] + expected + TOLERANCE)
    count = tensors[f"greedy{suffix}"]["shape"][-1]
    greedy = ["--max-new-tokens", str(count), "--ignore-eos", "--expect",
              f"greedy={golden}:greedy{suffix}"]
    run(f"{label}: greedy, prefill and one-token steps", moe_run + greedy)
    run(f"{label}: greedy, full forward each time",
        moe_run + greedy + ["--no-cache"])


def check_caches_in_place(bin_dir, model, work):
    """The bufferized module neither allocates nor copies a whole cache."""
    graph = os.path.join(work, "graph.mlir")
    run("import", [os.path.join(bin_dir, "moe-translate"), "--import-hf",
                   model, "-o", graph])
    text = run("bufferize", [
        os.path.join(bin_dir, "moe-opt"), graph,
        "--pass-pipeline=builtin.module(moe-compile{stop-after=bufferized})"])
    signature = re.search(r"func\.func @forward\((.*)\) attributes", text)
    caches = re.findall(r"(%arg\d+): (memref<\?x\d+x\?x\d+xf32>)",
                        signature.group(1))
    assert caches, "no cache among the arguments of @forward"
    cache_type = re.escape(caches[0][1])
    for pattern in [rf"memref\.alloc\(.*\).* : {cache_type}$",
                    rf"memref\.copy %arg\d+, .* : {cache_type} to",
                    rf"memref\.copy .*, %arg\d+ : .* to {cache_type}$"]:
        found = re.search(pattern, text, re.MULTILINE)
        if found:
            print(f"a cache is copied or allocated: {found.group(0)}")
            sys.exit(1)
    print(f"{len(caches)} caches are updated in place: ok")


def main():
    bin_dir, model, work = sys.argv[1:]
    os.makedirs(work, exist_ok=True)
    golden = os.path.join(model, "golden.safetensors")
    tensors, _ = read_header(golden)
    suffixes = sorted(name[len("input_ids"):] for name in tensors
                      if name.startswith("input_ids"))
    for suffix in suffixes:
        check_outputs(bin_dir, model, golden, suffix, "as published" + suffix)
    shards = os.path.join(work, "shards")
    reshard(model, shards)
    check_outputs(bin_dir, shards, golden, suffixes[0], "reversed, two shards")
    check_caches_in_place(bin_dir, model, work)


main()

#!/usr/bin/env python3
#===- properties.py - What else a fast layer must be ----------------------===#
#
# Part of the moe-mlir project, under the Apache License v2.0 with LLVM
# Exceptions. See LICENSE for license information.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#
#===------------------------------------------------------------------------===#
#
# usage: properties.py [--only=overhead,threads,experts,compiling,loading]
#                      [--rounds=N] [--json=FILE]
#
# Measures with moe-bench and moe-run, and writes tables of docs/performance.md:
#   overhead   what a layer does besides its experts: layers of two narrow widths lie
#              on a line, which meets width 0 there. One after the other in each round
#   threads    one and two threads in the same rounds, with tokens that are spread
#              evenly, by Zipf's law, or that all want the same experts
#              *Of the machine* is how much faster two threads are at multiplying
#              registers: a virtual machine may run both on one core, and is asked
#              again then, some times
#   experts    more and more experts of one size, beside the bytes of those that
#              got tokens
#   compiling  seconds to machine code, of a layer and of a model of 32 layers
#   loading    seconds until weights are as kernels want them, from a checkpoint and
#              from a file that keeps them (--packed-cache), beside reading the same
#              bytes once into memory; files are in the system's cache
# Lines that were not measured stay. Nothing here passes or fails by a time.
#
#===------------------------------------------------------------------------===#

import argparse
import json
import mmap
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import models
import page
import performance

ROOT = Path(__file__).resolve().parent.parent
BIN = ROOT / "build" / "release" / "bin"
MODEL = ROOT / "test" / "Inputs" / "goldens" / "mixtral" / "config.json"
SECONDS = 600

SHAPES = ("8,2,1024,3584", "64,6,1024,704", "60,4,2048,1408")
DTYPES = ("f32", "bf16", "int8", "int4")
TOKENS = 512
LOADS = ("uniform", "zipf:0.7", "one")
NARROW = 32
ATTEMPTS, TWO_CORES = 4, 1.9
EXPERTS = (8, 32, 128, 512, 2048)
LAYERS = 32
READ_BYTES = 16 << 20


def bench(*flags):
    """What moe-bench says of a layer."""
    command = [str(BIN / "moe-bench"), *flags, "--json"]
    done = subprocess.run(
        command, stdout=subprocess.PIPE, timeout=SECONDS, check=True, text=True
    )
    return json.loads(done.stdout)


def spread(values):
    """Between the largest and the smallest, over the median."""
    return (max(values) - min(values)) / statistics.median(values)


# --- Overhead ---------------------------------------------------------------------


def measure_overhead(rounds):
    for shape in SHAPES:
        layer = shape.split(",")[:3]
        widths = [shape.split(",")[3], NARROW, 2 * NARROW]
        for dtype in DTYPES:
            flags = (f"--tokens={TOKENS}", f"--dtype={dtype}", "--rounds=11")
            triples = []
            for _ in range(rounds):
                shapes = (",".join([*layer, str(width)]) for width in widths)
                triples.append(
                    [bench(f"--shape={one}", *flags)["median_ms"] for one in shapes]
                )
            yield {"shape": shape, "dtype": dtype, "triples": triples}


def overhead_line(row):
    """Of layers of some width, NARROW and twice NARROW: the line through the last
    two meets width 0 at what does not grow with it."""
    wholes, narrow, wide = (statistics.median(c) for c in zip(*row["triples"]))
    rests = [2 * one - two for _, one, two in row["triples"]]
    rest = 2 * narrow - wide
    return page.line(
        (
            row["shape"],
            row["dtype"],
            f"{wholes:.2f}",
            f"{rest:.2f}",
            f"{rest / wholes:.1%}",
            f"{(max(rests) - min(rests)) / wholes:.1%}",
        )
    )


# --- Threads ----------------------------------------------------------------------


def machine_speedup(cell):
    return cell["peak_gops"] / cell["one_thread"]["peak_gops"]


def bench_with_two_cores(*flags):
    """As `bench`, if in some attempts the machine has two cores for us."""
    for _ in range(ATTEMPTS):
        cell = bench(*flags)
        if machine_speedup(cell) > TWO_CORES:
            break
    return cell


def measure_threads(rounds):
    for shape in SHAPES:
        for dtype in DTYPES:
            for load in LOADS:
                yield bench_with_two_cores(
                    f"--shape={shape}",
                    f"--tokens={TOKENS}",
                    f"--dtype={dtype}",
                    f"--load={load}",
                    f"--rounds={2 * rounds + 1}",
                    "--threads=2",
                    "--scaling",
                )


def shape_of(cell):
    return ",".join(str(cell[k]) for k in ("experts", "top_k", "hidden", "width"))


def threads_line(cell):
    one = cell["one_thread"]
    return page.line(
        (
            shape_of(cell),
            cell["dtype"],
            cell["load"],
            cell["tokens_per_expert_max"],
            f"{one['median_ms']:.2f}",
            f"{cell['median_ms']:.2f}",
            f"{cell['speedup']:.2f}",
            f"{machine_speedup(cell):.2f}",
            f"{one['spread']:.0%}, {cell['spread']:.0%}",
        )
    )


# --- Experts ----------------------------------------------------------------------


def measure_experts(rounds):
    for experts in EXPERTS:
        yield bench(
            f"--shape={experts},4,2048,64",
            f"--tokens={TOKENS}",
            "--dtype=f32",
            f"--rounds={2 * rounds + 1}",
        )


def experts_line(cell):
    milliseconds, limit = performance.predicted(cell)
    return page.line(
        (
            shape_of(cell),
            cell["experts_hit"],
            f"{cell['weight_bytes'] / 1e6:.0f}",
            limit,
            f"{milliseconds:.2f}",
            f"{cell['median_ms']:.2f}",
            f"{cell['spread']:.0%}",
            f"{milliseconds / cell['median_ms']:.0%}",
        )
    )


# --- Compiling --------------------------------------------------------------------


def compile_model(activations, layers):
    """Seconds that moe-run takes to compile a model of so many layers."""
    with tempfile.TemporaryDirectory() as folder:
        config = json.loads(MODEL.read_text())
        config["num_hidden_layers"] = layers
        Path(folder, "config.json").write_text(json.dumps(config))
        stats = Path(folder, "stats.json")
        command = [BIN / "moe-run", folder, "--random-weights=1", "--prompt-ids=1,2"]
        command += ["--max-new-tokens=1", "--quiet", f"--stats={stats}"]
        command += [f"--activations={activations}"]
        subprocess.run(
            [str(part) for part in command],
            stdout=subprocess.DEVNULL,
            timeout=SECONDS,
            check=True,
        )
        return json.loads(stats.read_text())["compile_seconds"]


def measure_compiling(rounds):
    for dtype in DTYPES:
        yield {
            "what": f"layer 64,6,1024,704, {dtype}",
            "seconds": [
                bench("--shape=64,6,1024,704", "--tokens=1", "--rounds=1", f"--dtype={dtype}")[
                    "compile_ms"
                ]
                / 1e3
                for _ in range(rounds)
            ],
        }
    for layers in (1, LAYERS):
        yield {
            "what": f"mixtral, layers: {layers}",
            "seconds": [compile_model("f32", layers) for _ in range(rounds)],
        }


def compiling_line(row):
    seconds = row["seconds"]
    return page.line(
        (row["what"], f"{statistics.median(seconds):.2f}", f"{spread(seconds):.0%}")
    )


# --- Loading ----------------------------------------------------------------------


def read_once(path):
    """Seconds in which one thread reads a file into fresh memory, in huge pages, as a
    model's is. On a virtual machine much of it may be waiting for that memory."""
    bytes_of_file = path.stat().st_size
    with mmap.mmap(-1, bytes_of_file) as memory, open(path, "rb", buffering=0) as file:
        memory.madvise(mmap.MADV_HUGEPAGE)
        start = time.perf_counter()
        with memoryview(memory) as view:
            done = 0
            while done < bytes_of_file:
                done += file.readinto(view[done : done + READ_BYTES])
        return time.perf_counter() - start


def load_seconds(folder, quantize, *flags):
    """Seconds that moe-run takes to load weights."""
    stats = Path(folder, "stats.json")
    command = [BIN / "moe-run", folder, "--prompt-ids=1", "--max-new-tokens=1"]
    command += [f"--quantize-experts={quantize}", "--threads=2", "--quiet"]
    command += [f"--stats={stats}", *flags]
    models.run(command)
    return json.loads(stats.read_text())["load_seconds"]


def measure_loading(rounds):
    with tempfile.TemporaryDirectory() as folder:
        model = models.Model("granite", None, folder)
        weights = model.folder / "model.safetensors"
        cache = Path(folder, "packed.safetensors")
        for quantize in ("none", "int8", "int4"):
            cache.unlink(missing_ok=True)
            load_seconds(model.folder, quantize, f"--packed-cache={cache}")
            times = [
                {
                    "file": read_once(weights),
                    "packing": load_seconds(model.folder, quantize),
                    "cache": read_once(cache),
                    "reading": load_seconds(
                        model.folder, quantize, f"--packed-cache={cache}"
                    ),
                }
                for _ in range(rounds)
            ]
            yield {
                "what": f"granite, layers: {model.layers}, experts: {quantize}",
                "file_bytes": weights.stat().st_size,
                "cache_bytes": cache.stat().st_size,
                "times": times,
            }


def loading_line(row):
    def ratio(over, under):
        return statistics.median(one[over] / one[under] for one in row["times"])

    def seconds(key):
        values = [one[key] for one in row["times"]]
        return f"{statistics.median(values):.2f} ({spread(values):.0%})"

    return page.line(
        (
            row["what"],
            f"{row['file_bytes'] / 1e6:.0f}",
            seconds("packing"),
            f"{ratio('packing', 'file'):.2f}",
            f"{row['cache_bytes'] / 1e6:.0f}",
            seconds("reading"),
            f"{ratio('reading', 'cache'):.2f}",
        )
    )


# --- All --------------------------------------------------------------------------

# Name of the table -> how it is measured and written, how many columns say what a
# line is about, and all columns.
TABLES = {
    "overhead": (
        measure_overhead,
        overhead_line,
        2,
        ("E,k,H,F", "dtype", "layer, ms", "without experts, ms", "share", "spread"),
    ),
    "threads": (
        measure_threads,
        threads_line,
        3,
        (
            "E,k,H,F",
            "dtype",
            "load",
            "most rows of an expert",
            "1 thread, ms",
            "2 threads, ms",
            "speed-up",
            "of the machine",
            "spreads",
        ),
    ),
    "experts": (
        measure_experts,
        experts_line,
        1,
        (
            "E,k,H,F",
            "with tokens",
            "MB",
            "limit",
            "predicted ms",
            "measured ms",
            "spread",
            "reached",
        ),
    ),
    "compiling": (measure_compiling, compiling_line, 1, ("what", "seconds", "spread")),
    "loading": (
        measure_loading,
        loading_line,
        1,
        (
            "what",
            "file, MB",
            "packing, s (spread)",
            "of reading it",
            "cache, MB",
            "from it, s (spread)",
            "of reading it",
        ),
    ),
}


def parse(arguments):
    parser = argparse.ArgumentParser(description="Writes tables of docs/performance.md.")
    parser.add_argument("--only", default=",".join(TABLES), metavar="TABLE,...")
    parser.add_argument("--rounds", type=performance.compare.positive, default=5)
    parser.add_argument("--json", type=Path, metavar="FILE")
    options = parser.parse_args(arguments)
    options.only = options.only.split(",")
    unknown = set(options.only) - set(TABLES)
    if unknown:
        parser.error(f"no table {', '.join(unknown)}; there are {', '.join(TABLES)}")
    return options


def main(arguments):
    options = parse(arguments)
    results = {}
    for name in options.only:
        measure, as_line, keys, columns = TABLES[name]
        print(f"{name}\n{page.line(columns)}")
        results[name] = []
        for row in measure(options.rounds):
            results[name].append(row)
            print(as_line(row), flush=True)
        page.write(name, columns, [as_line(row) for row in results[name]], keys)
    if options.json:
        options.json.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])

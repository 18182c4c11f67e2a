#!/usr/bin/env python3
#===- performance.py - Writes docs/performance.md -------------------------===#
#
# Part of the moe-mlir project, under the Apache License v2.0 with LLVM
# Exceptions. See LICENSE for license information.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#
#===------------------------------------------------------------------------===#
#
# usage: performance.py [--shapes="E,k,H,F;..."] [--tokens=T,...] [--dtype=D,...]
#                       [--peer-tokens=T,...] [--rounds=N] [--processes=N]
#                       [--json=FILE]
#
# Measures the layers of docs/performance.md, each beside the limits of the
# machine in the same rounds (moe-bench), and for --peer-tokens beside the
# engines that benchmarks/peers/setup has installed (compare.py); then writes the
# page again, where lines of cells that were not measured stay, and its picture.
# Nothing here passes or fails by a time.
#
#===------------------------------------------------------------------------===#

import argparse
import contextlib
import json
import subprocess
import sys
from pathlib import Path

import compare
import page
import plot

ROOT = Path(__file__).resolve().parent.parent
BENCH = ROOT / "build" / "release" / "bin" / "moe-bench"
CELL_SECONDS = 600

COLUMNS = (
    "E,k,H,F",
    "tokens",
    "dtype",
    "limit",
    "predicted ms",
    "measured ms",
    "spread",
    "reached",
    "fastest other",
    "errors",
)

SHAPES = "8,2,1024,3584;64,6,1024,704;60,4,2048,1408"
TOKENS = "1,8,64,512,4096"
DTYPES = "f32,bf16,int8,int8-grouped,int4"
PEER_TOKENS = TOKENS


def run_bench(shape, tokens, dtype, rounds):
    """What one process of moe-bench says of a cell."""
    command = [BENCH, f"--shape={shape}", f"--tokens={tokens}", f"--dtype={dtype}"]
    command += [f"--rounds={rounds}", "--json"]
    done = subprocess.run(
        [str(part) for part in command],
        stdout=subprocess.PIPE,
        timeout=CELL_SECONDS,
        check=True,
    )
    return json.loads(done.stdout)


def predicted(cell):
    """Milliseconds that the limits allow, and the name of the binding one."""
    compute = cell["flops"] / cell["peak_gops"] / 1e6
    memory = cell["weight_bytes"] / cell["read_gbps"] / 1e6
    return max((compute, "peak"), (memory, "memory"))


def reached(cell):
    return predicted(cell)[0] / cell["median_ms"]


def measure(shape, tokens, dtype, rounds, processes=3):
    """Of some processes, each with memory of its own that is fast or slow, the one
    in the middle by what it reached."""
    cells = [run_bench(shape, tokens, dtype, rounds) for _ in range(processes)]
    return sorted(cells, key=reached)[processes // 2]


def measure_peers(shape, tokens, dtype, rounds, threads, case):
    """compare.py's report on a cell."""
    cell = compare.Cell(compare.shape_of(shape), tokens, dtype, threads, rounds)
    cell.copies = compare.copies_for(cell)
    return compare.measure_cell(cell, list(compare.TYPES), case)


def fastest(report):
    """The other engine that takes the least of our time, and the errors of both."""
    engines = report["engines"]
    others = {
        name: engine["of_ours"]
        for name, engine in engines.items()
        if name != compare.OURS and engine["of_ours"]
    }
    if not others:
        return "none runs", ""
    name = min(others, key=others.get)
    ours, theirs = (engines[n]["error"] for n in (compare.OURS, name))
    return f"{name} {others[name]:.2f}", f"{ours:.1e}, {theirs:.1e}"


def row(cell, report):
    """A line of the table."""
    milliseconds, limit = predicted(cell)
    shape = ",".join(str(cell[k]) for k in ("experts", "top_k", "hidden", "width"))
    return page.line(
        (
            shape,
            cell["tokens"],
            cell["dtype"],
            limit,
            f"{milliseconds:.2f}",
            f"{cell['median_ms']:.2f}",
            f"{cell['spread']:.0%}",
            f"{reached(cell):.0%}",
            *(fastest(report) if report else ("", "")),
        )
    )


def write_page(rows, processor):
    """Replaces the table of the page; lines of other cells stay."""
    note = f"{processor}, {rows['threads']} threads."
    page.write("table", COLUMNS, rows["lines"], keys=3, note=note)
    plot.write()


def parse(arguments):
    parser = argparse.ArgumentParser(description="Writes docs/performance.md.")
    add = parser.add_argument
    numbers = compare.list_of(compare.positive)
    add("--shapes", default=SHAPES, metavar="E,k,H,F;...")
    add("--tokens", type=numbers, default=numbers(TOKENS), metavar="T,...")
    add("--dtype", default=DTYPES, metavar="D,...")
    add("--peer-tokens", type=numbers, default=numbers(PEER_TOKENS), metavar="T,...")
    add("--rounds", type=compare.positive, default=11)
    add("--processes", type=compare.positive, default=3, help="the middle one counts")
    add("--json", metavar="FILE")
    return parser.parse_args(arguments)


def main(arguments):
    options = parse(arguments)
    cells, lines = [], []
    for shape in options.shapes.split(";"):
        for tokens in options.tokens:
            has_peers = tokens in options.peer_tokens
            case = contextlib.nullcontext()
            if has_peers:
                case = compare.made_case(compare.shape_of(shape), tokens)
            with case as file:
                for dtype in options.dtype.split(","):
                    cell = measure(
                        shape, tokens, dtype, options.rounds, options.processes
                    )
                    report = None
                    if has_peers:
                        report = measure_peers(
                            shape,
                            tokens,
                            dtype,
                            options.rounds,
                            cell["threads"],
                            file,
                        )
                    cells.append({"cell": cell, "peers": report})
                    lines.append(row(cell, report))
                    print(lines[-1], flush=True)
    threads = cells[0]["cell"]["threads"]
    write_page({"threads": threads, "lines": lines}, compare.processor())
    if options.json:
        Path(options.json).write_text(json.dumps(cells, indent=1) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])

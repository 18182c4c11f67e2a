#!/usr/bin/env python3
#===- compare.py - Measures one layer beside other engines ----------------===#
#
# Part of the moe-mlir project, under the Apache License v2.0 with LLVM
# Exceptions. See LICENSE for license information.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#
#===------------------------------------------------------------------------===#
#
# usage: compare.py --shape=E,k,H,F --tokens=T,... --dtype=D,... [--threads=N]
#                   [--rounds=N] [--engines=NAME,...] [--json=FILE]
#
# For every number of tokens and every type of weights, a process for each
# engine holds the same layer, packed as the engine likes it, and waits. In each
# round every engine runs twice in a row while the others sleep: the first run
# wakes its threads, the second is counted. The order changes from round to
# round. "of ours" is the median over the rounds of the engine's time divided by
# ours of that round: below 1 it is faster.
#
# benchmarks/peers/setup installs the engines, benchmarks/peers/README.md says
# what they are. Nothing here passes or fails by a time.
#
#===------------------------------------------------------------------------===#

import argparse
import contextlib
import json
import math
import os
import select
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PEERS = ROOT / "build" / "peers"
SCRIPTS = ROOT / "benchmarks" / "peers"
OURS = "moe-mlir"
BENCH = ROOT / "build" / "release" / "bin" / "moe-bench"

# {engine: the types of weights that it has a layer for}
TYPES = {
    OURS: ("f32", "bf16", "int8", "int8-grouped", "int4"),
    "vllm": ("f32", "bf16", "int8"),
    "zentorch": ("bf16", "int8", "int4"),
    "ik_llama": ("f32", "bf16", "int8", "int8-grouped", "int4"),
    "pytorch": ("f32", "bf16"),
    "onnxruntime": ("f32", "int8", "int8-grouped", "int4"),
}
# Scales for each 32 weights included.
WEIGHT_BYTES = {
    "f32": 4,
    "bf16": 2,
    "int8": 1.0625,
    "int8-grouped": 1.0625,
    "int4": 0.5625,
}

READY_SECONDS = 600
RUN_SECONDS = 60
END_SECONDS = 5
CASE_SECONDS = 600
# OpenMP's threads wait actively for a few milliseconds after a run.
SETTLE_SECONDS = 0.03
LINE_LIMIT = 4096
# Caches hold none of a copy's weights when its turn comes again.
CACHES_BETWEEN_TURNS = 3
LAST_CACHE = Path("/sys/devices/system/cpu/cpu0/cache/index3/size")
DEFAULT_CACHE = 32 << 20
MOST_COPIES = 16


# ===-----------------------------------------------------------------------===#
# Workers
# ===-----------------------------------------------------------------------===#


class WorkerError(Exception):
    """Why a worker is of no use any more."""


class Worker:
    """A process that holds a layer and runs it when told to.

    It says "ready ERROR", then a number of milliseconds for each "run". What it
    says is not trusted: every answer has a deadline, a form and a length.
    """

    def __init__(self, name, command, environment=None):
        self.name = name
        self.messages = tempfile.TemporaryFile()
        self.buffer = b""
        try:
            self.process = subprocess.Popen(
                [str(part) for part in command],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self.messages,
                env={**os.environ, **(environment or {})},
                start_new_session=True,
            )
        except OSError as error:
            self.messages.close()
            raise WorkerError(f"does not start: {error.strerror}") from error

    def ready(self, seconds=READY_SECONDS):
        """Waits until the layer is loaded; its error."""
        line = self.answer(seconds, "loading")
        word, _, value = line.partition(" ")
        error = number(value)
        if word != "ready" or error is None:
            raise WorkerError(f"said {line[:60]!r} instead of 'ready ERROR'")
        return error

    def run(self, seconds=RUN_SECONDS):
        """Runs the layer once; milliseconds."""
        if select.select([self.process.stdout], [], [], 0)[0]:
            line = self.answer(0.1, "waiting")
            raise WorkerError(f"said {line[:60]!r} without being asked")
        try:
            self.process.stdin.write(b"run\n")
            self.process.stdin.flush()
        except OSError:
            raise WorkerError(self.death()) from None
        line = self.answer(seconds, "running")
        time = number(line)
        if time is None or time == 0:
            raise WorkerError(f"said {line[:60]!r} instead of milliseconds")
        return time

    def answer(self, seconds, doing):
        """Its next line, which must be all that it says."""
        deadline = time.monotonic() + seconds
        while b"\n" not in self.buffer:
            left = deadline - time.monotonic()
            if left <= 0:
                raise WorkerError(f"{doing}: no answer within {seconds} s")
            if len(self.buffer) > LINE_LIMIT:
                raise WorkerError(f"{doing}: said {LINE_LIMIT} bytes without a line")
            if select.select([self.process.stdout], [], [], left)[0]:
                data = os.read(self.process.stdout.fileno(), LINE_LIMIT)
                if not data:
                    raise WorkerError(f"{doing}: {self.death()}")
                self.buffer += data
        line, _, self.buffer = self.buffer.partition(b"\n")
        if self.buffer:
            raise WorkerError(f"{doing}: said more than one line")
        return line.decode(errors="replace").strip()

    def death(self):
        """How it ended, with the last line of its messages."""
        try:
            ending = f"ended with status {self.process.wait(END_SECONDS)}"
        except subprocess.TimeoutExpired:
            ending = "closed its output"
        self.messages.seek(max(0, self.messages.seek(0, os.SEEK_END) - LINE_LIMIT))
        lines = self.messages.read().decode(errors="replace").split("\n")
        lines = [line.strip() for line in lines if line.strip()]
        return f"{ending}: {lines[-1][:200]}" if lines else ending

    def close(self):
        """Ends it with all its children."""
        if self.process.stdin.closed:
            return
        with contextlib.suppress(OSError):
            self.process.stdin.write(b"quit\n")
            self.process.stdin.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(END_SECONDS)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self.process.stdout.close()
        self.messages.close()


def number(text):
    """A finite number that is not negative, or None."""
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) and value >= 0 else None


# ===-----------------------------------------------------------------------===#
# Measuring
# ===-----------------------------------------------------------------------===#


@dataclass
class Cell:
    """What one table is about; shape = (experts, k, hidden, inner)."""

    shape: tuple
    tokens: int
    dtype: str
    threads: int
    rounds: int
    copies: int = 0


@dataclass
class Result:
    """One engine's times in milliseconds, and of each round ours."""

    error: float
    times: list = field(default_factory=list)
    ours: list = field(default_factory=list)

    def summary(self):
        times = self.times if len(self.times) > 1 else self.times * 2
        quarters = statistics.quantiles(times, method="inclusive")
        ratios = [time / ours for time, ours in zip(self.times, self.ours)]
        return {
            "error": self.error,
            "median_ms": statistics.median(self.times),
            "quartiles_ms": [quarters[0], quarters[2]],
            "of_ours": statistics.median(ratios) if ratios else None,
            "times_ms": self.times,
        }


def interleave(workers, errors, rounds, settle=SETTLE_SECONDS):
    """Measures all workers in turn.

    Returns {name: Result} and {name: reason} of those that failed on the way,
    whose times do not count.
    """
    results = {name: Result(error) for name, error in errors.items()}
    failed = {}
    for turn in range(rounds):
        times = {}
        for worker in rotated(workers, turn):
            if worker.name in failed:
                continue
            time.sleep(settle)
            try:
                worker.run()
                times[worker.name] = worker.run()
            except WorkerError as error:
                failed[worker.name] = str(error)
                worker.close()
        for name, value in times.items():
            results[name].times.append(value)
            if OURS in times:
                results[name].ours.append(times[OURS])
    kept = {name: r for name, r in results.items() if name not in failed}
    return kept, failed


def rotated(items, turn):
    start = turn % max(1, len(items))
    return items[start:] + items[:start]


def loaded(name, command, started):
    """A worker that is ready, with its error; it ends with `started`."""
    worker = Worker(name, command)
    started.callback(worker.close)
    try:
        return worker, worker.ready()
    except WorkerError:
        worker.close()
        raise


def start_what_fits(commands, room, started):
    """Starts workers while `room()` says that another one fits.

    `commands` is {name: command}; those that are started or fail are taken out
    of it. Ours is started with every group; beside it, one always fits. They
    end with the stack `started`. Returns the workers, their errors and the
    reasons of those that failed.
    """
    workers, errors, failed = [], {}, {}
    wanted = [name for name in commands if name != OURS]
    for name in ([OURS] if OURS in commands else []) + wanted:
        if name != OURS and any(w.name != OURS for w in workers) and not room():
            break
        try:
            worker, errors[name] = loaded(name, commands[name], started)
            workers.append(worker)
        except WorkerError as error:
            failed[name] = str(error)
        if name != OURS or name in failed:
            del commands[name]
    return workers, errors, failed


def measure(commands, rounds, room, settle=SETTLE_SECONDS):
    """Measures {name: command} in groups that fit in memory, ours in each.

    Returns {name: Result} and {name: reason}.
    """
    commands, results, failed = dict(commands), {}, {}
    while commands:
        with contextlib.ExitStack() as started:
            group = start_what_fits(commands, room, started)
            workers, errors, not_started = group
            kept, broken = interleave(workers, errors, rounds, settle)
        if OURS in results and OURS in kept:
            kept[OURS].times += results[OURS].times
        results.update(kept)
        failed.update({**not_started, **broken})
        if set(commands) <= {OURS}:
            break
    return results, failed


# ===-----------------------------------------------------------------------===#
# Engines
# ===-----------------------------------------------------------------------===#


def command_of(name, cell, case):
    """The command of an engine's worker."""
    arguments = [f"--case={case}", f"--dtype={cell.dtype}"]
    arguments += [f"--threads={cell.threads}", f"--copies={cell.copies}"]
    if name == OURS:
        sizes = ",".join(map(str, cell.shape))
        layer = [f"--shape={sizes}", f"--tokens={cell.tokens}"]
        return [BENCH, "--worker", *layer, *arguments]
    python = PEERS / name / "bin" / "python"
    return [python, SCRIPTS / "worker.py", f"--engine={name}", *arguments]


def version_of(name):
    """The package and version that was installed, "this tree" for ours."""
    if name == OURS:
        return "this tree"
    words = (PEERS / name / "installed").read_text().split("\n")
    return [line.split()[1] for line in words if line][-1].replace("==", " ")


def why_absent(name, dtype):
    """Why an engine cannot be measured, or None."""
    if dtype not in TYPES[name]:
        return f"has no {dtype} layer"
    if name == OURS:
        return None if BENCH.exists() else "moe-bench is not built"
    if (PEERS / name / "installed").exists():
        return None
    reason = PEERS / f"{name}.failed"
    if reason.exists():
        return f"could not be installed: {reason.read_text().strip()}"
    return f"is not installed: run benchmarks/peers/setup {name}"


def copies_for(cell):
    """Copies of the weights that take turns, at least 2.

    Enough that the rows of weights that a run reads are out of the caches when
    their copy's turn comes again.
    """
    experts, k, hidden, inner = cell.shape
    read = experts * (1 - (1 - k / experts) ** cell.tokens)
    read *= 3 * hidden * inner * WEIGHT_BYTES[cell.dtype]
    copies = math.ceil(CACHES_BETWEEN_TURNS * last_cache() / read)
    return min(MOST_COPIES, max(2, copies))


def last_cache():
    """Bytes of the last level of the caches."""
    try:
        return int(LAST_CACHE.read_text().strip().removesuffix("K")) << 10
    except (OSError, ValueError):
        return DEFAULT_CACHE


def bytes_of_worker(cell):
    """What loading one more may need: packed weights twice, and in f32."""
    experts, _, hidden, inner = cell.shape
    each = 2 * cell.copies * WEIGHT_BYTES[cell.dtype] + WEIGHT_BYTES["f32"]
    return 3 * experts * hidden * inner * each


def memory_available():
    """Bytes that processes can have."""
    for line in Path("/proc/meminfo").read_text().splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) << 10
    return 0


@contextlib.contextmanager
def made_case(shape, tokens):
    """A file with the case, for as long as it is needed."""
    pythons = sorted(PEERS.glob("*/installed"))
    if not pythons:
        sys.exit("compare: no engine is installed: run benchmarks/peers/setup")
    with tempfile.TemporaryDirectory(dir=PEERS) as folder:
        case = Path(folder, "case.safetensors")
        command = [pythons[0].parent / "bin" / "python", SCRIPTS / "make_case.py"]
        command += [f"--shape={','.join(map(str, shape))}", f"--tokens={tokens}", case]
        if subprocess.run(command, timeout=CASE_SECONDS).returncode != 0:
            sys.exit("compare: the case could not be made")
        yield case


# ===-----------------------------------------------------------------------===#
# Reports
# ===-----------------------------------------------------------------------===#


def measure_cell(cell, engines, case):
    """The report on a cell."""
    absent = {name: why_absent(name, cell.dtype) for name in engines}
    left_out = {name: reason for name, reason in absent.items() if reason}
    present = [name for name in engines if name not in left_out]
    commands = {name: command_of(name, cell, case) for name in present}
    need = bytes_of_worker(cell)
    results, failed = measure(commands, cell.rounds, lambda: memory_available() > need)
    return {
        **vars(cell),
        "engines": {
            name: {"version": version_of(name), **result.summary()}
            for name, result in results.items()
        },
        "left_out": {**left_out, **failed},
    }


def table(report):
    """The report as text."""
    experts, k, hidden, inner = report["shape"]
    lines = [
        f"E={experts} k={k} H={hidden} F={inner}, {report['tokens']} tokens, "
        f"{report['dtype']}, {report['threads']} threads, {report['rounds']} rounds, "
        f"{report['copies']} copies of the weights",
        f"  {'engine':<12} {'version':<26} {'median ms':>10} {'quartiles ms':>19}"
        f" {'error':>8} {'of ours':>8}",
    ]
    for name, engine in report["engines"].items():
        low, high = engine["quartiles_ms"]
        ratio = engine["of_ours"]
        lines.append(
            f"  {name:<12} {engine['version']:<26} {engine['median_ms']:>10.3f}"
            f" {f'{low:.3f}..{high:.3f}':>19} {engine['error']:>8.1e}"
            f" {'-' if ratio is None else f'{ratio:.2f}':>8}"
        )
    for name, reason in report["left_out"].items():
        lines.append(f"  {name:<12} left out: {reason}")
    return "\n".join(lines)


def busy():
    """What to say when other programs compete for the processor, or None."""
    load, cores = os.getloadavg()[0], os.cpu_count()
    if load < cores / 2:
        return None
    return f"the machine is busy (load {load:.1f} on {cores} cores): times mean little"


def processor():
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return "unknown"


# ===-----------------------------------------------------------------------===#
# Arguments
# ===-----------------------------------------------------------------------===#


def positive(text):
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{value} is not positive")
    return value


def shape_of(text):
    sizes = tuple(positive(size) for size in text.split(","))
    if len(sizes) != 4 or sizes[1] > sizes[0]:
        raise argparse.ArgumentTypeError("a shape is E,k,H,F with k <= E")
    return sizes


def list_of(kind, choices=None):
    """A parser of values separated by commas."""

    def parse(text):
        values = [kind(part) for part in text.split(",")]
        for value in values:
            if choices and value not in choices:
                known = ", ".join(choices)
                raise argparse.ArgumentTypeError(f"{value} is none of {known}")
        return values

    return parse


def parse(arguments):
    parser = argparse.ArgumentParser(
        description="Measures one layer beside other engines."
    )
    add = parser.add_argument
    add("--shape", type=shape_of, required=True, metavar="E,k,H,F")
    add("--tokens", type=list_of(positive), required=True, metavar="T,...")
    add("--dtype", type=list_of(str, WEIGHT_BYTES), required=True, metavar="D,...")
    add("--threads", type=positive, default=os.cpu_count())
    add("--rounds", type=positive, default=10)
    add("--engines", type=list_of(str, TYPES), default=list(TYPES), metavar="NAME,...")
    add("--json", metavar="FILE")
    return parser.parse_args(arguments)


def main(arguments):
    options = parse(arguments)
    # So that workers and files are cleared away when it is told to end.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("compare: ended"))
    engines = [OURS] + [name for name in options.engines if name != OURS]
    reports, warning = [], busy()
    if warning:
        print(f"compare: {warning}", file=sys.stderr)
    for tokens in options.tokens:
        with made_case(options.shape, tokens) as case:
            for dtype in options.dtype:
                sizes = (options.shape, tokens, dtype)
                cell = Cell(*sizes, options.threads, options.rounds)
                cell.copies = copies_for(cell)
                reports.append(measure_cell(cell, engines, case))
                print(table(reports[-1]), flush=True)
    if options.json:
        data = {"processor": processor(), "warning": warning, "cells": reports}
        Path(options.json).write_text(json.dumps(data, indent=1) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])

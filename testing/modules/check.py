#!/usr/bin/env python3
#===- check.py - Judges the compiler by random modules ---------------------===#
#
# Part of the moe-mlir project, under the Apache License v2.0 with LLVM
# Exceptions. See LICENSE for license information.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#
#===------------------------------------------------------------------------===#
#
# usage: check.py CHECKER [--seed N] [--count N] [--jobs N] [--keep DIR]
#                 [--mutate] [--allow TAG]...
#
# Generates modules from the seeds N, N + 1, ... and has CHECKER, the program
# moe-check-module, compile each in every way and compare it with the reference.
# With --mutate, damages the text of each first: then it must be refused or
# compiled, without a signal and in time.
#
# A failure is reduced to a small module and kept in DIR, as SEED.mlir, whose
# first lines say what failed. `moe-check-module SEED.mlir` runs it again.
#
# The last line is "N passed, N failed"; the status is 0 when none failed.
#
#===------------------------------------------------------------------------===#

import argparse
import json
import os
import re
import resource
import select
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path

from choices import Choices
from generate import generate
from mutate import mutate
from reduce import reduce

SECONDS = 60  # for one module, in all ways
MEMORY = 12 << 30
MOST_CALLS = 150  # of the checker, to reduce a failure
PROGRESS_SECONDS = 30
# Results that the reference itself moves when its inputs move: some there are.
MOST_UNCLEAR = 0.05


class Checker:
    """A process that judges one module after another."""

    def __init__(self, program):
        self.program = program
        self.process = None

    def judge(self, kind, text):
        """{verdict, stage, message}; what ends or hangs the process failed."""
        if self.process is None:
            self.start()
        data = text.encode()
        try:
            self.process.stdin.write(f"{kind} {len(data)}\n".encode() + data)
            self.process.stdin.flush()
        except BrokenPipeError:
            return self.give_up("the process ended before it was asked")
        ready, _, _ = select.select([self.process.stdout], [], [], SECONDS)
        if not ready:
            return self.give_up(f"no answer within {SECONDS} s")
        line = self.process.stdout.readline()
        if not line:
            return self.give_up("the process ended")
        return json.loads(line)

    def start(self):
        self.process = subprocess.Popen(
            [self.program, "--serve"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            preexec_fn=limit_memory,
        )

    def give_up(self, why):
        self.process.kill()
        status = self.process.wait()
        self.process = None
        if status < 0 and "answer" not in why:
            why = f"signal {-status}"
        return {"verdict": "failed", "stage": "process", "message": why}

    def close(self):
        if self.process:
            self.process.kill()
            self.process.wait()


def limit_memory():
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))


def make_text(choices, damaged):
    text = generate(choices)
    return mutate(choices, text) if damaged else text


def signature(answer):
    """What tells failures apart: the words of the message without its values."""
    words = re.sub(r"'[^']*'|\d+(\.\d+)?(e[+-]?\d+)?|\"[^\"]*\"", "", answer["message"])
    return answer["verdict"], answer["stage"], words[:80]


class Run:
    """The state that the threads share."""

    def __init__(self, arguments):
        self.arguments = arguments
        self.lock = threading.Lock()
        self.next_seed = arguments.seed
        self.end = arguments.seed + arguments.count
        self.verdicts = Counter()
        self.kinds = {}  # signature: seeds
        self.kind = "text" if arguments.mutate else "module"

    def take_seed(self):
        with self.lock:
            seed = self.next_seed
            self.next_seed += 1
        return seed if seed < self.end else None

    def is_failure(self, answer):
        if answer["verdict"] == "refused":
            tags = re.findall(r"\[(moe-[\w-]+)\]", answer["message"])
            isAllowed = any(tag in self.arguments.allow for tag in tags)
            return not (self.arguments.mutate or isAllowed)
        return answer["verdict"] == "failed"

    def work(self):
        checker = Checker(self.arguments.checker)
        while (seed := self.take_seed()) is not None:
            choices = Choices(seed)
            answer = checker.judge(self.kind, make_text(choices, self.arguments.mutate))
            failed = self.is_failure(answer)
            with self.lock:
                self.verdicts["failed" if failed else answer["verdict"]] += 1
                seeds = self.kinds.setdefault(signature(answer), []) if failed else []
                seeds.append(seed)
            if failed and len(seeds) <= self.arguments.reduce:
                self.keep(checker, seed, choices.recorded, answer)
            elif failed:
                print(f"FAILED: seed {seed}: {describe(answer)}", flush=True)
        checker.close()

    def keep(self, checker, seed, recorded, answer):
        """Reduces the failure and writes it to a file."""
        wanted = signature(answer)

        def fails(numbers):
            text = make_text(Choices(recorded=numbers), self.arguments.mutate)
            return signature(checker.judge(self.kind, text)) == wanted

        small = reduce(recorded, fails, MOST_CALLS)
        text = make_text(Choices(recorded=small), self.arguments.mutate)
        answer = checker.judge(self.kind, text)
        folder = Path(self.arguments.keep)
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{seed}.mlir"
        comments = "".join(f"// {line}\n" for line in describe(answer).splitlines())
        path.write_text(f"// seed {seed}\n{comments}{text}")
        print(f"FAILED: seed {seed}, {path}: {describe(answer)}", flush=True)

    def report(self):
        for kind, seeds in sorted(self.kinds.items(), key=lambda item: -len(item[1])):
            print(f"  {len(seeds)} x {kind[1]}: {kind[2]} (seeds {seeds[:5]})")
        total = sum(self.verdicts.values())
        failed = self.verdicts["failed"]
        print(", ".join(f"{n} {verdict}" for verdict, n in self.verdicts.items()))
        if self.verdicts["unclear"] > MOST_UNCLEAR * total:
            print(f"FAILED: more than {MOST_UNCLEAR:.0%} of the modules are unclear")
            failed += 1
        print(f"{total - self.verdicts['failed']} passed, {failed} failed")
        return 0 if failed == 0 else 1


def describe(answer):
    return f"{answer['stage']}: {answer['message'][:600]}"


def parse_arguments():
    parser = argparse.ArgumentParser(
        description="Judges the compiler by random modules."
    )
    parser.add_argument("checker", help="the program moe-check-module")
    parser.add_argument("--seed", type=int, default=0, help="the first (default 0)")
    parser.add_argument(
        "--count", type=int, default=1000, help="modules (default 1000)"
    )
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--keep", default="failures", help="folder for failures")
    parser.add_argument(
        "--reduce", type=int, default=1, help="of each kind (default 1)"
    )
    parser.add_argument("--mutate", action="store_true", help="damage the texts")
    parser.add_argument("--allow", action="append", default=[], metavar="TAG")
    return parser.parse_args()


def main():
    run = Run(parse_arguments())
    first, last = run.arguments.seed, run.end - 1
    print(f"check: seeds {first} to {last}", flush=True)
    threads = [threading.Thread(target=run.work) for _ in range(run.arguments.jobs)]
    for thread in threads:
        thread.start()
    reported = time.monotonic()
    while any(thread.is_alive() for thread in threads):
        time.sleep(0.2)
        if time.monotonic() - reported > PROGRESS_SECONDS:
            reported = time.monotonic()
            print(
                f"check: {sum(run.verdicts.values())} of {run.arguments.count}",
                flush=True,
            )
    return run.report()


if __name__ == "__main__":
    sys.exit(main())

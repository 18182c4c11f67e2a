#!/usr/bin/env python3
#===- test_compare.py - Tests the driver of compare.py --------------------===#
#
# Part of the moe-mlir project, under the Apache License v2.0 with LLVM
# Exceptions. See LICENSE for license information.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#
#===------------------------------------------------------------------------===#
#
# The workers here are small programs that behave, lie, die or hang; no engine
# is needed.
#
#===------------------------------------------------------------------------===#

import contextlib
import io
import sys
import time
import unittest
import unittest.mock

import compare

SOON = 2  # seconds a worker has that is expected to be late

PREAMBLE = "import sys, time; say = lambda text: print(text, flush=True)\n"
GOOD = """
say("ready 1e-6")
for line in sys.stdin:
    if line.strip() == "quit": break
    say({milliseconds})
"""


def program(text):
    return [sys.executable, "-c", PREAMBLE + text]


def good(milliseconds):
    return program(GOOD.format(milliseconds=milliseconds))


def after_ready(statement):
    """A worker that answers the first request with a statement."""
    return program(f'say("ready 0")\nsys.stdin.readline()\n{statement}\n')


# What a worker may do before it is ready -> what is said of it.
BAD_STARTS = {
    'say("hello")': "said 'hello' instead of 'ready ERROR'",
    'say("ready")': "instead of 'ready ERROR'",
    'say("ready nan")': "instead of 'ready ERROR'",
    'say("ready -1")': "instead of 'ready ERROR'",
    'say("ready 1\\n2")': "said more than one line",
    'sys.exit("no such type")': "ended with status 1: no such type",
    "pass": "ended with status 0",
    "import os; os.kill(os.getpid(), 9)": "ended with status -9",
    "import os; os.close(1); time.sleep(60)": "closed its output",
    "time.sleep(60)": f"no answer within {SOON} s",
    'sys.stdout.write("x" * 100000); sys.stdout.flush()': "without a line",
    "sys.stdout.buffer.write(bytes([200, 10])); sys.stdout.flush()": "instead of",
}
# The same for the answer to "run".
BAD_RUNS = {
    'say("fast")': "said 'fast' instead of milliseconds",
    'say("inf")': "instead of milliseconds",
    'say("0")': "instead of milliseconds",
    'say("")': "instead of milliseconds",
    'say("1\\n1")': "said more than one line",
    'sys.exit("out of memory")': "ended with status 1: out of memory",
    "time.sleep(60)": f"no answer within {SOON} s",
}


class WorkerTest(unittest.TestCase):
    def start(self, command):
        worker = compare.Worker("worker", command)
        self.addCleanup(worker.close)
        return worker

    def refuses(self, function, reason):
        with self.assertRaises(compare.WorkerError) as caught:
            function(SOON)
        self.assertIn(reason, str(caught.exception))

    def test_good(self):
        worker = self.start(good(2.5))
        self.assertEqual(worker.ready(), 1e-6)
        self.assertEqual([worker.run(), worker.run()], [2.5, 2.5])
        worker.close()
        self.assertEqual(worker.process.returncode, 0)

    def test_bad_start(self):
        for text, reason in BAD_STARTS.items():
            with self.subTest(text):
                self.refuses(self.start(program(text)).ready, reason)

    def test_bad_run(self):
        for text, reason in BAD_RUNS.items():
            with self.subTest(text):
                worker = self.start(after_ready(text))
                worker.ready()
                self.refuses(worker.run, reason)

    def test_run_of_the_dead(self):
        worker = self.start(program('say("ready 0")\nsys.exit("bye")'))
        worker.ready()
        worker.process.wait()
        self.refuses(worker.run, "ended with status 1: bye")

    def test_speaks_unasked(self):
        worker = self.start(program('say("ready 0")\ntime.sleep(.2)\nsay(1)'))
        worker.ready()
        time.sleep(1)
        self.refuses(worker.run, "without being asked")

    def test_no_program(self):
        with self.assertRaisesRegex(compare.WorkerError, "does not start: No such"):
            compare.Worker("worker", ["/nowhere/at/all"])


class MeasureTest(unittest.TestCase):
    def measure(self, commands, rounds=3, room=lambda: True):
        return compare.measure(commands, rounds, room, settle=0)

    def test_ratios(self):
        results, failed = self.measure({compare.OURS: good(2), "peer": good(3)})
        self.assertEqual(failed, {})
        summary = results["peer"].summary()
        self.assertEqual(summary["of_ours"], 1.5)
        self.assertEqual(summary["median_ms"], 3)
        self.assertEqual(summary["quartiles_ms"], [3, 3])
        self.assertEqual(summary["times_ms"], [3, 3, 3])

    def test_one_round(self):
        results, _ = self.measure({"peer": good(3)}, rounds=1)
        self.assertEqual(results["peer"].summary()["quartiles_ms"], [3, 3])

    def test_without_ours(self):
        results, _ = self.measure({"a": good(3), "b": good(4)})
        self.assertEqual(set(results), {"a", "b"})
        self.assertIsNone(results["a"].summary()["of_ours"])

    def test_failures_leave_the_others(self):
        commands = {
            compare.OURS: good(2),
            "starts not": program('sys.exit("why")'),
            "runs not": after_ready('say("x")'),
            "peer": good(1),
        }
        results, failed = self.measure(commands)
        self.assertEqual(set(results), {compare.OURS, "peer"})
        self.assertEqual(results["peer"].summary()["of_ours"], 0.5)
        self.assertIn("why", failed["starts not"])
        self.assertIn("instead of milliseconds", failed["runs not"])

    def test_ours_fails(self):
        commands = {compare.OURS: program(""), "peer": good(1)}
        results, failed = self.measure(commands)
        self.assertEqual(set(results), {"peer"})
        self.assertEqual(set(failed), {compare.OURS})

    def test_ends_workers_when_it_is_ended(self):
        made = []

        class Interrupted(compare.Worker):
            def ready(self):
                made.append(self)
                raise KeyboardInterrupt

        with unittest.mock.patch.object(compare, "Worker", Interrupted):
            self.assertRaises(KeyboardInterrupt, self.measure, {"a": good(1)})
        self.assertIsNotNone(made[0].process.returncode)

    def test_groups_when_memory_is_short(self):
        commands = {compare.OURS: good(2), "a": good(3), "b": good(4)}
        results, failed = self.measure(commands, rounds=2, room=lambda: False)
        self.assertEqual(failed, {})
        self.assertEqual(len(results[compare.OURS].times), 4)
        ratios = [results[name].summary()["of_ours"] for name in "ab"]
        self.assertEqual(ratios, [1.5, 2])

    def test_every_engine_runs_twice_and_takes_turns(self):
        log = []

        class Recorded:
            def __init__(self, name):
                self.name = name

            def run(self):
                log.append(self.name)
                return 1

        workers = [Recorded("a"), Recorded("b")]
        compare.interleave(workers, {"a": 0, "b": 0}, rounds=2, settle=0)
        self.assertEqual("".join(log), "aabbbbaa")


class ReportTest(unittest.TestCase):
    def cell(self, tokens, dtype):
        return compare.Cell((64, 6, 1024, 704), tokens, dtype, 2, 10, 2)

    def test_copies(self):
        self.assertGreater(compare.copies_for(self.cell(1, "int4")), 2)
        self.assertEqual(compare.copies_for(self.cell(512, "f32")), 2)

    def test_table(self):
        result = compare.Result(1e-6, [1.0, 2.0, 3.0], [2.0, 2.0, 2.0])
        report = {
            **vars(self.cell(64, "f32")),
            "engines": {"peer": {"version": "peer 1.0", **result.summary()}},
            "left_out": {"other": "is not installed"},
        }
        lines = compare.table(report).split("\n")
        self.assertIn("64 tokens, f32, 2 threads", lines[0])
        words = ["peer", "peer", "1.0", "2.000", "1.500..2.500", "1.0e-06", "1.00"]
        self.assertEqual(lines[2].split(), words)
        self.assertIn("left out: is not installed", lines[3])

    def test_absent(self):
        self.assertEqual(compare.why_absent("zentorch", "f32"), "has no f32 layer")

    def test_arguments(self):
        options = ["--tokens=1,64", "--dtype=f32,int4"]
        parsed = compare.parse(["--shape=8,2,1024,3584", *options])
        self.assertEqual(parsed.shape, (8, 2, 1024, 3584))
        self.assertEqual((parsed.tokens, parsed.dtype), ([1, 64], ["f32", "int4"]))
        for wrong in ("--shape=8,9,4,4", "--shape=8,2,4", "--shape=8,2,0,4"):
            with self.subTest(wrong), contextlib.redirect_stderr(io.StringIO()):
                self.assertRaises(SystemExit, compare.parse, [wrong, *options])


if __name__ == "__main__":
    compare.END_SECONDS = 1
    unittest.main()

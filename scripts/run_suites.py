#!/usr/bin/env python3
#===- run_suites.py - Runs suites of tests and counts ---------------------===#
#
# Part of the moe-mlir project, under the Apache License v2.0 with LLVM
# Exceptions. See LICENSE for license information.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#
#===------------------------------------------------------------------------===#
#
# usage: run_suites.py default|long|all
#
# scripts/test calls this after the build. Every suite is a function that runs
# commands and returns how many tests passed and failed. A command that ends in
# a way that cannot be counted counts as one failed test.
#
#===------------------------------------------------------------------------===#

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as xml
from pathlib import Path

from source_tree import ROOT, source_files

BUILD = ROOT / "build"
RELEASE = BUILD / "release"
ASAN = BUILD / "asan-ubsan"
TSAN = BUILD / "tsan-runtime"
LLVM_BIN = Path("/usr/lib/llvm-22/bin")
JOBS = int(os.environ.get("CMAKE_BUILD_PARALLEL_LEVEL", os.cpu_count()))

MINUTE = 60
FUZZ_SECONDS = 60
MODULES = 200
DAMAGED_TEXTS = 200
# What random modules may be refused for: sizes that are equal, but not in a way
# that the compiler sees, and a reshape of rows that are not dense.
KNOWN_REFUSALS = (
    "moe-assign-destinations-branch",
    "moe-assign-destinations-loop",
    "moe-hoist-assertions-data",
    "moe-lower-memrefs-layout",
)
LINT_SECONDS = 8 * MINUTE

# Sanitizers reserve terabytes of address space, so their memory is limited by
# what is resident. LLVM's own objects are not instrumented and poison memory
# that instrumented code then reads by right: allow_user_poisoning.
RSS_LIMIT_MB = 8192
ASAN_COMMON = f"hard_rss_limit_mb={RSS_LIMIT_MB}:allow_user_poisoning=0"
SANITIZED = {
    "ASAN_OPTIONS": f"{ASAN_COMMON}:detect_leaks=1",
    "UBSAN_OPTIONS": "print_stacktrace=1:halt_on_error=1",
    "TSAN_OPTIONS": "halt_on_error=1:second_deadlock_stack=1",
}
# LLVM keeps what it has until the process ends.
SANITIZED_LLVM = {
    **SANITIZED,
    "ASAN_OPTIONS": f"{ASAN_COMMON}:detect_leaks=0",
    "MOE_TEST_LAYERS": "30",
}


class Counts:
    """How many tests passed and failed."""

    def __init__(self, passed=0, failed=0):
        self.passed = passed
        self.failed = failed

    def __iadd__(self, other):
        self.passed += other.passed
        self.failed += other.failed
        return self

    def __str__(self):
        return f"{self.passed} passed, {self.failed} failed"

    @staticmethod
    def of(ok):
        return Counts(1, 0) if ok else Counts(0, 1)


# ===-----------------------------------------------------------------------===#
# Commands
# ===-----------------------------------------------------------------------===#


def run(command, timeout, env=None, cwd=ROOT, quiet=False):
    """Runs a command, says when it fails; true when it succeeded.

    What it printed is shown unless it is quiet and succeeded. After `timeout`
    seconds it is ended with all its children.
    """
    command = [str(part) for part in command]
    output = tempfile.TemporaryFile("w+") if quiet else None
    process = subprocess.Popen(
        command,
        cwd=cwd,
        env={**os.environ, **(env or {})},
        stdout=output,
        stderr=subprocess.STDOUT if quiet else None,
        start_new_session=True,
    )
    try:
        status = process.wait(timeout)
        problem = f"status {status}"
    except subprocess.TimeoutExpired:
        status = -1
        problem = f"took longer than {timeout} s"
    except BaseException:
        end_group(process)
        raise
    if status == 0:
        return True
    end_group(process)
    if output:
        output.seek(0)
        print(output.read())
    print(f"FAILED: {' '.join(command)}: {problem}", flush=True)
    return False


def end_group(process):
    """Ends a process with its children."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    process.wait()


def configure(source, build, *definitions):
    """Configures a tree with the compiler of the presets."""
    return run(
        ["cmake", "-S", source, "-B", build, "-G", "Ninja"]
        + ["-DCMAKE_C_COMPILER=clang-22", "-DCMAKE_CXX_COMPILER=clang++-22"]
        + [f"-DCMAKE_{l}_COMPILER_LAUNCHER=ccache" for l in ("C", "CXX")]
        + [f"-D{definition}" for definition in definitions],
        5 * MINUTE,
        quiet=True,
    )


def build_tree(build, *targets):
    command = ["cmake", "--build", build, "--parallel", JOBS]
    return run(command + (["--target", *targets] if targets else []), 40 * MINUTE)


# ===-----------------------------------------------------------------------===#
# Test runners
# ===-----------------------------------------------------------------------===#


def run_lit(build, env=None, timeout=10 * MINUTE):
    """The lit tests of a build folder, through its target check-moe."""
    with tempfile.TemporaryDirectory() as folder:
        results = Path(folder, "lit.json")
        options = f"--output={results}"
        ok = run(
            ["cmake", "--build", build, "--target", "check-moe"],
            timeout,
            env={**(env or {}), "LIT_OPTS": options},
        )
        return count_all(ok, results, count_lit)


def count_lit(results):
    codes = [test["code"] for test in json.loads(results.read_text())["tests"]]
    passed = sum(code in ("PASS", "XFAIL", "FLAKYPASS") for code in codes)
    skipped = sum(code in ("UNSUPPORTED", "SKIPPED", "EXCLUDED") for code in codes)
    return Counts(passed, len(codes) - passed - skipped)


def run_ctest(build, env=None, timeout=10 * MINUTE):
    """The unit tests of a build folder."""
    with tempfile.TemporaryDirectory() as folder:
        results = Path(folder, "ctest.xml")
        ok = run(
            ["ctest", "--test-dir", build, "--output-on-failure"]
            + ["--no-tests=error", "--timeout", 300]
            + ["--parallel", JOBS, "--output-junit", results],
            timeout,
            env=env,
            quiet=True,
        )
        return count_all(ok, results, count_ctest)


def count_ctest(results):
    suite = xml.parse(results).getroot()
    count = {name: int(suite.get(name)) for name in ("tests", "failures")}
    left_out = int(suite.get("skipped")) + int(suite.get("disabled"))
    return Counts(count["tests"] - count["failures"] - left_out, count["failures"])


def count_all(ok, results, count):
    """Counts of a runner; one failure when they do not explain its status."""
    counts = count(results) if results.exists() else Counts()
    if counts.passed + counts.failed == 0 or (not ok and counts.failed == 0):
        counts.failed += 1
    return counts


# ===-----------------------------------------------------------------------===#
# Default suites
# ===-----------------------------------------------------------------------===#


def lit_tests():
    return run_lit(RELEASE)


def unit_tests():
    return run_ctest(RELEASE)


def tree_checks():
    counts = Counts()
    for name in ("layout", "diagnostics", "docs"):
        script = ROOT / "scripts" / f"check_{name}.py"
        counts += Counts.of(run([sys.executable, script], 5 * MINUTE))
    return counts


def style():
    """Says which files clang-format would change."""
    files = [path.relative_to(ROOT) for path in source_files((".c", ".cpp", ".h"))]
    done = subprocess.run(
        ["clang-format-22", "--dry-run", *map(str, files)],
        cwd=ROOT,
        stderr=subprocess.PIPE,
        text=True,
        timeout=5 * MINUTE,
    )
    changed = sorted(set(re.findall(r"^(\S+?):\d+:\d+: ", done.stderr, re.M)))
    if changed:
        print(f"FAILED: run: clang-format-22 -i {' '.join(changed)}")
    return Counts.of(done.returncode == 0 and not changed)


def drivers():
    """compare.py with workers that behave, lie, die and hang; what the others make
    of figures; the generator of modules."""
    counts = Counts()
    scripts = [*(ROOT / "benchmarks").glob("test_*.py")]
    scripts += [*(ROOT / "testing").rglob("test_*.py")]
    for script in sorted(scripts):
        counts += Counts.of(run([sys.executable, script], 3 * MINUTE, quiet=True))
    return counts


# ===-----------------------------------------------------------------------===#
# Long suites
# ===-----------------------------------------------------------------------===#


def address_sanitizer():
    """Everything once more with address and undefined-behaviour checks."""
    configured = run(["cmake", "--preset", "asan-ubsan"], 5 * MINUTE, quiet=True)
    if not configured or not build_tree(ASAN):
        return Counts.of(False)
    counts = run_ctest(ASAN / "runtime", SANITIZED)
    counts += run_ctest(ASAN / "unittests", SANITIZED_LLVM, 15 * MINUTE)
    counts += run_lit(ASAN, SANITIZED_LLVM, 20 * MINUTE)
    return counts


def thread_sanitizer():
    """The runtime alone: Debian's LLVM is not instrumented."""
    configured = run(["cmake", "--preset", "tsan-runtime"], 5 * MINUTE, quiet=True)
    if not configured or not build_tree(TSAN):
        return Counts.of(False)
    return run_ctest(TSAN, SANITIZED)


def fuzzers():
    """Every parser of hostile files, from the corpus in its fuzz/ folder.

    The fuzzers are built by the address sanitizer's tree.
    """
    counts = Counts()
    for folder in (ROOT / "runtime" / "fuzz", ROOT / "lib" / "Import" / "fuzz"):
        for corpus in sorted((folder / "corpus").iterdir()):
            found = sorted(ASAN.rglob(f"fuzz_{corpus.name}"))
            programs = [path for path in found if path.is_file()]
            if programs:
                counts += fuzz(programs[0], corpus)
            else:
                print(f"FAILED: fuzz_{corpus.name} was not built")
                counts += Counts.of(False)
    return counts


def fuzz(program, corpus):
    """Fuzzes for a while; inputs that fail are kept in the build folder."""
    kept = ASAN / "fuzz-findings"
    kept.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as new_inputs:
        return Counts.of(
            run(
                [program, f"-max_total_time={FUZZ_SECONDS}", "-timeout=20"]
                + [f"-rss_limit_mb={RSS_LIMIT_MB // 2}", "-verbosity=0"]
                + [f"-artifact_prefix={kept}/{program.name}-"]
                + [new_inputs, corpus],
                FUZZ_SECONDS + MINUTE,
                env={"ASAN_OPTIONS": f"{ASAN_COMMON}:allocator_may_return_null=1"},
                quiet=True,
            )
        )


def random_modules():
    """Modules from seeds, compiled in every way, and damaged texts of some."""
    script = ROOT / "testing" / "modules" / "check.py"
    checker = RELEASE / "bin" / "moe-check-module"
    command = [sys.executable, script, checker, f"--jobs={JOBS}"]
    command += [f"--keep={RELEASE / 'failing-modules'}"]
    command += [f"--allow={tag}" for tag in KNOWN_REFUSALS]
    counts = Counts.of(run([*command, f"--count={MODULES}"], 30 * MINUTE))
    damaged = [*command, f"--count={DAMAGED_TEXTS}", "--mutate"]
    counts += Counts.of(run(damaged, 10 * MINUTE))
    return counts


def round_trips():
    """The lit tests again; moe-opt prints and parses its input first."""
    return run_lit(RELEASE, {"MOE_OPT_CHECK_IR_ROUNDTRIP": "1"})


def lint():
    """clang-tidy on the files that the last commit or the work after changed.

    Stops after some minutes and says what it left out: a first commit changes
    every file.
    """
    database = json.loads((RELEASE / "compile_commands.json").read_text())
    compiled = {Path(entry["file"]) for entry in database}
    files = [path for path in changed_files() if path in compiled]
    deadline = time.monotonic() + LINT_SECONDS
    counts = Counts()
    while files and time.monotonic() < deadline:
        batch, files = files[:JOBS], files[JOBS:]
        counts += tidy(batch)
    if files:
        names = ", ".join(str(path.relative_to(ROOT)) for path in files)
        print(f"lint: no time left for {len(files)} files: {names}")
    return counts


def tidy(files):
    """Runs clang-tidy on a few files, all at once."""
    command = ["clang-tidy-22", "--quiet", "--warnings-as-errors=*", "-p", RELEASE]
    processes = [
        subprocess.Popen(
            [*map(str, command), str(path)],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        for path in files
    ]
    counts = Counts()
    for process in processes:
        try:
            output, _ = process.communicate(timeout=5 * MINUTE)
        except subprocess.TimeoutExpired:
            process.kill()
            output, _ = process.communicate()
        if process.returncode != 0:
            print(output, flush=True)
        counts += Counts.of(process.returncode == 0)
    return counts


def changed_files():
    """Files of the last commit and after it; all where there is no history."""
    everything = source_files((".c", ".cpp"))
    if git("rev-parse", "--verify", "--quiet", "HEAD~1") is None:
        return everything
    changed = set((git("diff", "--name-only", "HEAD~1") or "").split("\n"))
    changed |= set((git("ls-files", "-o", "--exclude-standard") or "").split("\n"))
    return [path for path in everything if str(path.relative_to(ROOT)) in changed]


def git(*arguments):
    """What git prints, or nothing when it fails."""
    if not shutil.which("git"):
        return None
    done = subprocess.run(
        ["git", *arguments],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        timeout=MINUTE,
    )
    return done.stdout.strip() if done.returncode == 0 else None


def demo():
    return Counts.of(run([ROOT / "scripts" / "demo"], 10 * MINUTE, quiet=True))


# ===-----------------------------------------------------------------------===#

DEFAULT = {
    "unit tests": unit_tests,
    "lit tests": lit_tests,
    "checks of the tree": tree_checks,
    "style": style,
    "drivers of benchmarks and generator": drivers,
}
LONG = {
    "demo": demo,
    "lint of changed files": lint,
    "random modules": random_modules,
    "round trips": round_trips,
    "thread sanitizer": thread_sanitizer,
    "address and undefined-behaviour sanitizer": address_sanitizer,
    "fuzzers": fuzzers,
}
CHOICES = {"default": DEFAULT, "long": LONG, "all": {**DEFAULT, **LONG}}


def run_suite(name, suite):
    """Runs one suite; an error in it is one failure, not the end."""
    print(f"\n== {name}", flush=True)
    try:
        return suite()
    except Exception as error:
        print(f"FAILED: {name}: {error!r}", flush=True)
        return Counts.of(False)


def main(choice):
    summary = []
    total = Counts()
    for name, suite in CHOICES[choice].items():
        start = time.monotonic()
        counts = run_suite(name, suite)
        total += counts
        seconds = time.monotonic() - start
        summary.append(f"  {name:<42} {str(counts):<26} {seconds:6.0f} s")
    print("\n== summary")
    print("\n".join(summary), flush=True)
    print(total, flush=True)
    return 0 if total.failed == 0 else 1


if __name__ == "__main__":
    if len(sys.argv) != 2 or sys.argv[1] not in CHOICES:
        sys.exit(f"usage: run_suites.py {'|'.join(CHOICES)}")
    sys.exit(main(sys.argv[1]))

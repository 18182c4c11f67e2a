#!/usr/bin/env python3
"""Checks what `moe-bench --json` printed to stdin: [key=value ...]

The keys are there, the figures are numbers that make sense, and the given ones
have the given values. No time is compared with anything."""

import json
import math
import sys

POSITIVE = (
    "median_ms",
    "rounds",
    "peak_gops",
    "read_gbps",
    "fraction_of_peak",
    "fraction_of_read_bandwidth",
    "flops",
    "weight_bytes",
    "gops",
    "weight_gbps",
    "threads",
    "compile_ms",
    "load_ms",
    "experts_hit",
    "tokens_per_expert_max",
    "tokens_per_expert_mean",
    "copies",
)


def problems(report, expected):
    for key in POSITIVE:
        if not report.get(key, 0) > 0 or not math.isfinite(report[key]):
            yield f"{key} is {report.get(key)}, expected a positive number"
    if not report["spread"] >= 0:
        yield f"spread is {report['spread']}"
    if not 0 <= report["max_error"] <= report["max_error_bound"]:
        yield f"max_error is {report['max_error']}"
    slots = report["tokens"] * report["top_k"]
    experts, hidden, width = (report[key] for key in ("experts", "hidden", "width"))
    flops = 2 * hidden * (report["tokens"] * experts + 3 * slots * width)
    if report["flops"] != flops:
        yield f"flops is {report['flops']}, expected {flops}"
    for key, value in expected.items():
        if report[key] != value:
            yield f"{key} is {report[key]}, expected {value}"


def main(arguments):
    expected = {}
    for argument in arguments:
        key, value = argument.split("=", 1)
        expected[key] = json.loads(value)
    report = json.load(sys.stdin)
    found = list(problems(report, expected))
    if "one_thread" in report:
        found += problems({**report, **report["one_thread"]}, {"threads": 1})
        if not report["speedup"] > 0:
            found.append(f"speedup is {report['speedup']}")
    print("\n".join(found))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

#!/usr/bin/env python3
"""Checks a report: FILE MODEL_TYPE TOTAL ACTIVE ACTIVE_WITHOUT_INPUT_EMBEDDING.

Every number of the report must be an integer, its components add up to the
totals, and the three counts are as given.
"""

import json
import sys


def check(what, got, want):
    if type(got) is not type(want) or got != want:
        sys.exit(f"{what}: expected {want!r}, found {got!r}")


def numbers(value):
    for child in value.values():
        yield from numbers(child) if isinstance(child, dict) else [child]


path, model_type, *counts = sys.argv[1:]
with open(path) as file:
    report = json.load(file)
total, active, without_embedding = map(int, counts)
parameters = report["parameters"]
check("model_type", report.pop("model_type"), model_type)
check("total", parameters["total"], total)
check("active", parameters["active"], active)
check("active_without_input_embedding",
      parameters["active_without_input_embedding"], without_embedding)
for name in ("total", "active"):
    check(f"sum of {name}", sum(component[name] for component in
                                report["components"].values()),
          parameters[name])
for number in numbers(report):
    check("a number", type(number), int)

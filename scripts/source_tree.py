#===- source_tree.py - Where the sources of the project are ----------------===#
#
# Part of the moe-mlir project, under the Apache License v2.0 with LLVM
# Exceptions. See LICENSE for license information.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#
#===------------------------------------------------------------------------===#

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SOURCE_FOLDERS = (
    "benchmarks",
    "examples",
    "include",
    "lib",
    "runtime",
    "test",
    "testing",
    "tools",
    "unittests",
)


def source_files(suffixes, folders=SOURCE_FOLDERS):
    """Files below `folders` of the project with one of `suffixes`, sorted."""
    found = []
    for folder in folders:
        for place, _, names in os.walk(ROOT / folder):
            found += [Path(place, name) for name in names if name.endswith(suffixes)]
    return sorted(found)

#!/usr/bin/env python3
#===- check_exports.py - Compares a library with its headers --------------===#
#
# Part of the moe-mlir project, under the Apache License v2.0 with LLVM
# Exceptions. See LICENSE for license information.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#
#===------------------------------------------------------------------------===#
#
# usage: check_exports.py --nm NM LIBRARY HEADER_FOLDER...
#
# The library exports the functions that the headers declare, and nothing else:
# no symbol of C++, of LLVM or of the project's inside.
#
#===------------------------------------------------------------------------===#

import argparse
import re
import subprocess
import sys
from pathlib import Path

LINE_COMMENT = re.compile(r"//[^\n]*")
FUNCTION = re.compile(r"\b(moe_[a-z0-9_]+)\s*\(")


def exported(nm, library):
    lines = subprocess.run(
        [nm, "--dynamic", "--defined-only", "--format=posix", library],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
        timeout=60,
    ).stdout.splitlines()
    return {line.split()[0].split("@")[0] for line in lines}


def declared(folders):
    names = set()
    for folder in folders:
        for header in sorted(folder.rglob("*.h")):
            names |= set(FUNCTION.findall(LINE_COMMENT.sub("", header.read_text())))
    return names


def main():
    parser = argparse.ArgumentParser(description="Compares exports with headers.")
    parser.add_argument("--nm", default="nm")
    parser.add_argument("library")
    parser.add_argument("folders", nargs="+", type=Path)
    arguments = parser.parse_args()
    library = exported(arguments.nm, arguments.library)
    headers = declared(arguments.folders)
    problems = [f"{name}: exported, but in no header" for name in library - headers]
    problems += [f"{name}: in a header, but not exported" for name in headers - library]
    if len(headers) < 10:
        problems.append(f"expected headers with functions, found {sorted(headers)}")
    print("\n".join(sorted(problems) + [f"check_exports: {len(problems)} problems"]))
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())

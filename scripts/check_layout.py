#!/usr/bin/env python3
#===- check_layout.py - Checks who includes whom --------------------------===#
#
# Part of the moe-mlir project, under the Apache License v2.0 with LLVM
# Exceptions. See LICENSE for license information.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#
#===------------------------------------------------------------------------===#
#
# usage: check_layout.py [--self-test]
#
# Dependencies point one way:
#   tools -> lib/Transforms, lib/Import -> lib/Target -> lib/Analysis,
#   lib/Dialect -> MLIR, and tools -> runtime.
# From lib into the runtime there are two edges: MoE/Runtime/Abi.h, and
# lib/Import using the safetensors reader through its C header. What both include
# and belongs to neither is in MoE/Support: headers without sources, which
# include nothing of either. The reference oracle shares nothing with the rest
# of the runtime. What tests and benchmarks both need is in testing/, which knows
# neither; no benchmark needs a test. Every dialect has tests of
# its ops and of its verifiers, and every source file says in its first line what
# it is and then states its licence.
#
# The checks run on themselves first: BAD_LINES must be refused, GOOD_LINES not.
#
#===------------------------------------------------------------------------===#

import re
import sys
from pathlib import PurePath

from source_tree import ROOT, source_files

SUFFIXES = (".c", ".cpp", ".h", ".td")
LICENCE = "SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception"
BANNER = re.compile(r"(?://|/\*)===- (\S+) - \S.*")
INCLUDE = re.compile(r'^\s*(?:#\s*)?include\s*([<"])([^">]+)[">]')

# What each part may include of the compiler, besides its own headers.
MAY_INCLUDE = {
    "Dialect": ("MoE/Dialect/",),
    "Analysis": ("MoE/Analysis/", "MoE/Dialect/"),
    "Target": ("MoE/Target/", "MoE/Analysis/", "MoE/Dialect/"),
    "Transforms": (
        "MoE/Transforms/",
        "MoE/Target/",
        "MoE/Analysis/",
        "MoE/Dialect/",
    ),
    "Import": ("MoE/Import/", "MoE/Analysis/", "MoE/Dialect/"),
    "Runtime": (),
    "Support": (),
}
ABI = "MoE/Runtime/Abi.h"
SUPPORT = "MoE/Support/"
IMPORT_FROM_RUNTIME = ("moe_rt/safetensors.h", "moe_rt/error.h")
RUNTIME_INTERNALS = ("runtime/", "core/", "cpu/", "io/")
REFERENCE_INCLUDES = (ABI, "moe_rt/error.h", "moe_rt/reference.h")

# What each folder of programs that test or measure may not include.
UNKNOWN_TO = {
    "benchmarks": ("unittests/",),
    "testing": ("unittests/", "benchmarks/"),
    "tools": ("unittests/", "benchmarks/", "testing/"),
}


def part_of(path):
    """('lib', 'Dialect') for a file of the compiler, ('runtime', 'src') ..."""
    parts = PurePath(path).parts
    if parts[:2] == ("include", "MoE"):
        # The headers that register everything serve the tools.
        return ("lib", parts[2]) if len(parts) > 3 else ("tools", "")
    return (parts[0], parts[1] if len(parts) > 2 else "")


def refuse_in_lib(part, header):
    """Why a file of lib/PART may not include a header, or None."""
    if part == "Support" and header.startswith(("mlir/", "llvm/", "MoE/", "moe_rt/")):
        if not header.startswith(SUPPORT):
            return "lib and runtime include Support, so it includes neither"
    if header == ABI or header.startswith(SUPPORT):
        return None
    if header.startswith("moe_rt/"):
        if part == "Import" and header in IMPORT_FROM_RUNTIME:
            return None
        return f"lib uses of the runtime only {ABI}" + (
            " and " + ", ".join(IMPORT_FROM_RUNTIME) if part == "Import" else ""
        )
    allowed = MAY_INCLUDE.get(part)
    if allowed is None:
        return f"lib/{part} is not in the layout; add it to MAY_INCLUDE"
    if header.startswith("MoE/") and not header.startswith(allowed):
        return f"lib/{part} may include only {', '.join(allowed) or 'nothing'}"
    return None


def refuse_in_runtime(part, header):
    """Why a file of runtime/PART may not include a header, or None."""
    if header.startswith(("mlir/", "mlir-c/", "llvm/", "llvm-c/", "clang/")):
        return "the runtime builds without MLIR and LLVM"
    if header.startswith("MoE/") and header != ABI:
        if part == "reference" or not header.startswith(SUPPORT):
            return f"the runtime uses of the compiler only {ABI} and {SUPPORT}"
    if part == "reference":
        own = "/" not in header or header in REFERENCE_INCLUDES
        if not own and header.startswith(("moe_rt/", *RUNTIME_INTERNALS)):
            return "the reference oracle shares nothing with the runtime"
    elif header == "moe_rt/reference.h":
        return "the runtime shares nothing with the reference oracle"
    return None


def refuse(path, line):
    """Why a line of a file breaks the layout, or None."""
    match = INCLUDE.match(line)
    if not match:
        return None
    quote, header = match.groups()
    where, part = part_of(path)
    if quote == "<" and not header.startswith(("MoE/", "moe_rt/", "mlir/", "llvm/")):
        return None
    if where in ("lib", "runtime"):
        if header.startswith("tools/") or header.startswith("session/"):
            return f"{where} knows nothing of the tools"
    if where in ("lib", "runtime", *UNKNOWN_TO):
        if ".." in PurePath(header).parts:
            return "name headers from an include folder, not with '..'"
    if header.startswith(UNKNOWN_TO.get(where, ())):
        return f"{where} knows nothing of {header.split('/')[0]}"
    if where in ("lib", "tools") and header.startswith(RUNTIME_INTERNALS):
        return "this header is private to the runtime"
    if where == "lib":
        return refuse_in_lib(part, header)
    if where == "runtime":
        return refuse_in_runtime(part, header)
    return None


# ===-----------------------------------------------------------------------===#
# The checks
# ===-----------------------------------------------------------------------===#


def check_includes():
    problems = []
    for file in source_files(SUFFIXES):
        path = file.relative_to(ROOT)
        for number, line in enumerate(file.read_text().splitlines(), 1):
            reason = refuse(path, line)
            if reason:
                problems.append(f"{path}:{number}: {line.strip()}: {reason}")
    return problems


def check_licences():
    return [
        f"{file.relative_to(ROOT)}: no line '{LICENCE}' at the top"
        for file in source_files(SUFFIXES)
        if LICENCE not in "\n".join(file.read_text().splitlines()[:10])
    ]


def refuse_banner(path, lines):
    """Why the first lines of a file are no banner, or None."""
    match = BANNER.fullmatch(lines[0]) if lines else None
    if not match or match.group(1) != PurePath(path).name:
        return f"begin with '//===- {PurePath(path).name} - what it is'"
    if len(lines) < 2 or lines[1] != "//":
        return "the banner is one line; shorten it, so that no tool breaks it"
    return None


def check_banners():
    problems = []
    for file in source_files(SUFFIXES):
        path = file.relative_to(ROOT)
        reason = refuse_banner(path, file.read_text().splitlines())
        if reason:
            problems.append(f"{path}:1: {reason}")
    return problems


def check_dialect_tests():
    problems = []
    for dialect in sorted((ROOT / "lib" / "Dialect").iterdir()):
        for name in ("ops.mlir", "invalid.mlir"):
            test = ROOT / "test" / "Dialect" / dialect.name / name
            if dialect.is_dir() and not test.exists():
                problems.append(
                    f"lib/Dialect/{dialect.name}: no {test.relative_to(ROOT)}"
                )
    return problems


# ===-----------------------------------------------------------------------===#
# The checks of the checks
# ===-----------------------------------------------------------------------===#

BAD_LINES = (
    ("runtime/src/core/A.cpp", '#include "mlir/IR/Value.h"'),
    ("runtime/src/core/A.cpp", "#include <llvm/ADT/StringRef.h>"),
    ("runtime/src/core/A.cpp", '#include "MoE/Dialect/MoE/IR/MoE.h"'),
    ("runtime/src/core/A.cpp", '#include "moe_rt/reference.h"'),
    ("runtime/src/core/A.cpp", '#include "../reference/src/Tensor.h"'),
    ("runtime/src/core/A.cpp", '#include "session/Session.h"'),
    ("runtime/reference/src/A.cpp", '#include "core/Arithmetic.h"'),
    ("runtime/reference/src/A.cpp", '#include "moe_rt/context.h"'),
    ("lib/Transforms/A/A.cpp", '#include "moe_rt/safetensors.h"'),
    ("lib/Import/HuggingFace/A.cpp", '#include "moe_rt/context.h"'),
    ("lib/Import/HuggingFace/A.cpp", '#include "MoE/Transforms/Passes.h"'),
    ("lib/Dialect/MoE/IR/A.cpp", '#include "MoE/Transforms/Passes.h"'),
    ("lib/Dialect/MoE/IR/A.cpp", '  #  include "MoE/Analysis/Cost.h"'),
    ("include/MoE/Dialect/MoE/IR/A.h", '#include "MoE/Import/Report.h"'),
    ("include/MoE/Dialect/MoE/IR/A.td", 'include "MoE/Transforms/Passes.td"'),
    ("lib/Analysis/A.cpp", '#include "MoE/Target/Object.h"'),
    ("lib/Transforms/A/A.cpp", '#include "MoE/InitAllPasses.h"'),
    ("lib/Transforms/A/A.cpp", '#include "tools/session/Session.h"'),
    ("include/MoE/Runtime/Abi.h", '#include "MoE/Dialect/MoE/IR/MoE.h"'),
    ("lib/Import/HuggingFace/A.cpp", '#include "io/Header.h"'),
    ("tools/moe-run/moe-run.cpp", '#include "core/Context.h"'),
    ("benchmarks/A.cpp", '#include "../unittests/Execution/A.h"'),
    ("benchmarks/lib/A.cpp", '#include "unittests/Execution/A.h"'),
    ("testing/A.cpp", '#include "benchmarks/lib/A.h"'),
    ("tools/moe-run/A.cpp", '#include "testing/Layer.h"'),
    ("include/MoE/Support/A.h", '#include "llvm/ADT/StringRef.h"'),
    ("include/MoE/Support/A.h", '#include "moe_rt/error.h"'),
    ("include/MoE/Support/A.h", '#include "MoE/Runtime/Abi.h"'),
    ("runtime/reference/src/A.cpp", '#include "MoE/Support/StrictJson.h"'),
    ("lib/Unheard/A.cpp", '#include "MoE/Dialect/MoE/IR/MoE.h"'),
)
GOOD_LINES = (
    ("runtime/src/core/A.cpp", '#include "core/Arithmetic.h"'),
    ("runtime/src/core/A.cpp", '#include "MoE/Runtime/Abi.h"'),
    ("runtime/reference/src/A.cpp", '#include "Tensor.h"'),
    ("runtime/reference/src/A.cpp", '#include "moe_rt/error.h"'),
    ("lib/Import/HuggingFace/A.cpp", '#include "moe_rt/safetensors.h"'),
    ("lib/Transforms/A/A.cpp", '#include "MoE/Dialect/MoE/IR/MoE.h"'),
    ("lib/Dialect/MoE/IR/A.cpp", '#include "mlir/IR/Value.h"'),
    ("lib/Import/HuggingFace/A.cpp", '#include "MoE/Support/StrictJson.h"'),
    ("runtime/src/io/A.cpp", '#include "MoE/Support/StrictJson.h"'),
    ("include/MoE/Support/A.h", "#include <string>"),
    ("include/MoE/InitAllPasses.h", '#include "MoE/Transforms/Passes.h"'),
    ("tools/moe-run/moe-run.cpp", '#include "moe_rt/context.h"'),
    ("benchmarks/moe-bench/A.cpp", '#include "Layer.h"'),
    ("unittests/Benchmarks/A.cpp", '#include "Statistics.h"'),
)

BAD_BANNERS = (
    ("lib/A.cpp", []),
    ("lib/A.cpp", ["//===- B.cpp - Another file", "//"]),
    ("lib/A.cpp", ["//===- A.cpp", "//"]),
    ("lib/A.cpp", ["// A.cpp - Something", "//"]),
    ("lib/A.cpp", ["//===- A.cpp - Something", "//-------===//", "//"]),
    ("lib/A.h", ["//===- A.h - Something -*- C++", "// -*-", "//"]),
    ("test/a.c", ["/*===- a.c - Something", "-----===//", "//"]),
)
GOOD_BANNERS = (
    ("lib/A.cpp", ["//===- A.cpp - Something ---===//", "//"]),
    ("lib/A.h", ["//===- A.h - Something -*- C++ -*-", "//"]),
    ("test/a.c", ["/*===- a.c - Something ---===//", "//"]),
)


def check_self():
    problems = [
        f"self-test: {path}: {line}: must be refused"
        for path, line in BAD_LINES
        if not refuse(path, line)
    ]
    problems += [
        f"self-test: {path}: {line}: must be allowed, but: {refuse(path, line)}"
        for path, line in GOOD_LINES
        if refuse(path, line)
    ]
    problems += [
        f"self-test: {lines}: must be refused as the banner of {path}"
        for path, lines in BAD_BANNERS
        if not refuse_banner(path, lines)
    ]
    problems += [
        f"self-test: {lines}: must be allowed as the banner of {path}"
        for path, lines in GOOD_BANNERS
        if refuse_banner(path, lines)
    ]
    return problems


def main():
    problems = check_self()
    if sys.argv[1:] == []:
        problems += check_includes() + check_banners() + check_licences()
        problems += check_dialect_tests()
    elif sys.argv[1:] != ["--self-test"]:
        sys.exit("usage: check_layout.py [--self-test]")
    print("\n".join(problems + [f"check_layout: {len(problems)} problems"]))
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())

#===- page.py - Tables of docs/performance.md -----------------------------===#
#
# Part of the moe-mlir project, under the Apache License v2.0 with LLVM
# Exceptions. See LICENSE for license information.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#
#===------------------------------------------------------------------------===#
#
# A table of the page stands between <!-- NAME --> and <!-- end of NAME -->. The
# first columns of a line say what was measured; lines of what was not measured
# stay, unless the table had other columns then.
#
#===------------------------------------------------------------------------===#

from pathlib import Path

PAGE = Path(__file__).resolve().parent.parent / "docs" / "performance.md"


def line(cells):
    return "| " + " | ".join(str(cell) for cell in cells) + " |"


def merge(old, new, keys):
    """The lines of `old`, in their order, with those of `new` for the same first
    `keys` columns in their places, and behind them the others of `new`."""

    def key(text):
        return tuple(cell.strip() for cell in text.split("|")[1 : keys + 1])

    lines = {key(text): text for text in old}
    lines.update({key(text): text for text in new})
    return list(lines.values())


def write(name, columns, lines, keys, note=None):
    """Replaces the table `name`; `note` is a line above it."""
    text = PAGE.read_text()
    begin, end = f"<!-- {name} -->", f"<!-- end of {name} -->"
    before, _, rest = text.partition(begin)
    table, found, after = rest.partition(end)
    if not found:
        raise SystemExit(f"{PAGE} has no lines '{begin}' and '{end}'; restore them")
    # Without the head and the rule below it.
    old = [text for text in table.splitlines() if text.startswith("|")][2:]
    old = [text for text in old if text.count("|") == len(columns) + 1]
    head = [line(columns), line(["---"] * len(columns))]
    above = [note, ""] if note else []
    new = [begin, *above, *head, *merge(old, lines, keys), end]
    PAGE.write_text(before + "\n".join(new) + after)

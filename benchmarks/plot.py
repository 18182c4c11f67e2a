#!/usr/bin/env python3
#===- plot.py - Draws the table of layers ---------------------------------===#
#
# Part of the moe-mlir project, under the Apache License v2.0 with LLVM
# Exceptions. See LICENSE for license information.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#
#===------------------------------------------------------------------------===#
#
# usage: plot.py
#
# Draws the table of docs/performance.md as docs/performance.svg: a panel for each
# layer, a group for each number of tokens, a bar for each dtype as high as the part
# of the binding limit that we reach, and across it a line where the fastest other
# engine is. performance.py calls it; the tests compare it with the page.
#
#===------------------------------------------------------------------------===#

from collections import namedtuple
from html import escape

import page

PICTURE = page.PAGE.with_suffix(".svg")

# Colours that those can tell apart who see few.
COLOURS = {"f32": "#0072b2", "bf16": "#56b4e9", "f16": "#cc79a7", "int8": "#009e73", "int4": "#e69f00"}
COLOURS["int8-grouped"] = "#44c8a0"
BAR, GAP, GROUP_GAP = 14, 2, 16
PLOT_HEIGHT, PANEL_HEIGHT, LEFT, TOP, MARGIN = 140, 205, 44, 40, 12
MOST = 1.2  # of the limit: memory drifts

Cell = namedtuple("Cell", "shape tokens dtype reached other")


def read_cells(text):
    """The cells of the page's table, in its order."""
    table = text.partition("<!-- table -->")[2].partition("<!-- end of table -->")[0]
    cells = []
    for line in table.splitlines():
        fields = [field.strip() for field in line.split("|")[1:-1]]
        if len(fields) != 10 or not fields[1].isdigit():
            continue
        reached = float(fields[7].rstrip("%")) / 100
        # "engine 1.23": it takes 1.23 times as long.
        other = fields[8].split()
        times = float(other[1]) if len(other) == 2 and other[1][0].isdigit() else None
        cells.append(
            Cell(fields[0], int(fields[1]), fields[2], reached, times and reached / times)
        )
    return cells


def unique(values):
    return list(dict.fromkeys(values))


def height_of(fraction):
    return PLOT_HEIGHT * min(fraction, MOST) / MOST


def text(x, y, words, anchor="middle", size=11):
    return (
        f'<text x="{x:.0f}" y="{y:.0f}" text-anchor="{anchor}" '
        f'font-size="{size}">{escape(words)}</text>'
    )


def rectangle(x, y, width, height, colour, title=""):
    inside = f"<title>{escape(title)}</title>" if title else ""
    return (
        f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" '
        f'fill="{colour}">{inside}</rect>'
    )


def draw_bar(cell, x, base):
    height = height_of(cell.reached)
    title = f"{cell.dtype}, {cell.tokens} tokens: {cell.reached:.0%} of the limit"
    parts = [rectangle(x, base - height, BAR, height, COLOURS[cell.dtype], title)]
    if cell.other:
        at = base - height_of(cell.other)
        note = f"fastest other engine: {cell.other:.0%}"
        parts.append(rectangle(x - 1, at - 1, BAR + 2, 2.5, "#000000", note))
    return parts


def draw_axis(base, width):
    parts = []
    for percent in (0, 50, 100):
        y = base - height_of(percent / 100)
        parts.append(rectangle(LEFT, y, width - LEFT - MARGIN, 0.5, "#888888"))
        parts.append(text(LEFT - 5, y + 4, f"{percent}%", "end"))
    return parts


def draw_panel(cells, top, width):
    base = top + 24 + PLOT_HEIGHT
    parts = [text(LEFT, top + 14, f"E,k,H,F = {cells[0].shape}", "start", 13)]
    parts += draw_axis(base, width)
    x = LEFT + GROUP_GAP
    for tokens in unique(cell.tokens for cell in cells):
        group = [cell for cell in cells if cell.tokens == tokens]
        start = x
        for cell in group:
            parts += draw_bar(cell, x, base)
            x += BAR + GAP
        label = "1 token" if tokens == 1 else f"{tokens} tokens"
        parts.append(text((start + x - GAP) / 2, base + 15, label))
        x += GROUP_GAP
    return parts


def width_of(cells):
    groups = len(unique(cell.tokens for cell in cells))
    return LEFT + GROUP_GAP + len(cells) * (BAR + GAP) + groups * GROUP_GAP + MARGIN


def draw(cells):
    """The picture as SVG text."""
    shapes = unique(cell.shape for cell in cells)
    panels = [[cell for cell in cells if cell.shape == shape] for shape in shapes]
    width = max(map(width_of, panels))
    height = TOP + PANEL_HEIGHT * len(panels)
    parts = []
    x = LEFT
    for dtype in unique(cell.dtype for cell in cells):
        parts.append(rectangle(x, 12, 12, 12, COLOURS[dtype]))
        parts.append(text(x + 17, 22, dtype, "start"))
        x += 60
    parts.append(rectangle(x, 17, 16, 2.5, "#000000"))
    parts.append(text(x + 21, 22, "fastest other engine", "start"))
    for i, panel in enumerate(panels):
        parts += draw_panel(panel, TOP + i * PANEL_HEIGHT, width)
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        f'width="{width}" height="{height}" font-family="sans-serif">'
    )
    ground = rectangle(0, 0, width, height, "#ffffff")
    return "\n".join([head, ground, *parts, "</svg>"]) + "\n"


def write():
    PICTURE.write_text(draw(read_cells(page.PAGE.read_text())))


if __name__ == "__main__":
    write()

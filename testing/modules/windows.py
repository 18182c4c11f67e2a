#===- windows.py - Rows that are parts of larger buffers -------------------===#
#
# Part of the moe-mlir project, under the Apache License v2.0 with LLVM
# Exceptions. See LICENSE for license information.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#
#===------------------------------------------------------------------------===#

from values import tensor


def larger_buffer(block, width, value):
    """Returns a buffer of `value` that has three more rows, its type, and the rows."""
    if block.size.text == "?":
        count = block.size.value()
        more = block.define(f"arith.addi {count}, {block.index(3)} : index", "n")
    else:
        count, more = block.size.text, ""
    size = "?" if more else str(int(count) + 3)
    large = tensor([size, width])
    empty = block.define(f"tensor.empty({more}) : {large}", "e")
    return block.fill(block.constant(value), empty, large), large, count


def filled_window(block, width, value):
    """Returns rows of `value` that are part of a larger buffer."""
    block.module.note("init_window")
    buffer, large, count = larger_buffer(block, width, 0.25)
    type = block.rows_type(width)
    part = block.define(
        f"tensor.extract_slice {buffer}[0, 0] [{count}, {width}] [1, 1] "
        f": {large} to {type}",
        "s",
    )
    return block.fill(block.constant(value), part, type)


def shifted(block, rows):
    """Returns rows out of a larger buffer that they were put into, two places on."""
    block.module.note("window_of_buffer")
    type = rows.type
    buffer, large, count = larger_buffer(block, rows.width, 0.5)
    put = block.define(
        f"tensor.insert_slice {rows.name} into {buffer}[0, 0] [{count}, {rows.width}] [1, 1] "
        f": {type} into {large}",
        "s",
    )
    name = block.define(
        f"tensor.extract_slice {put}[2, 0] [{count}, {rows.width}] [1, 1] : {large} to {type}",
        "s",
    )
    return rows.having(name=name, scale=max(rows.scale, 0.5))

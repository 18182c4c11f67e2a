#===- reductions.py - Sums over rows and columns ---------------------------===#
#
# Part of the moe-mlir project, under the Apache License v2.0 with LLVM
# Exceptions. See LICENSE for license information.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#
#===------------------------------------------------------------------------===#

from elementwise import Input, apply, scalar_block
from formulas import Formula
from values import SINGLE, SOLID, Value, tensor


def reduced(block, rows, along, combiner="arith.addf", unary=None, start=0.0):
    """Returns a reduction of the rows to one element each (along 1), or to one row."""
    module, choices = block.module, block.choices
    kept = 1 - along
    type = tensor([rows.width]) if kept else tensor([block.size.text])
    empty = (
        block.define(f"tensor.empty() : {type}", "e") if kept else block.column_empty()
    )
    init = block.fill(block.constant(start), empty, type)
    name = "%" + module.fresh("q")
    how = choices.below(3)
    if how == 1 and unary is None:
        module.note("reduce_by_op")
        block.emit(
            f"{name} = linalg.reduce {{ {combiner} }} ins({rows.name} : {rows.type}) "
            f"outs({init} : {type}) dimensions = [{along}]"
        )
        return Value(name, type)
    a, total = "%" + module.fresh("x"), "%" + module.fresh("x")
    body = scalar_block(block)
    term = unary(body, a) if unary else a
    result = body.define(f"{combiner} {term}, {total} : f32")
    body.emit(f"linalg.yield {result} : f32")
    if how == 2:
        module.note("linalg_reduce")
        block.emit(
            f"{name} = linalg.reduce ins({rows.name} : {rows.type}) outs({init} : {type}) "
            f"dimensions = [{along}] ({a}: f32, {total}: f32) {{"
        )
        block.region(body)
        block.emit("}")
        return Value(name, type)
    module.note("generic_reduction")
    kinds = ['"parallel"', '"parallel"']
    kinds[along] = '"reduction"'
    block.emit(
        f"{name} = linalg.generic {{indexing_maps = [{module.map(2, 0, 1)}, "
        f"{module.map(2, kept)}], iterator_types = [{', '.join(kinds)}]}} "
        f"ins({rows.name} : {rows.type}) outs({init} : {type}) {{"
    )
    block.emit(f"^bb0({a}: f32, {total}: f32):")
    block.region(body)
    block.emit(f"}} -> {type}")
    return Value(name, type)


def square(body, a):
    """Emits a square, by a product or by a power."""
    if body.choices.chance(30):
        k = body.constant(2, "i32")
        body.module.note("fpowi_in_reduction")
        return body.define(f"math.fpowi {a}, {k} : f32, i32")
    return body.define(f"arith.mulf {a}, {a} : f32")


def exponential(body, a):
    """Emits an exponential of something bounded."""
    return body.define(f"math.exp {body.define(f'math.tanh {a} : f32')} : f32")


class Divided:
    """A formula of rows and a number for each of them that a reduction gives."""

    def __init__(self, width, eps):
        self.width, self.eps = width, eps

    def mean(self, o, total):
        """Emits total / width."""
        return o.apply("arith.divf", total, o.constant(float(self.width)))

    def rms(self, o, a, total):
        """Emits a / sqrt(mean + eps)."""
        mean = o.apply("arith.addf", self.mean(o, total), o.constant(self.eps))
        if o.choices.chance(50):
            return o.apply("arith.divf", a, o.apply("math.sqrt", mean))
        return o.apply("arith.mulf", a, o.apply("math.rsqrt", mean))

    def centred(self, o, a, total):
        """Emits a - mean."""
        return o.apply("arith.subf", a, self.mean(o, total))

    def share(self, o, a, total):
        """Emits exp(tanh(a)) of the sum of these."""
        grown = o.apply("math.exp", o.apply("math.tanh", a))
        return o.apply("arith.divf", grown, self.mean(o, total))


def combined(block, rows, numbers, emit, along=(0,), **facts):
    """Returns what `emit` makes of the rows and the result of a reduction."""
    formula = Formula("of_reduction", 2, emit, lambda a, b: a)
    result = apply(block, formula, [Input(rows), Input(numbers, along)], rows.width)
    return result.having(solid=rows.solid, **facts)


def rms_norm(block, rows):
    """Returns the rows divided by their root mean square."""
    block.module.note("rms_norm")
    total = reduced(block, rows, 1, unary=square)
    how = Divided(rows.width, block.choices.pick([0.1, 0.01]))
    return combined(block, rows, total, how.rms, scale=1.0)


def layer_norm(block, rows):
    """Returns the rows, centred and divided by their deviation."""
    block.module.note("layer_norm")
    how = Divided(rows.width, 0.1)
    centred = combined(block, rows, reduced(block, rows, 1), how.centred)
    centred = centred.having(solid=max(min(rows.solid, rows.width) - 2, 0))
    total = reduced(block, centred, 1, unary=square)
    return combined(block, centred, total, how.rms, scale=1.0)


def softmax(block, rows):
    """Returns the softmax of the rows, by linalg.softmax."""
    block.module.note("softmax")
    name = block.define(
        f"linalg.softmax dimension(1) ins({rows.name} : {rows.type}) "
        f"outs({block.empty(rows.width)} : {rows.type}) -> {rows.type}",
        "p",
    )
    noise = max(rows.noise, SINGLE)
    return rows.having(name=name, scale=1 / rows.width, noise=noise, solid=SOLID)


def written_softmax(block, rows):
    """Returns shares of the rows, by a reduction."""
    block.module.note("written_softmax")
    total = reduced(block, rows, 1, unary=exponential)
    how = Divided(rows.width, 0.0)
    return combined(block, rows, total, how.share, scale=1.2).having(solid=SOLID)


def with_extreme(block, rows):
    """Returns the rows and the largest or smallest of each row added."""
    combiner, start = block.choices.pick(
        [("arith.maximumf", -1e30), ("arith.minimumf", 1e30), ("arith.maxnumf", -1e30)]
    )
    block.module.note("row_extreme")
    largest = reduced(block, rows, 1, combiner, start=start)
    return combined(
        block,
        rows,
        largest,
        lambda o, a, b: o.apply("arith.addf", a, b),
        scale=3 * rows.scale,
    )


def across_rows(block, rows):
    """Returns the rows and the mean of all rows of the group added."""
    block.module.note("across_rows")
    total = reduced(block, rows, 0)
    count = row_count(block)
    type = tensor([rows.width])
    empty = block.define(f"tensor.empty() : {type}", "e")
    counts = block.fill(count, empty, type)
    mean = Value(block.define(f"arith.divf {total.name}, {counts} : {type}"), type)
    return combined(
        block,
        rows,
        mean,
        lambda o, a, b: o.apply("arith.addf", a, b),
        along=(1,),
        scale=1.5 * rows.scale,
    )


def row_count(block):
    """Returns the number of rows as f32, at least 1 where it is static."""
    if block.size.text != "?":
        return block.constant(float(max(int(block.size.text), 1)))
    integer = block.define(f"arith.index_cast {block.size.value()} : index to i32", "i")
    return block.define(f"arith.sitofp {integer} : i32 to f32", "i")


def by_row_index(block, rows):
    """Returns the rows times a factor that depends on their place in the group."""
    module = block.module
    module.note("row_index")
    body = scalar_block(block)
    a, out = "%" + module.fresh("x"), "%" + module.fresh("x")
    dimension = block.choices.pick([0, 0, 1])
    index = body.define(f"linalg.index {dimension} : index", "i")
    three = body.constant(3, "index")
    rest = body.define(f"arith.remui {index}, {three} : index", "i")
    integer = body.define(f"arith.index_cast {rest} : index to i32", "i")
    factor = body.define(f"arith.sitofp {integer} : i32 to f32", "i")
    shifted = body.define(f"arith.addf {factor}, {body.constant(0.5)} : f32")
    body.emit(f"linalg.yield {body.define(f'arith.mulf {a}, {shifted} : f32')} : f32")
    outs = block.empty(rows.width)
    name = "%" + module.fresh("g")
    same = module.map(2, 0, 1)
    block.emit(
        f"{name} = linalg.generic {{indexing_maps = [{same}, {same}], "
        f'iterator_types = ["parallel", "parallel"]}} ins({rows.name} : {rows.type}) '
        f"outs({outs} : {rows.type}) {{"
    )
    block.emit(f"^bb0({a}: f32, {out}: f32):")
    block.region(body)
    block.emit(f"}} -> {rows.type}")
    return rows.having(name=name, scale=1.7 * rows.scale)


def by_row_count(block, rows):
    """Returns the rows and a number that depends on how many there are added."""
    block.module.note("row_count")
    count = row_count(block)
    part = block.define(f"arith.mulf {count}, {block.constant(0.001953125)} : f32")
    result = combined(
        block,
        rows,
        Value(part, "f32"),
        lambda o, a, b: o.apply("arith.addf", a, b),
        along=(),
        scale=rows.scale + 1,
    )
    return result


OF_ROWS = [rms_norm, softmax, layer_norm, written_softmax, with_extreme]
ACROSS = [across_rows, by_row_index, by_row_count]

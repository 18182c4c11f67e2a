#!/usr/bin/env python3
#===- generate.py - Random modules that the compiler must get right --------===#
#
# Part of the moe-mlir project, under the Apache License v2.0 with LLVM
# Exceptions. See LICENSE for license information.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#
#===------------------------------------------------------------------------===#

#
# usage: generate.py SEED
#
# Prints the module of a seed.
#
#===------------------------------------------------------------------------===#

import sys

from bodies import grow
from choices import Choices
from control import inner, last_of_width, merged, scalar_of_input
from elementwise import Input, apply, find, settled, solid
from layers import layer
from products import WIDTHS
from values import ROUNDED, SINGLE, Function, Module, Size, Value, tensor
from weights import PlainWeights, declared, dense_bank
from windows import shifted

TOKENS = [1, 2, 3, 5, 0, 2, 17, 3, 5, 1, 33, 5, 3, 64, 2, 127, 200, 511]
LAYERS = [0, 1, 1, 1, 1, 2, 1, 1, 1, 3, 1, 1]

# ===-----------------------------------------------------------------------===#
# Functions
# ===-----------------------------------------------------------------------===#


def sized(function, name, type):
    """Returns the size of rows that are an argument or made of one."""
    known = []
    text = type[len("tensor<") :].split("x")[0]

    def count():
        if not known:
            zero = function.body.root.index(0)
            known.append(
                function.body.define(f"tensor.dim {name}, {zero} : {type}", "n")
            )
        return known[0]

    return Size(text, count)


def begin(function, rows):
    """Makes `rows` what the body of the function begins with."""
    function.body.weights = PlainWeights()
    function.body.rows = [rows]
    function.body.size = sized(function, rows.name, rows.type)


def rows_of_arguments(module, function, width):
    """Returns the rows of tokens, an argument: static, dynamic, or in batches."""
    choices = module.choices
    how = choices.pick(["static", "dynamic", "dynamic", "batches", "static", "dynamic"])
    module.note(f"tokens_{how}")
    function.token_symbol = "t"
    if how == "batches":
        function.token_symbol = "b * s"
        divisors = [d for d in (1, 2, 3, 5, 8, 11) if module.tokens % d == 0]
        batches = choices.pick(divisors)
        module.sizes.update(b=batches, s=module.tokens // batches)
        whole = function.parameter(
            tensor(["?", "?", width]), ["b", "s", width], hint="x"
        )
        type = tensor(["?", width])
        name = function.body.define(
            f"tensor.collapse_shape {whole.name} [[0, 1], [2]] : {whole.type} into {type}",
            "x",
        )
        function.whole = whole
        return facts_of_argument(name, type, width)
    size = "?" if how == "dynamic" else module.tokens
    if how == "dynamic":
        module.sizes["t"] = module.tokens
    value = function.parameter(tensor([size, width]), ["t", width], hint="x")
    return facts_of_argument(value.name, value.type, width)


def facts_of_argument(name, type, width):
    """Returns rows with numbers that are uniform in [-1, 1)."""
    return Value(name, type, width, 0.58, solid=width)


def called(block, rows, width):
    """Emits calls of a function with a layer in it; returns its rows."""
    module, choices = block.module, block.choices
    module.note("layer_in_function")
    function = Function(module, module.fresh("layer"), False)
    function.token_symbol = block.function.token_symbol
    noise = ROUNDED if module.rounding else SINGLE
    parameter = function.parameter(
        rows.type, [function.token_symbol, rows.width], hint="x"
    )
    begin(function, rows.having(name=parameter.name, noise=max(noise, rows.noise)))
    y, _ = layer(function.body, function.body.rows[0], width)
    y = settled(function.body, y)
    function.give(y, "y", [])
    if choices.chance(35):
        module.note("function_returns_argument")
        function.give(function.body.rows[0], "x", [])
    module.functions.insert(0, function)
    given = call_arguments(block, function)
    results = [emit_call(block, function, rows, given, y)]
    if choices.chance(40):
        module.note("function_called_twice")
        if choices.chance(50):
            given = call_arguments(block, function)
        second = results[-1] if width == rows.width and choices.chance(60) else rows
        results.append(emit_call(block, function, second, given, y))
    if len(results) == 1 or choices.chance(40):
        return results[-1].having(depth=len(results) * y.depth)
    total = apply(block, find(2, "addf"), [Input(value) for value in results], width)
    return total.having(solid=0)


def call_arguments(block, function):
    """Returns names of what callers pass to a function besides the rows."""
    given = []
    for parameter in function.parameters[1:]:
        type = parameter.type
        if parameter.bank:
            given.append(dense_bank(block, *parameter.bank)[0])
            continue
        if "?" not in type and type.endswith("f32>") and block.choices.chance(40):
            sizes = [int(size) for size in type[len("tensor<") : -1].split("x")[:-1]]
            if sizes and sizes[0] != int(
                block.size.text if block.size.text != "?" else -1
            ):
                given.append(declared(block, sizes, windows=False).name)
                continue
        value = block.function.parameter(type, parameter.shape, parameter.range)
        given.append(value.name)
    return given


def emit_call(block, function, rows, given, y):
    """Emits a call and returns the rows that it gives."""
    types = ", ".join(parameter.type for parameter in function.parameters)
    results = ", ".join(value.type for value, *_ in function.results)
    count = len(function.results)
    name = "%" + block.module.fresh("call")
    block.emit(
        f"{name}:{count} = func.call @{function.name}({', '.join([rows.name, *given])}) "
        f": ({types}) -> ({results})"
    )
    return y.having(name=f"{name}#0", origins=frozenset([("call", function.name)]))


# ===-----------------------------------------------------------------------===#
# Around layers
# ===-----------------------------------------------------------------------===#


def plain_layer(block, rows, width):
    """Emits a layer in place."""
    return layer(block, rows, width)


def layer_in_function(block, rows, width):
    """Emits a function with the layer, and calls of it."""
    return called(block, rows, width), []


def layer_in_loop(block, rows, width):
    """Emits a loop that carries the rows through a layer twice."""
    module = block.module
    module.note("layer_in_loop")
    first, last, step = (block.index(i) for i in (0, 2, 1))
    name = "%" + module.fresh("a")
    body = block.nested()
    body.is_loop = True
    noise = ROUNDED if module.rounding else SINGLE
    carried = rows.having(name=name, scale=1.0, noise=max(noise, rows.noise))
    body.rows = [carried]
    y, _ = layer(body, carried, rows.width)
    body.rows.append(settled(body, y))
    grow(body, block.choices.pick([0, 0, 1]))
    y = last_of_width(body, rows.width)
    body.emit(f"scf.yield {y.name} : {rows.type}")
    result = "%" + module.fresh("r")
    index = "%" + module.fresh("i")
    block.emit(
        f"{result} = scf.for {index} = {first} to {last} step {step} "
        f"iter_args({name} = {rows.name}) -> ({rows.type}) {{"
    )
    block.region(body)
    block.emit("}")
    module.depth = max(module.depth, 2 * y.depth)
    return merged(result, [y, rows]).having(origins=frozenset([("loop", result)])), []


def layer_in_branch(block, rows, width):
    """Emits a branch with a layer on one side."""
    module, choices = block.module, block.choices
    module.note("layer_in_branch")
    if block.size.text == "?" and choices.chance(50):
        bound = block.index(choices.pick([2, 5]))
        test = block.define(
            f"arith.cmpi ult, {block.size.value()}, {bound} : index", "t"
        )
    else:
        value, zero = scalar_of_input(block), block.constant(0.0)
        test = block.define(f"arith.cmpf olt, {value}, {zero} : f32", "t")
    first = block.nested()
    first.rows = [rows]
    y, _ = layer(first, rows, rows.width)
    y = settled(first, y)
    second = inner(block, grow, rows)
    other = last_of_width(second, rows.width)
    sides = [(first, y), (second, other)]
    if choices.chance(40):
        sides.reverse()
    name = "%" + module.fresh("r")
    block.emit(f"{name} = scf.if {test} -> ({rows.type}) {{")
    for i, (body, value) in enumerate(sides):
        body.emit(f"scf.yield {value.name} : {rows.type}")
        block.region(body)
        block.emit("} else {" if i == 0 else "}")
    return merged(name, [y, other]), []


PLACES = [plain_layer] * 10 + [layer_in_function, layer_in_loop, layer_in_branch]


def residual(block, rows, y):
    """Returns the sum of the rows before a layer and after it."""
    block.module.note("residual")
    total = apply(block, find(2, "addf"), [Input(y), Input(rows)], y.width)
    if total.solid and rows.origins & y.origins:
        total = total.having(solid=0)
    return total


# ===-----------------------------------------------------------------------===#
# Modules
# ===-----------------------------------------------------------------------===#


def one_layer(block, found):
    """Emits a layer somewhere and what is around it."""
    choices = block.choices
    rows = block.rows[-1]
    grow(block, choices.pick([0, 0, 0, 1, 0, 2]))
    if choices.chance(5):
        block.rows.append(shifted(block, block.rows[-1]))
    source = block.rows[-1]
    width = choices.pick(WIDTHS) if choices.chance(35) else source.width
    place = choices.pick(PLACES)
    if place in (layer_in_loop, layer_in_branch):
        width = source.width
    y, more = place(block, source, width)
    found += more
    block.rows.append(settled(block, y))
    before = rows if rows.width == y.width else source
    if before.width == y.width and choices.chance(30):
        block.rows.append(settled(block, residual(block, before, block.rows[-1])))
    grow(block, choices.pick([0, 0, 0, 0, 1, 0, 2]))


def other_sizes(module, function):
    """Emits computations on an argument with as many rows as it likes."""
    choices = module.choices
    module.note("second_symbol")
    module.sizes["u"] = choices.pick([3, 1, 0, 9])
    width = choices.pick(WIDTHS)
    value = function.parameter(tensor(["?", width]), ["u", width], hint="z")
    rows = facts_of_argument(value.name, value.type, width)
    block = function.body.nested()
    block.rows = [rows]
    block.size = sized(function, rows.name, rows.type)
    grow(block, choices.pick([1, 2]))
    result = solid(block, block.rows[-1])
    function.body.region(block, "")
    function.give(result, "other", ["u", result.width])


def give_rows(module, function, rows):
    """Returns the rows from the entry: as they are, in batches or in place."""
    choices, block = module.choices, function.body
    symbol = function.token_symbol
    rows = solid(block, rows)
    argument = function.parameters[0]
    if symbol == "b * s" and choices.chance(60):
        module.note("result_in_batches")
        whole = function.whole
        sizes = [
            block.define(
                f"tensor.dim {whole.name}, {block.index(i)} : {whole.type}", "n"
            )
            for i in range(2)
        ]
        type = tensor(["?", "?", rows.width])
        name = block.define(
            f"tensor.expand_shape {rows.name} [[0, 1], [2]] output_shape "
            f"[{', '.join(sizes)}, {rows.width}] : {rows.type} into {type}",
            "y",
        )
        function.give(rows.having(name=name, type=type), "y", ["b", "s", rows.width])
        return
    tied = None
    if rows.type == argument.type and choices.chance(8):
        module.note("tied_result")
        tied = 0
    function.give(rows, "y", [symbol, rows.width], tied)


def generate_module(choices):
    """Returns the module of the choices, with its features."""
    module = Module(choices)
    module.tokens = choices.pick(TOKENS)
    function = Function(module, "main", True)
    module.functions.append(function)
    begin(function, rows_of_arguments(module, function, choices.pick(WIDTHS)))
    block, found = function.body, []
    if choices.chance(15):
        block.constant(0.0)
        block.constant(1.0)
    layers = choices.pick(LAYERS)
    module.note(f"layers_{layers}")
    for _ in range(layers):
        one_layer(block, found)
    if not layers:
        grow(block, choices.pick([1, 2, 4]))
    if choices.chance(6):
        other_sizes(module, function)
    give_rows(module, function, block.rows[-1])
    for i, (value, name, shape) in enumerate(found):
        module.note(f"result_{name}")
        function.give(value, f"{name}{i}", shape)
    if choices.chance(5):
        module.note("result_is_argument")
        rows = block.rows[0]
        function.give(rows, "same", [function.token_symbol, rows.width])
    return module


def generate(choices):
    """Returns the text of the module of the choices."""
    return generate_module(choices).text()


if __name__ == "__main__":
    if len(sys.argv) != 2 or not sys.argv[1].isdigit():
        sys.exit("generate.py: expected a seed; usage: generate.py SEED")
    print(generate(Choices(seed=int(sys.argv[1]))), end="")

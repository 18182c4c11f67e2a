#===- bodies.py - Computations on rows, step by step -----------------------===#
#
# Part of the moe-mlir project, under the Apache License v2.0 with LLVM
# Exceptions. See LICENSE for license information.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#
#===------------------------------------------------------------------------===#

from control import CONTROL
from elementwise import Input, apply, broadcast, find, settled
from formulas import FORMULAS, GROWING
from products import WIDTHS, plain_product, product, vector
from reductions import ACROSS, OF_ROWS
from values import Function, Size, Value, tensor
from weights import argument, declared

# ===-----------------------------------------------------------------------===#
# Inputs of steps
# ===-----------------------------------------------------------------------===#


def pick_rows(block, width=None):
    """Returns rows that there are, the latest first, of a width if one is given."""
    known = [v for v in block.rows if width in (None, v.width)]
    return block.choices.pick(known[::-1])


def scalar(block):
    """Returns an f32 that comes from outside of the body, or from the expert."""
    choices, module = block.choices, block.module
    how = choices.below(6)
    if how >= 4 and block.expert:
        return expert_scalar(block, how == 5)
    place = block.home if how % 2 else block
    module.note("scalar_from_outside" if how % 2 else "scalar_in_body")
    if how < 2:
        held = argument(block.home, (1,))
        return extracted(
            place, held, [block.index(0) if place is block else place.index(0)]
        )
    if how == 2 and block.matrices:
        held = choices.pick(block.matrices[::-1])
        return extracted(block, held, [block.index(0)] * 2)
    held = declared(block.home, (), windows=False)
    return extracted(place, held, [])


def extracted(block, held, indices):
    """Returns an element of a tensor as f32."""
    name = block.define(
        f"tensor.extract {held.name}[{', '.join(indices)}] : {held.type}", "s"
    )
    element = held.type[:-1].split("x")[-1].split("<")[-1]
    if element != "f32":
        name = block.define(f"arith.extf {name} : {element} to f32", "s")
    return Value(name, "f32", scale=held.scale)


def expert_scalar(block, is_computed):
    """Returns an f32 that depends on the index of the expert."""
    block.module.note("expert_index")
    if is_computed:
        integer = block.define(f"arith.index_cast {block.expert} : index to i32", "i")
        number = block.define(f"arith.sitofp {integer} : i32 to f32", "i")
        part = block.define(f"arith.mulf {number}, {block.constant(0.125)} : f32")
        return Value(part, "f32", scale=1.0)
    held = argument(block.home, (block.weights.experts,))
    return extracted(block, held, [block.expert])


def other_input(block, width):
    """Returns a second or third input of a formula for rows of `width`."""
    how = block.choices.below(6)
    if how < 3:
        return Input(pick_rows(block, width))
    if how == 5:
        return Input(scalar(block), ())
    return Input(vector(block, block.weights, width), (1,))


# ===-----------------------------------------------------------------------===#
# Steps
# ===-----------------------------------------------------------------------===#


def formula_step(arity):
    """Returns a step that applies a formula of `arity` inputs."""

    def step(block):
        rows = pick_rows(block)
        formula = block.choices.pick(FORMULAS[arity])
        inputs = [Input(rows)]
        while len(inputs) < arity:
            inputs.append(other_input(block, rows.width))
        values = [given.value for given in inputs]
        is_growing = block.is_loop and formula.name in GROWING
        if is_growing or not formula.allows(values, block.module.elements(rows.width)):
            formula = find(arity, {1: "tanh", 2: "maximumf", 3: "middle"}[arity])
        result = apply(block, formula, inputs, rows.width)
        if formula.name in ("addf", "subf", "weighted", "fma") and are_related(values):
            result = result.having(solid=0)
        return result

    return step


def are_related(values):
    """Returns whether sums of the values may cancel: they have something in common."""
    names = [value.name for value in values]
    origins = [value.origins for value in values if value.origins]
    return len(set(names)) < len(names) or len(frozenset().union(*origins)) < sum(
        len(o) for o in origins
    )


def product_step(block):
    """Multiplies rows by a matrix."""
    return product(block, block.weights, pick_rows(block), block.choices.pick(WIDTHS))


def gated_step(block):
    """Multiplies rows by two matrices, one product gating the other."""
    if block.is_loop:
        return product_step(block)
    block.module.note("gated_products")
    rows, width = pick_rows(block), block.choices.pick(WIDTHS)
    gate = settled(block, product(block, block.weights, rows, width))
    up = settled(block, product(block, block.weights, rows, width))
    formula = find(2, block.choices.pick(["gated", "mulf"]))
    return apply(block, formula, [Input(gate), Input(up)], width)


def low_rank_step(block):
    """Multiplies rows by a narrow matrix and by a wide one."""
    block.module.note("low_rank")
    rows = pick_rows(block)
    narrow = settled(
        block, product(block, block.weights, rows, block.choices.pick([2, 1, 4]))
    )
    return product(block, block.weights, narrow, rows.width)


def bias_step(block):
    """Adds a vector to all rows, or multiplies by it."""
    rows = pick_rows(block)
    formula = find(2, block.choices.pick(["addf", "mulf"]))
    block.module.note("per_column")
    given = Input(vector(block, block.weights, rows.width), (1,))
    return apply(block, formula, [Input(rows), given], rows.width)


def scalar_step(block):
    """Multiplies rows by a scalar."""
    rows = pick_rows(block)
    formula = find(2, block.choices.pick(["mulf", "addf"]))
    result = apply(block, formula, [Input(rows), Input(scalar(block), ())], rows.width)
    return result


def call_step(block):
    """Calls a function that multiplies rows by a matrix, or computes on elements."""
    module, rows = block.module, pick_rows(block)
    module.note("call_in_body")
    function = Function(module, module.fresh("part"), False)
    type = tensor(["?", rows.width])
    inner = rows.having(name=function.parameter(type, hint="x").name, type=type)
    zero = function.body.index(0)
    count = function.body.define(f"tensor.dim {inner.name}, {zero} : {type}", "n")
    function.body.size = Size("?", lambda: count)
    function.body.rows = [inner]
    given = [dynamic(block, rows)]
    if block.choices.chance(60):
        shape = (rows.width, block.choices.pick([rows.width, 4, 16]))
        weight = block.weights.take(block, shape)
        passed = weight.having(name=function.parameter(weight.type, hint="w").name)
        result = plain_product(function.body, inner, passed)
        given.append(weight.name)
    else:
        formula = find(1, block.choices.pick(["tanh", "silu", "exp", "negf"]))
        result = apply(function.body, formula, [Input(inner)], rows.width)
    function.give(result, "y", [])
    module.functions.insert(0, function)
    types = ", ".join(parameter.type for parameter in function.parameters)
    name = block.define(
        f"func.call @{function.name}({', '.join(given)}) : ({types}) -> {result.type}",
        "call",
    )
    return static(block, result.having(name=name))


def dynamic(block, rows):
    """Returns the name of the rows as a tensor of dynamic size."""
    if block.size.text == "?":
        return rows.name
    type = tensor(["?", rows.width])
    return block.define(f"tensor.cast {rows.name} : {rows.type} to {type}", "y")


def static(block, rows):
    """Returns rows of dynamic size with the size of the block."""
    if block.size.text == "?":
        return rows
    type = block.rows_type(rows.width)
    name = block.define(f"tensor.cast {rows.name} : {rows.type} to {type}", "y")
    return rows.having(name=name, type=type)


def reduction_step(block):
    """Scales rows by what is summed over each."""
    return block.choices.pick(OF_ROWS)(block, pick_rows(block))


def across_step(block):
    """Adds to rows what depends on all rows, or where they are."""
    return block.choices.pick(ACROSS)(block, pick_rows(block))


def control_step(block):
    """Puts steps into branches or loops."""
    return block.choices.pick(CONTROL)(block, pick_rows(block), grow)


STEPS = (
    [formula_step(1)] * 6
    + [product_step] * 5
    + [formula_step(2)] * 4
    + [bias_step] * 2
    + [gated_step] * 2
    + [reduction_step] * 2
    + [formula_step(3), low_rank_step, scalar_step, control_step, across_step]
    + [control_step, call_step]
)


def grow(block, steps):
    """Appends `steps` computations on rows to the block."""
    for _ in range(steps):
        rows = settled(block, block.choices.pick(STEPS)(block))
        block.rows.append(rows)


def as_wide(block, rows, width):
    """Returns the rows, multiplied by a matrix if they do not have `width`."""
    if rows.width == width:
        return rows
    return settled(block, product(block, block.weights, rows, width))


# ===-----------------------------------------------------------------------===#
# Bodies of experts
# ===-----------------------------------------------------------------------===#


def folded(block, rows, width):
    """Returns rows that fold to something simple."""
    module, choices = block.module, block.choices
    if rows.width == width and not choices.chance(40):
        module.note("body_yields_rows")
        return rows
    if choices.chance(50):
        module.note("body_yields_constant")
        return Value(block.filled(1.0, width), block.rows_type(width), width)
    module.note("body_yields_vector")
    bias = Input(vector(block, block.weights, width), (1,))
    type = block.rows_type(width)
    return Value(broadcast(block, bias, width), type, width, bias.value.scale)


def make_body(block, rows, width, most_steps):
    """Fills the body of an expert and returns the rows of `width` that it yields."""
    block.rows = [rows]
    choices = block.choices
    steps = choices.pick([0, 1, 2, 1, 3, 2, 4, 6, 3])
    steps = min(steps, most_steps)
    if steps == 0:
        result = folded(block, rows, width)
    else:
        grow(block, steps)
        result = as_wide(block, block.rows[-1], width)
        if choices.chance(4):
            block.module.note("result_ignores_products")
            result = folded(block, rows, width)
    block.emit(f"moe.yield {result.name} : {result.type}")
    return result

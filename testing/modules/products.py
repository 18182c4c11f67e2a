#===- products.py - Rows times matrices ------------------------------------===#
#
# Part of the moe-mlir project, under the Apache License v2.0 with LLVM
# Exceptions. See LICENSE for license information.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#
#===------------------------------------------------------------------------===#

from elementwise import Input, broadcast, find, with_constant
from values import EXACT, SINGLE, Value, tensor
from weights import changed, matrix_shape, transposed
from windows import filled_window

REDUCTION = '"parallel", "parallel", "reduction"'
WIDTHS = [4, 8, 1, 2, 3, 7, 16, 8, 16, 19, 32, 31, 48, 64, 65, 96, 127]


def vector(block, weights, width):
    """Returns a vector of `width`, one that there is or a new one."""
    known = [value for value in block.vectors if value.width == width]
    if known and block.choices.chance(50):
        return known[-1]
    value = weights.take(block, (width,))
    block.vectors.append(value)
    return value


# ===-----------------------------------------------------------------------===#
# The matrix
# ===-----------------------------------------------------------------------===#


def window(block, weights, shape, element):
    """Returns a window of a larger matrix."""
    rows, columns = shape
    block.module.note("window_of_slice")
    step = block.choices.pick([1, 1, 2])
    whole = weights.take(block, (step * rows + 1, columns + 2), element)
    type = tensor(shape, element)
    name = block.define(
        f"tensor.extract_slice {whole.name}[1, 2] [{rows}, {columns}] [{step}, 1] "
        f": {whole.type} to {type}",
        "s",
    )
    return whole.having(name=name, type=type, width=columns)


def matrix(block, weights, shape):
    """Returns a matrix of `shape`, of floats of any kind."""
    choices = block.choices
    known = [m for m in block.matrices if matrix_shape(m)[:2] == shape]
    if known and choices.chance(30):
        block.module.note("matrix_again")
        return choices.pick(known)
    element = choices.pick(["f32"] * 6 + ["bf16", "bf16", "f16"])
    if element != "f32":
        block.module.note(f"weight_{element}")
    take = window if choices.chance(8) else (lambda b, w, *given: w.take(b, *given))
    value = take(block, weights, shape, element)
    block.matrices.append(value)
    if element != "f32" and choices.chance(40):
        block.module.note("weight_cast_up")
        type = tensor(shape)
        name = block.define(f"arith.extf {value.name} : {value.type} to {type}")
        value = value.having(name=name, type=type)
        block.matrices.append(value)
    elif element == "f32" and choices.chance(8):
        block.module.note("weight_changed_in_body")
        value = changed(block, value)
        block.matrices.append(value)
    return value


def generic_transposed(block, weight):
    """Returns the transposed matrix, by a linalg.generic."""
    rows, columns, element = matrix_shape(weight)
    type = tensor([columns, rows], element)
    empty = block.define(f"tensor.empty() : {type}", "e")
    module = block.module
    name = "%" + module.fresh("t")
    argument, out = module.fresh("x"), module.fresh("x")
    block.emit(
        f"{name} = linalg.generic {{indexing_maps = [{module.map(2, 1, 0)}, "
        f'{module.map(2, 0, 1)}], iterator_types = ["parallel", "parallel"]}} '
        f"ins({weight.name} : {weight.type}) outs({empty} : {type}) {{"
    )
    block.emit(f"^bb0(%{argument}: {element}, %{out}: {element}):")
    block.emit(f"  linalg.yield %{argument} : {element}")
    block.emit(f"}} -> {type}")
    return weight.having(name=name, type=type, width=rows)


# ===-----------------------------------------------------------------------===#
# The product
# ===-----------------------------------------------------------------------===#


def maps_of(module, is_transposed):
    """Returns the maps of rows times a matrix, [out, in] if it is transposed."""
    right = module.map(3, 1, 2) if is_transposed else module.map(3, 2, 1)
    return f"[{module.map(3, 0, 2)}, {right}, {module.map(3, 0, 1)}]"


def as_matmul(block, rows, weight, init, is_transposed):
    """Emits linalg.matmul."""
    maps = f" indexing_maps = {maps_of(block.module, True)}" if is_transposed else ""
    return block.define(
        f"linalg.matmul{maps} ins({rows.name}, {weight.name} : {rows.type}, {weight.type}) "
        f"outs({init.name} : {init.type}) -> {init.type}",
        "h",
    )


def as_contract(block, rows, weight, init, is_transposed):
    """Emits linalg.contract."""
    return block.define(
        f"linalg.contract indexing_maps = {maps_of(block.module, is_transposed)} "
        f"ins({rows.name}, {weight.name} : {rows.type}, {weight.type}) "
        f"outs({init.name} : {init.type}) -> {init.type}",
        "h",
    )


def as_transpose(block, rows, weight, init, is_transposed):
    """Emits a transposition of the matrix, then linalg.matmul."""
    turn = block.choices.pick([transposed, generic_transposed])
    weight = turn(block, weight)
    return as_matmul(block, rows, weight, init, not is_transposed)


def as_generic_product(block, rows, weight, init, is_transposed):
    """Emits a linalg.generic, whose body may do more than multiply and add."""
    module, choices = block.module, block.choices
    name = "%" + module.fresh("h")
    a, b, total = (f"%{module.fresh('x')}" for _ in range(3))
    element = weight.type[:-1].split("x")[-1]
    block.emit(
        f"{name} = linalg.generic {{indexing_maps = {maps_of(module, is_transposed)}, "
        f"iterator_types = [{REDUCTION}]}} ins({rows.name}, {weight.name} : "
        f"{rows.type}, {weight.type}) outs({init.name} : {init.type}) {{"
    )
    block.emit(f"^bb0({a}: f32, {b}: {element}, {total}: f32):")
    body = block.nested()
    if element != "f32":
        b = body.define(f"arith.extf {b} : {element} to f32")
    product_body(body, choices, a, b, total)
    block.region(body)
    block.emit(f"}} -> {init.type}")
    return name


def product_body(body, choices, a, b, total):
    """Emits what is done with the elements of a product."""
    if choices.chance(10):
        body.module.note("product_by_fma")
        result = body.define(f"math.fma {a}, {b}, {total} : f32")
    else:
        if choices.chance(30):
            a, b = b, a
        value = body.define(f"arith.mulf {a}, {b} : f32")
        if choices.chance(12):
            op = choices.pick(["arith.negf", "math.absf", "math.tanh"])
            body.module.note("product_with_unary")
            if op == "math.absf":
                body.module.note("product_of_magnitudes")
            value = body.define(f"{op} {value} : f32")
        terms = f"{value}, {total}" if choices.chance(30) else f"{total}, {value}"
        op = "arith.subf" if choices.chance(3) else "arith.addf"
        result = body.define(f"{op} {terms} : f32")
    body.emit(f"linalg.yield {result} : f32")


FORMS = [as_matmul, as_matmul, as_contract, as_generic_product, as_transpose]


def initial(block, weights, width):
    """Returns what a product is added to."""
    how = block.choices.below(9)
    type = block.rows_type(width)
    zero = Value("", type, width, 0.0, solid=0)
    same = [value for value in block.rows if value.width == width]
    if how in (4, 5) and same:
        block.module.note("init_rows")
        return block.choices.pick(same[::-1])
    if how == 6:
        block.module.note("init_bias")
        bias = vector(block, weights, width)
        return zero.having(
            name=broadcast(block, Input(bias, (1,)), width), scale=bias.scale
        )
    if how == 7:
        block.module.note("init_constant")
        return zero.having(
            name=block.filled(block.choices.pick([1.0, -0.5]), width), scale=1.0
        )
    if how == 8:
        return zero.having(name=filled_window(block, width, 0.0))
    if how == 3 and block.size.text != "?":
        return zero.having(
            name=block.define(f"arith.constant dense<0.0> : {type}", "c")
        )
    return zero.having(name=block.filled(0.0, width))


def as_integers(block, rows):
    """Returns rows of i8, or None where rounding might differ."""
    integer = find(1, "integer")
    if not integer.allows([rows], block.module.elements(rows.width)):
        return None
    block.module.note("rows_i8")
    name = with_constant(block, rows, "arith.mulf", 3.0)
    if not rows.name.startswith("%h") or rows.width < 8:
        low, high = (block.filled(bound, rows.width) for bound in (-40.0, 40.0))
        name = block.define(f"math.clampf {name} to [{low}, {high}] : {rows.type}")
    type = block.rows_type(rows.width, "i8")
    name = block.define(f"arith.fptosi {name} : {rows.type} to {type}", "i")
    return rows.having(name=name, type=type, scale=3 * rows.scale, solid=0)


def plain_product(block, rows, weight):
    """Returns rows times an [in, out] matrix that there is."""
    width = matrix_shape(weight)[1]
    type = block.rows_type(width)
    init = Value(block.filled(0.0, width), type, width)
    form = block.choices.pick([as_matmul, as_contract, as_transpose])
    weight_in = weight if form is not as_transpose else transposed(block, weight)
    name = form(block, rows, weight_in, init, form is as_transpose)
    scale = rows.scale * weight.scale * rows.width**0.5
    depth = rows.depth + 1
    block.module.depth = max(block.module.depth, depth)
    return Value(
        name,
        type,
        width,
        max(scale, 1e-3),
        max(rows.noise, SINGLE),
        min(rows.solid, width),
        depth,
        frozenset([(rows.name, weight.name)]),
    )


def product(block, weights, rows, width):
    """Returns rows times a matrix with `width` columns."""
    choices, module = block.choices, block.module
    is_transposed = choices.chance(50)
    shape = (width, rows.width) if is_transposed else (rows.width, width)
    weight = matrix(block, weights, shape)
    init = initial(block, weights, width)
    left, form = rows, choices.pick(FORMS)
    if choices.chance(5):
        whole = as_integers(block, rows)
        if whole:
            left, form = whole, choices.pick([as_matmul, as_contract])
    magnitudes = module.features["product_of_magnitudes"]
    name = form(block, left, weight, init, is_transposed)
    module.note(form.__name__)
    module.note("product_out_in" if is_transposed else "product_in_out")
    # Terms of one sign add up, others as their squares do.
    exponent = 1.0 if module.features["product_of_magnitudes"] > magnitudes else 0.5
    scale = left.scale * weight.scale * rows.width**exponent
    result = Value(
        name,
        init.type,
        width,
        max((scale**2 + init.scale**2) ** 0.5, 1e-3),
        max(rows.noise, init.noise, SINGLE),
        width if rows.noise == EXACT and left is rows else min(left.solid, width),
        max(rows.depth, init.depth) + 1,
        frozenset([(rows.name, weight.name)]) | init.origins,
    )
    if init.name in [value.name for value in block.rows]:
        result = result.having(solid=max(result.solid, init.solid))
    module.depth = max(module.depth, result.depth)
    return result

#===- elementwise.py - The forms that formulas are written in --------------===#
#
# Part of the moe-mlir project, under the Apache License v2.0 with LLVM
# Exceptions. See LICENSE for license information.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#
#===------------------------------------------------------------------------===#

from dataclasses import dataclass

from formulas import FORMULAS, Operations
from values import SOLID, Value, number

PARALLEL = '"parallel"'


@dataclass(frozen=True)
class Input:
    """What a formula reads: whole rows, or what is broadcast to their shape.

    `along` is the dimensions that it has: (0, 1) for rows, (1,) for a vector with an
    element per column, (0,) for one with an element per row, () for a scalar.
    """

    value: Value
    along: tuple = (0, 1)


def tensor_operations(block, width):
    """Returns operations on whole rows."""

    def splat(value, element):
        scalar = block.constant(value, element)
        type = block.rows_type(width, element)
        how = block.choices.below(2)
        if block.size.text != "?" and block.choices.chance(50):
            text = number(value) if element[0] in "fb" else str(value)
            return block.define(f"arith.constant dense<{text}> : {type}")
        if how == 0:
            return block.fill(scalar, block.empty(width, element), type, element)
        dims = block.dims()
        listed = f"[{dims}]" if dims else ""
        return block.define(f"tensor.splat {scalar}{listed} : {type}", "s")

    return Operations(block, lambda element: block.rows_type(width, element), splat)


def scalar_operations(block):
    """Returns operations on single numbers."""
    return Operations(block, lambda element: element, block.constant)


def broadcast(block, given, width):
    """Returns rows of what a formula reads."""
    value = given.value
    if given.along == (0, 1):
        return value.name
    type = block.rows_type(width)
    if given.along == ():
        return block.fill(value.name, block.empty(width), type)
    other = 1 - given.along[0]
    return block.define(
        f"linalg.broadcast ins({value.name} : {value.type}) "
        f"outs({block.empty(width)} : {type}) dimensions = [{other}]",
        "b",
    )


def as_tensors(block, formula, inputs, width):
    """Emits the formula as operations on tensors."""
    names = [broadcast(block, given, width) for given in inputs]
    return formula.emit(tensor_operations(block, width), *names)


def scalar_block(block):
    """Returns a block for the body of a linalg operation."""
    body = block.nested()
    if block.choices.chance(50):
        body.place = body
    return body


def as_generic(block, formula, inputs, width):
    """Emits the formula as a linalg.generic."""
    module = block.module
    body = scalar_block(block)
    type = block.rows_type(width)
    operands, types, maps, arguments, names = [], [], [], [], []
    last = inputs[-1]
    reads_outs = len(inputs) > 1 and last.along == (0, 1) and block.choices.chance(30)
    for given in inputs[:-1] if reads_outs else inputs:
        if given.along == () and block.choices.chance(50):
            names.append(given.value.name)  # read from outside
            module.note("captured_scalar")
            continue
        argument = "%" + module.fresh("x")
        operands.append(given.value.name)
        types.append(given.value.type)
        maps.append(module.map(2, *given.along))
        arguments.append(f"{argument}: f32")
        names.append(argument)
    out = "%" + module.fresh("x")
    arguments.append(f"{out}: f32")
    maps.append(module.map(2, 0, 1))
    if reads_outs:
        module.note("generic_reads_outs")
        names.append(out)
    init = last.value.name if reads_outs else block.empty(width)
    result = formula.emit(scalar_operations(body), *names)
    body.emit(f"linalg.yield {result} : f32")
    ins = f"ins({', '.join(operands)} : {', '.join(types)}) " if operands else ""
    iterators = f"{PARALLEL}, {PARALLEL}"
    name = "%" + module.fresh("g")
    block.emit(
        f"{name} = linalg.generic {{indexing_maps = [{', '.join(maps)}], "
        f"iterator_types = [{iterators}]}} {ins}outs({init} : {type}) {{"
    )
    block.emit(f"^bb0({', '.join(arguments)}):")
    block.region(body)
    block.emit(f"}} -> {type}")
    return name


def as_map(block, formula, inputs, width):
    """Emits the formula as a linalg.map."""
    module = block.module
    body = scalar_block(block)
    type = block.rows_type(width)
    operands, arguments, names = [], [], []
    for given in inputs:
        if given.along == ():
            names.append(given.value.name)
            continue
        argument = "%" + module.fresh("x")
        operands.append(broadcast(block, given, width))
        arguments.append(f"{argument}: f32")
        names.append(argument)
    arguments.append(f"%{module.fresh('x')}: f32")
    init = block.empty(width)
    result = formula.emit(scalar_operations(body), *names)
    body.emit(f"linalg.yield {result} : f32")
    types = ", ".join([type] * len(operands))
    name = "%" + module.fresh("m")
    block.emit(
        f"{name} = linalg.map ins({', '.join(operands)} : {types}) "
        f"outs({init} : {type}) ({', '.join(arguments)}) {{"
    )
    block.region(body)
    block.emit("}")
    return name


def named_operation(block, op, attributes, names, types, width):
    """Emits a linalg operation with a name on whole rows."""
    type = block.rows_type(width)
    outs = block.empty(width)
    return block.define(
        f"{op}{attributes} ins({', '.join(names)} : {', '.join(types)}) "
        f"outs({outs} : {type}) -> {type}",
        "n",
    )


def as_named(block, formula, inputs, width):
    """Emits the named linalg operation of the formula."""
    names = [broadcast(block, given, width) for given in inputs]
    types = [block.rows_type(width)] * len(names)
    block.module.note("linalg_named")
    return named_operation(block, f"linalg.{formula.named}", "", names, types, width)


def as_kind(block, formula, inputs, width):
    """Emits linalg.elementwise of the kind of the formula."""
    module = block.module
    names = [given.value.name for given in inputs]
    types = [given.value.type for given in inputs]
    attributes = f" kind=#linalg.elementwise_kind<{formula.kind}>"
    if any(given.along != (0, 1) for given in inputs):
        maps = [module.map(2, *given.along) for given in inputs]
        maps.append(module.map(2, 0, 1))
        attributes += f" indexing_maps=[{', '.join(maps)}]"
    module.note("linalg_elementwise")
    return named_operation(block, "linalg.elementwise", attributes, names, types, width)


def forms_of(formula, inputs):
    """Returns the forms that a formula of these inputs has, the simplest first."""
    forms = [as_tensors, as_generic, as_generic]
    if any(given.along != () for given in inputs):
        forms.append(as_map)
    if formula.named:
        forms.append(as_named)
    if formula.kind and not any(given.along == () for given in inputs):
        forms.append(as_kind)
    return forms


def apply(block, formula, inputs, width):
    """Emits `formula` of `inputs` in one of its forms and returns the rows."""
    form = block.choices.pick(forms_of(formula, inputs))
    block.module.note(formula.name)
    block.module.note(form.__name__)
    name = form(block, formula, inputs, width)
    facts = formula.facts([given.value for given in inputs])
    solid = facts.pop("solid")
    if solid < SOLID:
        solid = min(solid, width)
    return Value(name, block.rows_type(width), width, solid=solid, **facts)


def find(arity, name):
    """Returns the formula of that name."""
    return next(formula for formula in FORMULAS[arity] if formula.name == name)


def with_constant(block, rows, op, constant):
    """Emits rows times or plus a constant, as tensors or as a generic."""
    body = scalar_block(block)
    if block.choices.chance(50):
        operations = tensor_operations(block, rows.width)
        name = operations.apply(op, rows.name, operations.constant(constant))
    else:
        argument, out = "%" + block.module.fresh("x"), "%" + block.module.fresh("x")
        outs = block.empty(rows.width)
        scalar = scalar_operations(body)
        result = scalar.apply(op, argument, scalar.constant(constant))
        body.emit(f"linalg.yield {result} : f32")
        same = block.module.map(2, 0, 1)
        name = "%" + block.module.fresh("g")
        block.emit(
            f"{name} = linalg.generic {{indexing_maps = [{same}, {same}], "
            f"iterator_types = [{PARALLEL}, {PARALLEL}]}} "
            f"ins({rows.name} : {rows.type}) outs({outs} : {rows.type}) {{"
        )
        block.emit(f"^bb0({argument}: f32, {out}: f32):")
        block.region(body)
        block.emit(f"}} -> {rows.type}")
    return name


def settled(block, rows):
    """Returns `rows`, scaled if they are large or small."""
    if 0.1 <= rows.scale <= 2:
        return rows
    factor = float(f"{1 / rows.scale:.3g}")
    name = with_constant(block, rows, "arith.mulf", factor)
    return rows.having(name=name, scale=1.0)


def solid(block, rows):
    """Returns `rows` of which none is all but 0, with a constant added if need be."""
    least = 6 if rows.noise > 1 else 4
    if rows.solid >= least:
        return rows
    constant = float(f"{6 * rows.scale + 1:.3g}")
    name = with_constant(block, rows, "arith.addf", constant)
    return rows.having(name=name, solid=SOLID, scale=rows.scale + constant)

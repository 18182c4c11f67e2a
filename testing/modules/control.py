#===- control.py - Branches and loops around computations ------------------===#
#
# Part of the moe-mlir project, under the Apache License v2.0 with LLVM
# Exceptions. See LICENSE for license information.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#
#===------------------------------------------------------------------------===#

from values import ROUNDED, Value


def inner(block, grow, rows):
    """Returns a nested block with one or two computations that begin with `rows`."""
    body = block.nested()
    body.rows = [rows]
    grow(body, block.choices.pick([1, 1, 2, 0]))
    return body


def last_of_width(body, width):
    """Returns the latest rows of a block that have `width`."""
    return next(value for value in reversed(body.rows) if value.width == width)


def merged(name, values):
    """Returns a value that is one of `values`, whichever comes about."""
    return Value(
        name,
        values[0].type,
        values[0].width,
        max(value.scale for value in values),
        max(value.noise for value in values),
        min(value.solid for value in values),
        max(value.depth for value in values),
        frozenset().union(*[value.origins for value in values]),
    )


def condition(block):
    """Returns a condition on the expert, on a scalar or on the number of rows."""
    choices = block.choices
    how = choices.below(3)
    if how < 2 and block.expert:
        block.module.note("if_on_expert")
        predicate = choices.pick(["eq", "ult", "ne"])
        bound = block.index(choices.below(3))
        return block.define(
            f"arith.cmpi {predicate}, {block.expert}, {bound} : index", "t"
        )
    if how == 2 and block.size.text == "?":
        block.module.note("if_on_row_count")
        bound = block.index(choices.pick([1, 2, 8]))
        return block.define(
            f"arith.cmpi ugt, {block.size.value()}, {bound} : index", "t"
        )
    block.module.note("if_on_scalar")
    value = scalar_of_input(block)
    zero = block.constant(choices.pick([0.0, 0.25]))
    return block.define(f"arith.cmpf ogt, {value}, {zero} : f32", "t")


def scalar_of_input(block):
    """Returns an element of an argument, which has no rounding that might differ."""
    held = block.function.parameter("tensor<1xf32>", (1,))
    place = block.home if block.choices.chance(50) else block
    return place.define(
        f"tensor.extract {held.name}[{place.index(0)}] : {held.type}", "s"
    )


def branch(block, rows, grow):
    """Emits an scf.if that results in one or two tensors."""
    choices, module = block.choices, block.module
    module.note("scf_if")
    test = condition(block)
    first = inner(block, grow, rows)
    second = inner(block, grow, rows) if choices.chance(50) else block.nested()
    if not second.rows or not second.lines:
        second.rows = [rows]
    count = 2 if choices.chance(25) else 1
    width = first.rows[-1].width
    if width not in [value.width for value in second.rows]:
        width = rows.width
    results = []
    for i in range(count):
        yielded = [last_of_width(body, width) for body in (first, second)]
        results.append(yielded if i == 0 else [first.rows[0], second.rows[0]])
    name = "%" + module.fresh("r")
    types = ", ".join(values[0].type for values in results)
    many = f":{count}" if count > 1 else ""
    block.emit(f"{name}{many} = scf.if {test} -> ({types}) {{")
    for i, body in enumerate((first, second)):
        names = ", ".join(values[i].name for values in results)
        body.emit(f"scf.yield {names} : {types}")
        block.region(body)
        block.emit("} else {" if i == 0 else "}")
    if count > 1:
        module.note("if_two_results")
        block.rows.append(merged(f"{name}#1", results[1]))
        return merged(f"{name}#0", results[0])
    return merged(name, results[0])


def loop(block, rows, grow):
    """Emits an scf.for that carries one or two tensors, perhaps swapped."""
    choices, module = block.choices, block.module
    module.note("scf_for")
    others = [v for v in block.rows if v.width == rows.width and v.name != rows.name]
    carried = [rows]
    if choices.chance(40):
        carried.append(choices.pick(others[::-1]) if others else rows)
    first, last, step = (
        block.index(0),
        block.index(choices.pick([1, 2, 3])),
        block.index(1),
    )
    names = ["%" + module.fresh("a") for _ in carried]
    body = block.nested()
    body.is_loop = True
    arguments = [
        value.having(name=name, scale=1.0, noise=ROUNDED, solid=0, origins=frozenset())
        for value, name in zip(carried, names)
    ]
    body.rows = list(arguments)
    grow(body, choices.pick([1, 1, 2, 0]))
    new = last_of_width(body, rows.width)
    yielded = [new] if len(carried) == 1 else [arguments[1], new]
    if len(carried) == 2:
        module.note("loop_two_values")
    if len(carried) == 2 and choices.chance(30):
        yielded = yielded[::-1]
    name = "%" + module.fresh("r")
    index = "%" + module.fresh("i")
    many = f":{len(carried)}" if len(carried) > 1 else ""
    started = ", ".join(f"{n} = {v.name}" for n, v in zip(names, carried))
    types = ", ".join(value.type for value in carried)
    block.emit(
        f"{name}{many} = scf.for {index} = {first} to {last} step {step} "
        f"iter_args({started}) -> ({types}) {{"
    )
    body.emit(f"scf.yield {', '.join(v.name for v in yielded)} : {types}")
    block.region(body)
    block.emit("}")
    facts = merged(name, carried + yielded).having(solid=0, depth=new.depth + 2)
    module.depth = max(module.depth, facts.depth)
    if len(carried) > 1:
        block.rows.append(facts.having(name=f"{name}#1"))
        return facts.having(name=f"{name}#0")
    return facts


def counted(block, rows, grow):
    """Emits an scf.while on integers and scales the rows by what it gives."""
    choices, module = block.choices, block.module
    module.note("scf_while")
    start = block.constant(choices.below(3), "i32")
    bound, two = block.constant(choices.pick([1, 3, 6]), "i32"), block.constant(
        2, "i32"
    )
    other = block.constant(20, "i32")
    name = "%" + module.fresh("r")
    state, first, second, old = ("%" + module.fresh("a") for _ in range(4))
    before = block.nested()
    go = before.define(f"arith.cmpi slt, {state}, {bound} : i32", "t")
    value = "%" + module.fresh("v")
    next_state = "%" + module.fresh("v")
    before.lines += [
        f"{value} = scf.if {go} -> (i32) {{",
        f"  {next_state} = arith.addi {state}, {two} : i32",
        f"  scf.yield {next_state} : i32",
        "} else {",
        f"  scf.yield {other} : i32",
        "}",
    ]
    passed = [value, value, state] if choices.chance(60) else [value, state, state]
    before.emit(f"scf.condition({go}) {', '.join(passed)} : i32, i32, i32")
    block.emit(
        f"{name}:3 = scf.while ({state} = {start}) : (i32) -> (i32, i32, i32) {{"
    )
    block.region(before)
    block.emit("} do {")
    block.emit(f"^bb0({first}: i32, {second}: i32, {old}: i32):")
    block.emit(f"  scf.yield {first} : i32")
    block.emit("}")
    result = f"{name}#{choices.pick([2, 1, 0])}"
    factor = block.define(f"arith.sitofp {result} : i32 to f32", "s")
    part = block.define(f"arith.addf {factor}, {block.constant(0.5)} : f32")
    type = rows.type
    filled = block.fill(part, block.empty(rows.width), type)
    product = block.define(f"arith.mulf {rows.name}, {filled} : {type}")
    return rows.having(name=product, scale=10 * rows.scale)


def passing(block, rows, grow):
    """Emits an scf.while that carries the rows, two or three times around."""
    choices, module = block.choices, block.module
    module.note("while_of_rows")
    zero, one = block.index(0), block.index(1)
    last = block.index(choices.pick([1, 2, 3]))
    count, carried, passed, held = ("%" + module.fresh("a") for _ in range(4))
    body = block.nested()
    body.is_loop = True
    body.rows = [
        rows.having(name=held, solid=0, scale=1.0, noise=ROUNDED, origins=frozenset())
    ]
    grow(body, choices.pick([1, 0, 2]))
    new = last_of_width(body, rows.width)
    following = body.define(f"arith.addi {passed}, {one} : index", "i")
    body.emit(f"scf.yield {following}, {new.name} : index, {rows.type}")
    name, go = "%" + module.fresh("r"), "%" + module.fresh("t")
    types = f"index, {rows.type}"
    block.emit(
        f"{name}:2 = scf.while ({count} = {zero}, {carried} = {rows.name}) "
        f": ({types}) -> ({types}) {{"
    )
    block.emit(f"  {go} = arith.cmpi ult, {count}, {last} : index")
    block.emit(f"  scf.condition({go}) {count}, {carried} : {types}")
    block.emit("} do {")
    block.emit(f"^bb0({passed}: index, {held}: {rows.type}):")
    block.region(body)
    block.emit("}")
    result = merged(f"{name}#1", [rows, new]).having(solid=0, depth=new.depth + 2)
    module.depth = max(module.depth, result.depth)
    return result


CONTROL = [branch, branch, loop, loop, counted, passing]

#===- weights.py - Where weights come from ---------------------------------===#
#
# Part of the moe-mlir project, under the Apache License v2.0 with LLVM
# Exceptions. See LICENSE for license information.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#
#===------------------------------------------------------------------------===#

from values import Value, tensor

ARGUMENT_SCALE = 0.58  # numbers that are uniform in [-1, 1)
MOST_MADE = 8  # experts of a bank that is made of values


def bank_type(experts, shape, element, layout=""):
    """Returns the type of a bank."""
    sizes = "x".join(str(size) for size in (experts, *shape))
    return f"!moe.bank<{sizes}x{element}{layout}>"


def deviation(shape):
    """Returns the scale of made-up weights of a shape."""
    return 1.0 if len(shape) < 2 else shape[-1] ** -0.5


def hint_of(shape):
    """Returns the begin of a name: that of a vector says how it is made up."""
    return "gamma" if len(shape) == 1 else "w"


def source(name, shape, offsets=None, strides=None, permutation=None):
    """Returns the text of a #moe.source."""
    text = f'#moe.source<"{name}", shape = {list(shape)}'
    for key, values in (
        ("offsets", offsets),
        ("strides", strides),
        ("permutation", permutation),
    ):
        if values is not None:
            text += f", {key} = {list(values)}"
    return text + ">"


# ===-----------------------------------------------------------------------===#
# Plain weights
# ===-----------------------------------------------------------------------===#


def declared(block, shape, element="f32", windows=True):
    """Returns the value of a declared weight, whole or a dense window of a tensor."""
    type = tensor(shape, element)
    sources = ['"{0}"']
    if windows and len(shape) == 2 and block.choices.chance(10):
        block.module.note("weight_window")
        rows, columns = shape
        sources = [source("{0}", [rows + 3, columns], [2, 0])]
    name = block.module.weight(type, sources, hint_of(shape))
    value = block.define(f"moe.get_weight @{name} : {type}", "w")
    return Value(value, type, shape[-1] if shape else 0, deviation(shape))


def argument(block, shape, element="f32"):
    """Returns an argument of the function."""
    value = block.function.parameter(tensor(shape, element), shape)
    return value.having(width=shape[-1] if shape else 0, scale=ARGUMENT_SCALE)


def computed(block, shape, element="f32"):
    """Returns what the function computes of a weight."""
    block.module.note("computed_weight")
    if len(shape) == 2 and block.choices.chance(50):
        return transposed(block, declared(block, (shape[1], shape[0]), element))
    if element != "f32":
        return declared(block, shape, element)
    return changed(block, declared(block, shape, element))


def transposed(block, weight):
    """Returns a matrix with its dimensions the other way round."""
    rows, columns, element = matrix_shape(weight)
    type = tensor([columns, rows], element)
    empty = block.define(f"tensor.empty() : {type}", "e")
    name = block.define(
        f"linalg.transpose ins({weight.name} : {weight.type}) "
        f"outs({empty} : {type}) permutation = [1, 0]",
        "t",
    )
    return weight.having(name=name, type=type, width=rows)


def changed(block, weight):
    """Returns a static tensor of f32 after an operation on its elements."""
    op = block.choices.pick(
        ["arith.negf", "math.tanh", "arith.mulf", "math.absf", "math.exp"]
    )
    name = weight.name
    if op == "arith.mulf":
        half = block.define(f"arith.constant dense<0.5> : {weight.type}", "c")
        name = block.define(f"{op} {name}, {half} : {weight.type}")
        return weight.having(name=name, scale=weight.scale / 2)
    if op == "math.exp":
        name = block.define(f"{op} {name} : {weight.type}")
        return weight.having(name=name, scale=1.5)
    return weight.having(name=block.define(f"{op} {name} : {weight.type}"))


def matrix_shape(weight):
    """Returns rows, columns and element type of a matrix."""
    rows, columns, element = weight.type[len("tensor<") : -1].split("x")
    return int(rows), int(columns), element


def plain(block, shape, element="f32"):
    """Returns a weight of the function, from anywhere."""
    origins = [declared, declared, argument, computed]
    return block.choices.pick(origins)(block, shape, element)


# ===-----------------------------------------------------------------------===#
# Banks
# ===-----------------------------------------------------------------------===#


def declared_bank(block, experts, shape, element):
    """Returns a bank that is a weight, in one of the ways that files have them."""
    module, choices = block.module, block.choices
    name, layout = "{0}.{e}", ""
    sources = [f'"{name}"']
    how = choices.below(8 if len(shape) == 2 else 3)
    if how == 1:
        module.note("bank_stacked")
        sources = ['"{0}"']
    elif how == 2 and experts <= MOST_MADE:
        module.note("bank_listed")
        sources = [f'"{{0}}.left{e}"' for e in range(experts)]
        if len(shape) == 2 and choices.chance(50):
            sources[-1] = source("{0}.right", [shape[0] + 4, shape[1]], [4, 0])
    elif how > 2:
        rows, columns = shape
        is_stacked = choices.chance(50)
        window = [0, 0], [1, 1]
        if how == 3:
            module.note("bank_rows_window")
            size, window = [2 * rows, columns], ([rows, 0], [1, 1])
        elif how == 4:
            module.note("bank_columns_window")
            size, window = [rows, columns + 5], ([0, 3], [1, 1])
            layout = f", strided<[{columns + 5}, 1]>"
        elif how == 5:
            module.note("bank_interleaved")
            size, window = [2 * rows, columns], ([1, 0], [2, 1])
            layout = f", strided<[{2 * columns}, 1]>"
        elif how == 6:
            module.note("bank_transposed")
            size, layout = [columns, rows], f", strided<[1, {rows}]>"
        else:
            module.note("bank_every_other_column")
            size, window = [rows, 2 * columns], ([0, 1], [1, 2])
            layout = f", strided<[{2 * columns}, 2]>"
        sources = [window_source(name, experts, size, window, how == 6, is_stacked)]
    type = bank_type(experts, shape, element, layout)
    symbol = module.weight(type, sources, hint_of(shape))
    return (
        block.define(f"moe.get_weight @{symbol} : {type}", "bank"),
        type,
        deviation(shape),
    )


def window_source(name, experts, size, window, is_transposed, is_stacked):
    """Returns a source of a bank of matrices that are windows of tensors of `size`."""
    offsets, strides = window
    order = [1, 0] if is_transposed else None
    if not is_stacked:
        return source(name, size, offsets, strides, order)
    order = [0, *[d + 1 for d in order]] if order else None
    return source("{0}", [experts, *size], [0, *offsets], [1, *strides], order)


def made_bank(block, slices, shape, element):
    """Returns a bank that is made of values."""
    type = bank_type(len(slices), shape, element)
    names = ", ".join(value.name for value in slices)
    block.module.note("make_bank")
    name = block.define(f"moe.make_bank {names} : {slices[0].type} -> {type}", "bank")
    return name, type, slices[0].scale


def slices_of(block, stacked, shape, element, window):
    """Returns one value per expert from a tensor that holds all of them."""
    experts = int(stacked.type[len("tensor<") :].split("x")[0])
    type = tensor(shape, element)
    offsets, strides = ([0] * len(shape), [1] * len(shape))
    if window == "columns":
        offsets[-1] = 1
    elif window == "strided":
        strides[0] = 2
    slices = []
    for e in range(experts):
        name = block.define(
            f"tensor.extract_slice {stacked.name}{[e, *offsets]} {[1, *shape]} "
            f"{[1, *strides]} : {stacked.type} to {type}",
            "s",
        )
        slices.append(stacked.having(name=name, type=type, width=shape[-1]))
    return slices


def stacked_tensor(block, experts, shape, element, is_argument, window):
    """Returns a tensor that has windows for all experts."""
    sizes = list(shape)
    if window == "columns":
        sizes[-1] += 2
    elif window == "strided":
        sizes[0] *= 2
    whole = (experts, *sizes)
    if is_argument:
        return argument(block, whole, element)
    return declared(block, whole, element, False)


SLICES = ["plain", "arguments", "stacked", "stacked_argument", "computed", "same"]


def expert_values(block, style, experts, shape, element, window=""):
    """Returns a value for each expert, made as `style` says."""
    module = block.module
    module.note(f"slices_{style}")
    if window:
        module.note(f"slices_{window}")
    if style == "plain":
        return [declared(block, shape, element, False) for _ in range(experts)]
    if style == "arguments":
        return [argument(block, shape, element) for _ in range(experts)]
    if style == "same":
        value = argument(block, shape, element)
        other = declared(block, shape, element, False)
        return [value if e % 3 else other for e in range(experts)]
    if style == "computed":
        return [computed(block, shape, element) for _ in range(experts)]
    is_argument = style == "stacked_argument"
    stacked = stacked_tensor(block, experts, shape, element, is_argument, window)
    return slices_of(block, stacked, shape, element, window)


def any_bank(block, experts, shape, element):
    """Returns name, type and scale of a bank, of any kind."""
    choices = block.choices
    if not block.function.is_public and choices.chance(50):
        return bank_parameter(block, experts, shape, element)
    if experts > MOST_MADE or not choices.chance(35):
        return declared_bank(block, experts, shape, element)
    style = choices.pick(SLICES)
    window = (
        choices.pick(["", "", "columns", "strided"])
        if style.startswith("stacked")
        else ""
    )
    slices = expert_values(block, style, experts, shape, element, window)
    return made_bank(block, slices, shape, element)


def bank_parameter(block, experts, shape, element):
    """Returns a bank that callers of the function pass."""
    block.module.note("bank_parameter")
    type = bank_type(experts, shape, element)
    value = block.function.parameter(type)
    block.function.parameters[-1].bank = (experts, shape, element)
    return value.name, type, ARGUMENT_SCALE


def dense_bank(block, experts, shape, element):
    """Returns name and type of a bank without layout, for a call."""
    type = bank_type(experts, shape, element)
    if experts <= MOST_MADE and block.choices.chance(40):
        slices = expert_values(block, "arguments", experts, shape, element)
        return made_bank(block, slices, shape, element)[:2]
    symbol = block.module.weight(type, ['"{0}.{e}"'], hint_of(shape))
    return block.define(f"moe.get_weight @{symbol} : {type}", "bank"), type


# ===-----------------------------------------------------------------------===#
# What bodies take weights from
# ===-----------------------------------------------------------------------===#


class PlainWeights:
    """Weights that are the same for all rows: those of a function."""

    def take(self, block, shape, element="f32"):
        """Returns a weight, made where `block` may capture it."""
        return plain(block.home, shape, element)


class BankWeights:
    """Weights of the expert in the uniform form: arguments of its body."""

    def __init__(self, experts):
        self.experts = experts
        self.operands, self.types, self.arguments = [], [], []

    def take(self, block, shape, element="f32"):
        """Returns the slice of a new bank, or what all experts share."""
        if block.choices.chance(12):
            block.module.note("captured_weight")
            return plain(block.home, shape, element)
        bank, type, scale = any_bank(block.home, self.experts, shape, element)
        name = "%" + block.module.fresh("w")
        self.operands.append(bank)
        self.types.append(type)
        self.arguments.append((name, tensor(shape, element)))
        return Value(name, tensor(shape, element), shape[-1], scale)


class RegionWeights:
    """Weights of one region per expert: values of the function.

    The regions ask for the same weights one after another; each gets those of its
    expert. Nothing is chosen here, so that the regions can make equal choices.
    """

    def __init__(self, experts, style, window):
        self.experts = experts
        self.style = style
        self.window = window if style.startswith("stacked") else ""
        self.expert = 0
        self._asked = 0
        self._families = {}

    def begin(self, expert):
        """Says whose body is made from now on."""
        self.expert = expert
        self._asked = 0

    def take(self, block, shape, element="f32"):
        """Returns the weight of the expert that is asked for next."""
        key = (self._asked, tuple(shape), element)
        self._asked += 1
        if key not in self._families:
            self._families[key] = self._make(block.home, shape, element)
        return self._families[key][self.expert]

    def _make(self, home, shape, element):
        if self.style == "bank":
            return self._from_bank(home, shape, element)
        with home.module.replaying([]):
            return expert_values(
                home, self.style, self.experts, shape, element, self.window
            )

    def _from_bank(self, home, shape, element):
        home.module.note("slices_bank")
        type = bank_type(self.experts, shape, element)
        symbol = home.module.weight(type, ['"{0}.{e}"'])
        bank = home.define(f"moe.get_weight @{symbol} : {type}", "bank")
        result = tensor(shape, element)
        slices = []
        for e in range(self.experts):
            index = home.index(e)
            name = home.define(
                f"moe.bank_slice {bank}[{index}] : {type} -> {result}", "s"
            )
            slices.append(Value(name, result, shape[-1], deviation(shape)))
        return slices

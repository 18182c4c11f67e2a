#===- values.py - What a module is written with ----------------------------===#
#
# Part of the moe-mlir project, under the Apache License v2.0 with LLVM
# Exceptions. See LICENSE for license information.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#
#===------------------------------------------------------------------------===#

from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, replace

from choices import Choices

SOLID = 99  # elements of a row of which none is near 0
EXACT, SINGLE, ROUNDED = 0, 1, 2  # what may differ: nothing, f32, f16 or bf16 rounding


def number(value):
    """Returns `value` as MLIR writes a float."""
    text = repr(float(f"{value:.6g}"))
    mantissa, mark, exponent = text.partition("e")
    if "." not in mantissa:
        mantissa += ".0"
    return mantissa + mark + exponent


def tensor(sizes, element="f32"):
    """Returns a type; a size is a number or `?`."""
    return "tensor<" + "".join(f"{size}x" for size in sizes) + element + ">"


@dataclass(frozen=True)
class Value:
    """An SSA value, with what is known of its elements.

    `scale` is about their root mean square. `solid` says how many elements of a row
    would all have to be near 0 for the row to be; a row that is near 0 has no digits
    to compare. `origins` are the products that it is made of.
    """

    name: str
    type: str
    width: int = 0
    scale: float = 1.0
    noise: int = EXACT
    solid: int = SOLID
    depth: int = 0
    origins: frozenset = frozenset()

    def having(self, **changes):
        """Returns the value with other facts."""
        return replace(self, **changes)


class Module:
    """The text of a module while it is made, and what there is to know about it."""

    def __init__(self, choices):
        self.choices = choices
        self.features = Counter()
        self.weights = []
        self.functions = []
        self.sizes = {}
        self.tokens = 0  # when it is run
        self.depth = 0
        self.rounding = ""
        self._maps = {}
        self._names = Counter()

    def note(self, feature):
        """Counts that the module has `feature`."""
        self.features[feature] += 1

    def fresh(self, hint="v"):
        """Returns a name that nothing else has."""
        self._names[hint] += 1
        return f"{hint}{self._names[hint] - 1}"

    def map(self, dims, *results):
        """Returns the alias of an affine map, e.g. map(2, 1) of (d0, d1) -> (d1)."""
        inputs = ", ".join(f"d{i}" for i in range(dims))
        text = f"affine_map<({inputs}) -> ({', '.join(f'd{i}' for i in results)})>"
        return self._maps.setdefault(text, f"#map{len(self._maps)}")

    def weight(self, type, sources, hint="w"):
        """Declares a weight and returns its symbol; {0} in a source is its name."""
        name = self.fresh(hint)
        listed = ", ".join(source.replace("{0}", name) for source in sources)
        self.weights.append(f"moe.weight @{name} : {type} from [{listed}]")
        return name

    def elements(self, width):
        """Returns about how many elements rows of `width` have in a run."""
        return 2 * self.tokens * width

    def round_to(self, element):
        """Says that a value is rounded to `element`."""
        if element in ("f16", "bf16") and self.rounding != "bf16":
            self.rounding = element

    def tolerance(self):
        """Returns how much of the largest element of a row may be wrong."""
        if self.rounding:
            return {"f16": "5e-3", "bf16": "3e-2"}[self.rounding]
        return "3e-5" if self.depth >= 3 else "1e-5"

    @contextmanager
    def replaying(self, recorded):
        """Makes the choices of a list in place of new ones."""
        outer, self.choices = self.choices, Choices(recorded=recorded)
        yield
        self.choices = outer

    def text(self):
        """Returns the module, with the directives for who runs it."""
        lines = [f"// size: {name}={size}" for name, size in self.sizes.items()]
        lines.append(f"// tolerance: {self.tolerance()}")
        lines.append(f"// generator: {' '.join(sorted(self.features))}")
        lines += [f"{alias} = {map}" for map, alias in self._maps.items()]
        lines += self.weights
        for function in self.functions:
            lines += function.lines()
        return "\n".join(lines) + "\n"


@dataclass
class Parameter:
    """An argument of a function."""

    name: str
    type: str
    shape: list
    range: tuple = None
    bank: tuple = None  # experts, shape and element type of what callers make

    def attributes(self):
        """Returns what the entry says about it."""
        said = [f'moe.name = "{self.name}"']
        if "?" in self.type:
            said.append(f"moe.shape = [{shape_text(self.shape)}]")
        if self.range:
            said.append(f"moe.range = [{self.range[0]}, {self.range[1]}]")
        return "{" + ", ".join(said) + "}"


def shape_text(shape):
    """Returns the elements of a `moe.shape`."""
    return ", ".join(str(s) if isinstance(s, int) else f'"{s}"' for s in shape)


class Function:
    """A function: its parameters come while its body is made."""

    def __init__(self, module, name, is_public):
        self.module = module
        self.name = name
        self.is_public = is_public
        self.parameters = []
        self.results = []  # (value, name, shape, tied)
        self.body = Block(module, self)
        self.size = None

    def parameter(self, type, shape=(), range=None, hint="a"):
        """Adds a parameter and returns its value."""
        name = self.module.fresh(hint)
        self.parameters.append(Parameter(name, type, list(shape), range))
        return Value("%" + name, type)

    def give(self, value, name, shape, tied=None):
        """Returns `value` from the function."""
        self.results.append((value, name, shape, tied))

    def lines(self):
        """Returns the text of the function."""
        arguments, results = [], []
        for p in self.parameters:
            attributes = " " + p.attributes() if self.is_public else ""
            arguments.append(f"%{p.name}: {p.type}{attributes}")
        for value, name, shape, tied in self.results:
            said = [f'moe.name = "{name}"']
            if tied is not None:
                said.append(f"moe.tied = {tied}")
            elif "?" in value.type:
                said.append(f"moe.shape = [{shape_text(shape)}]")
            attributes = " {" + ", ".join(said) + "}" if self.is_public else ""
            results.append(value.type + attributes)
        visibility = "" if self.is_public else "private "
        head = f"func.func {visibility}@{self.name}({', '.join(arguments)})"
        names = ", ".join(value.name for value, *_ in self.results)
        types = ", ".join(value.type for value, *_ in self.results)
        return [
            f"{head} -> ({', '.join(results)}) {{",
            *("  " + line for line in self.body.lines),
            f"  return {names} : {types}",
            "}",
        ]


@dataclass
class Size:
    """How many rows values of a block have: `text` is a number or `?`."""

    text: str
    value: object = None  # makes the index of a dynamic size, when it is first read


class Block:
    """Operations in their order, and the values that later ones may read.

    `root` is the outermost block of the function or of the body of an expert. What
    is put at the end of a root may be read by any block in it that is being made.
    """

    def __init__(self, module, function, parent=None, root=None):
        self.module = module
        self.function = function
        self.parent = parent
        self.root = root or self
        self.lines = []
        self.rows = []  # values of Size x width
        self.vectors = []  # values of width
        self.matrices = []
        self.is_loop = False  # or in one
        self.constants = {}
        self.place = None  # of constants, if not the root
        self.home = root.home if root else self  # where captured values are made
        self.weights = root.weights if root else None  # what weights are taken from
        self.expert = root.expert if root else None  # its index, in the uniform form
        self.size = None
        self.inherit(parent)

    def inherit(self, parent):
        """Makes what `parent` has visible here."""
        if parent is None:
            return
        self.size = parent.size
        self.is_loop = parent.is_loop
        self.rows = list(parent.rows)
        self.vectors = list(parent.vectors)
        self.matrices = list(parent.matrices)

    @property
    def choices(self):
        """The choices of the module."""
        return self.module.choices

    def nested(self):
        """Returns a block inside of an operation of this one."""
        return Block(self.module, self.function, self, self.root)

    def emit(self, line):
        """Appends a line."""
        self.lines.append(line)

    def define(self, text, hint="v"):
        """Appends an operation with one result and returns its name."""
        name = "%" + self.module.fresh(hint)
        self.emit(f"{name} = {text}")
        return name

    def region(self, block, indent="  "):
        """Appends the lines of a nested block."""
        self.lines += [indent + line for line in block.lines]

    def constant(self, value, type="f32"):
        """Returns a scalar constant, made here, or at the root."""
        text = number(value) if type[0] in "fb" else str(value)
        block = self
        while block is not None:
            if (text, type) in block.constants:
                return block.constants[text, type]
            block = block.parent
        place = self.place or self.root.place or self.root
        name = place.define(f"arith.constant {text} : {type}", "c")
        place.constants[text, type] = name
        return name

    def index(self, value):
        """Returns a constant index."""
        return self.constant(value, "index")

    def dims(self):
        """Returns the operands of a tensor.empty or tensor.splat with all rows."""
        return self.size.value() if self.size.text == "?" else ""

    def rows_type(self, width, element="f32"):
        """Returns the type of all rows with `width` columns."""
        return tensor([self.size.text, width], element)

    def empty(self, width, element="f32"):
        """Returns an empty tensor of all rows."""
        type = self.rows_type(width, element)
        return self.define(f"tensor.empty({self.dims()}) : {type}", "e")

    def column_empty(self, element="f32"):
        """Returns an empty tensor of one element per row."""
        type = tensor([self.size.text], element)
        return self.define(f"tensor.empty({self.dims()}) : {type}", "e")

    def fill(self, scalar, into, type, element="f32"):
        """Returns `into`, all elements of which are `scalar`."""
        return self.define(
            f"linalg.fill ins({scalar} : {element}) outs({into} : {type}) -> {type}",
            "f",
        )

    def filled(self, value, width, element="f32"):
        """Returns rows that are all `value`."""
        scalar = self.constant(value, element)
        type = self.rows_type(width, element)
        return self.fill(scalar, self.empty(width, element), type, element)

#===- formulas.py - What is computed element by element --------------------===#
#
# Part of the moe-mlir project, under the Apache License v2.0 with LLVM
# Exceptions. See LICENSE for license information.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#
#===------------------------------------------------------------------------===#

from dataclasses import dataclass

from values import EXACT, ROUNDED, SINGLE, SOLID

# Of how many elements what jumps may be computed after rounding: each jumps in one of
# about a million cases.
MOST_JUMPS = 3000


@dataclass(frozen=True)
class Formula:
    """A function of one to three numbers.

    `scale` maps the scales of its inputs to that of its result. `exact` is whether all
    steps are rounded as IEEE 754 says, `jumps` whether it is not continuous. `solid`
    maps those of its inputs. `named` is the linalg operation that does the same, or
    `kind` that of linalg.elementwise.
    """

    name: str
    arity: int
    emit: object
    scale: object
    exact: bool = False
    jumps: bool = False
    solid: object = min
    named: str = None
    kind: str = None
    rounds: bool = False  # to fewer bits than f32 has

    def facts(self, inputs):
        """Returns what is known of the result for `inputs`, which have facts too."""
        noise = max(value.noise for value in inputs)
        if not self.exact:
            noise = max(noise, ROUNDED if self.rounds else SINGLE)
        solid = self.solid(*[value.solid for value in inputs], SOLID)
        return {
            "scale": max(self.scale(*[value.scale for value in inputs]), 1e-3),
            "noise": noise,
            "solid": solid,
            "depth": max(value.depth for value in inputs),
            "origins": frozenset().union(*[value.origins for value in inputs]),
        }

    def allows(self, inputs, elements):
        """Returns whether it is well conditioned for `inputs` of so many elements."""
        noise = max(value.noise for value in inputs)
        if not self.jumps or noise == EXACT:
            return True
        return noise == SINGLE and elements <= MOST_JUMPS


class Operations:
    """Emits operations on numbers, or on tensors of them, into a block."""

    def __init__(self, block, type_of, splat):
        self.block = block
        self.type = type_of
        self._splat = splat

    @property
    def choices(self):
        """The choices of the module."""
        return self.block.choices

    def constant(self, value, element="f32"):
        """Returns a constant of the shape of the operations."""
        return self._splat(value, element)

    def apply(self, op, *operands, element="f32"):
        """Emits an operation whose operands and result have one type."""
        return self.block.define(f"{op} {', '.join(operands)} : {self.type(element)}")

    def compare(self, predicate, a, b, element="f32"):
        """Emits a comparison."""
        return self.block.define(
            f"arith.cmpf {predicate}, {a}, {b} : {self.type(element)}"
        )

    def select(self, condition, a, b):
        """Emits a selection of each element."""
        type = self.type("f32")
        types = type if type == "f32" else f"{self.type('i1')}, {type}"
        return self.block.define(f"arith.select {condition}, {a}, {b} : {types}")

    def cast(self, op, a, source, target):
        """Emits a cast."""
        return self.block.define(
            f"{op} {a} : {self.type(source)} to {self.type(target)}"
        )

    def power(self, a, exponent):
        """Emits an integer power."""
        k = self.constant(exponent, "i32")
        return self.block.define(
            f"math.fpowi {a}, {k} : {self.type('f32')}, {self.type('i32')}"
        )

    def clamp(self, a, low, high):
        """Emits math.clampf."""
        return self.block.define(
            f"math.clampf {a} to [{low}, {high}] : {self.type('f32')}"
        )


def op(name):
    """Returns the formula of a single operation."""
    return lambda o, *inputs: o.apply(name, *inputs)


def scaled(o, a, factor):
    """Emits a product with a constant."""
    return o.apply("arith.mulf", a, o.constant(factor))


def shifted(o, a, term):
    """Emits a sum with a constant."""
    return o.apply("arith.addf", a, o.constant(term))


def magnitude(o, a, least):
    """Emits |a| + least."""
    return shifted(o, o.apply("math.absf", a), least)


def bounded(o, a):
    """Emits something of a that is within [-1, 1]."""
    how = o.choices.below(4)
    if how == 0:
        return o.apply("math.tanh", a)
    if how == 1:
        return o.clamp(a, o.constant(-1.0), o.constant(1.0))
    if how == 2:
        low = o.apply("arith.maximumf", a, o.constant(-1.0))
        return o.apply("arith.minimumf", low, o.constant(1.0))
    return o.apply("math.sin", a)


def of_bounded(name):
    """Returns the formula of an operation that grows quickly."""
    return lambda o, a: o.apply(name, bounded(o, a))


def of_positive(name, least):
    """Returns the formula of an operation on positive numbers."""
    return lambda o, a: o.apply(name, magnitude(o, a, least))


def add_or_multiply_nothing(o, a):
    """Emits a + 0 or a * 1, which folds."""
    if o.choices.chance(50):
        return scaled(o, a, 1.0)
    return shifted(o, a, 0.0)


def constant_product(o, a):
    """Emits a product with one of some constants."""
    return scaled(o, a, o.choices.pick([0.5, 1.5, -0.75, -1.0, 2.0]))


def constant_sum(o, a):
    """Emits a sum with one of some constants."""
    return shifted(o, a, o.choices.pick([1.0, 0.25, -0.5, 2.0]))


def relu(o, a):
    """Emits max(a, 0) in one of its forms."""
    zero = o.constant(0.0)
    how = o.choices.below(3)
    if how < 2:
        return o.apply(["arith.maximumf", "arith.maxnumf"][how], a, zero)
    return o.select(o.compare(o.choices.pick(["ogt", "oge", "ugt"]), a, zero), a, zero)


def leaky(o, a):
    """Emits a selection of a or a part of it."""
    part = scaled(o, a, o.choices.pick([0.125, -0.5]))
    return o.select(o.compare("olt", a, o.constant(0.0)), part, a)


def sigmoid(o, a):
    """Emits 1 / (1 + exp(-a))."""
    one = o.constant(1.0)
    grown = o.apply("math.exp", o.apply("arith.negf", a))
    return o.apply("arith.divf", one, o.apply("arith.addf", grown, one))


def silu(o, a):
    """Emits a / (1 + exp(-a))."""
    grown = o.apply("math.exp", o.apply("arith.negf", a))
    return o.apply("arith.divf", a, shifted(o, grown, 1.0))


def gelu(o, a):
    """Emits a times the normal distribution."""
    part = o.apply("math.erf", scaled(o, a, 0.70710678))
    return o.apply("arith.mulf", scaled(o, a, 0.5), shifted(o, part, 1.0))


def tiny(o, a):
    """Emits expm1 or log1p of something tiny, made large again."""
    exponent = o.choices.pick([4, 6, 8])
    small = scaled(o, a, 10.0**-exponent)
    if o.choices.chance(50):
        small = o.apply("math.log1p", small)
    else:
        small = o.apply("math.expm1", small)
    return scaled(o, small, 10.0**exponent)


def softplus(o, a):
    """Emits log(1 + exp(a)) for a up to 30."""
    least = o.apply("arith.minimumf", a, o.constant(30.0))
    return o.apply("math.log1p", o.apply("math.exp", least))


def integer_power(o, a):
    """Emits a square or a cube of something bounded."""
    return o.power(bounded(o, a), o.choices.pick([2, 3, 1, 0]))


def through_double(o, a):
    """Emits an operation in f64."""
    wide = o.cast("arith.extf", a, "f32", "f64")
    name = o.choices.pick(["math.tanh", "math.absf", "math.sin"])
    return o.cast("arith.truncf", o.apply(name, wide, element="f64"), "f64", "f32")


def through_half(element):
    """Returns the formula of a rounding, and perhaps operations in that type."""

    def emit(o, a):
        o.block.module.round_to(element)
        half = o.cast("arith.truncf", a, "f32", element)
        names = [
            None,
            "arith.negf",
            "math.absf",
            "arith.addf",
            "arith.mulf",
            "math.tanh",
        ]
        name = o.choices.pick(names)
        if name in ("arith.addf", "arith.mulf"):
            half = o.apply(name, half, half, element=element)
        elif name:
            half = o.apply(name, half, element=element)
        return o.cast("arith.extf", half, element, "f32")

    return emit


def through_integer(o, a):
    """Emits a cast to integers and back."""
    element = o.choices.pick(["i8", "i32", "i16"])
    low = o.apply("arith.maximumf", scaled(o, a, 3.0), o.constant(-20.0))
    inside = o.apply("arith.minimumf", low, o.constant(20.0))
    whole = o.cast("arith.fptosi", inside, "f32", element)
    if o.choices.chance(30):
        whole = o.apply("arith.addi", whole, whole, element=element)
    return o.cast("arith.sitofp", whole, element, "f32")


def quotient(o, a, b):
    """Emits a / (1 + |b|)."""
    return o.apply("arith.divf", a, magnitude(o, b, 1.0))


def larger(o, a, b):
    """Emits a selection of the larger or the smaller number."""
    predicate = o.choices.pick(["ogt", "olt", "uge"])
    return o.select(o.compare(predicate, a, b), a, b)


def gated(o, a, b):
    """Emits silu(a) * b."""
    return o.apply("arith.mulf", silu(o, a), b)


def angle(o, a, b):
    """Emits atan2(a, |b| + 0.5)."""
    return o.apply("math.atan2", a, magnitude(o, b, 0.5))


def power(o, a, b):
    """Emits (|a| + 0.5) to the power of tanh(b)."""
    return o.apply("math.powf", magnitude(o, a, 0.5), o.apply("math.tanh", b))


def signed_square(o, a):
    """Emits a square with the sign of a."""
    return o.apply("math.copysign", o.apply("arith.mulf", a, a), a)


def between(o, a, b):
    """Emits a within b and b + 1."""
    return o.clamp(a, b, shifted(o, b, 1.0))


def chain(o, a):
    """Emits many sums of a value with itself."""
    links = 2 + o.choices.below(20)
    for _ in range(links):
        a = o.apply("arith.addf", a, a)
    return scaled(o, a, 0.5**links)


def weighted(o, a, b, c):
    """Emits a * b + c."""
    return o.apply("arith.addf", o.apply("arith.mulf", a, b), c)


def middle(o, a, b, c):
    """Emits max(min(a, b), c)."""
    return o.apply("arith.maximumf", o.apply("arith.minimumf", a, b), c)


def chosen(o, a, b, c):
    """Emits b or c, whichever a says."""
    return o.select(o.compare("ogt", a, o.constant(0.25)), b, c)


def same(*scales):
    """Returns the largest scale."""
    return max(scales)


def constant_scale(value):
    """Returns a function that is `value`."""
    return lambda *_: value


def root_of_squares(*scales):
    """Returns the scale of a sum."""
    return sum(scale * scale for scale in scales) ** 0.5


def times(*scales):
    """Returns the scale of a product."""
    product = 1.0
    for scale in scales:
        product *= scale
    return product


def few(*solid):
    """Returns how solid something is that is 0 for half of its arguments."""
    return min(solid) // 4 if min(solid) < SOLID else SOLID


def fewer(*solid):
    """Returns how solid a product is."""
    return min(solid) * 6 // 10 if min(solid) < SOLID else SOLID


def most(*solid):
    """Returns how solid a sum is: not at all if a term may be the other's negative."""
    return max(solid[:-1]) if min(solid) else 0


def always(*_):
    """Returns how solid something is that is never near 0."""
    return SOLID


def never(*_):
    """Returns how solid something is that may be 0 everywhere."""
    return 0


UNARY = [
    Formula("negf", 1, op("arith.negf"), same, True, named="negf", kind="negf"),
    Formula("absf", 1, op("math.absf"), same, True, named="abs", kind="abs"),
    Formula("factor", 1, constant_product, lambda a: 1.5 * a, True),
    Formula("term", 1, constant_sum, lambda a: a + 1, True, solid=always),
    Formula(
        "tanh", 1, op("math.tanh"), lambda a: min(a, 0.7), named="tanh", kind="tanh"
    ),
    Formula("relu", 1, relu, same, True, solid=few),
    Formula(
        "square",
        1,
        lambda o, a: o.apply("arith.mulf", a, a),
        lambda a: 1.5 * a * a,
        solid=fewer,
        exact=True,
        named="square",
        kind="square",
    ),
    Formula("nothing", 1, add_or_multiply_nothing, same, True),
    Formula("leaky", 1, leaky, same, True),
    Formula("sigmoid", 1, sigmoid, constant_scale(0.6), solid=always),
    Formula("silu", 1, silu, same, solid=fewer),
    Formula("gelu", 1, gelu, same, solid=fewer),
    Formula("sin", 1, op("math.sin"), lambda a: min(a, 0.7)),
    Formula("cos", 1, op("math.cos"), constant_scale(0.7), solid=fewer),
    Formula("atan", 1, op("math.atan"), lambda a: min(a, 1.0)),
    Formula("erf", 1, op("math.erf"), lambda a: min(a, 0.8), named="erf", kind="erf"),
    Formula("exp", 1, of_bounded("math.exp"), constant_scale(1.3), solid=always),
    Formula("exp2", 1, of_bounded("math.exp2"), constant_scale(1.2), solid=always),
    Formula("expm1", 1, of_bounded("math.expm1"), constant_scale(1.0)),
    Formula("log", 1, of_positive("math.log", 0.5), constant_scale(0.5), solid=fewer),
    Formula("log2", 1, of_positive("math.log2", 0.5), constant_scale(0.7), solid=fewer),
    Formula(
        "log10", 1, of_positive("math.log10", 1.5), constant_scale(0.3), solid=always
    ),
    Formula("log1p", 1, of_positive("math.log1p", 0.0), constant_scale(0.5)),
    Formula(
        "sqrt",
        1,
        of_positive("math.sqrt", 0.25),
        constant_scale(0.9),
        True,
        solid=always,
    ),
    Formula(
        "rsqrt", 1, of_positive("math.rsqrt", 0.5), constant_scale(1.0), solid=always
    ),
    Formula(
        "cbrt", 1, of_positive("math.cbrt", 0.25), constant_scale(0.9), solid=always
    ),
    Formula("sinh", 1, of_bounded("math.sinh"), constant_scale(0.7)),
    Formula("cosh", 1, of_bounded("math.cosh"), constant_scale(1.2), solid=always),
    Formula("asinh", 1, op("math.asinh"), same),
    Formula("fpowi", 1, integer_power, constant_scale(0.5), solid=few),
    Formula("softplus", 1, softplus, lambda a: 0.8 + a / 2, solid=always),
    Formula("tiny", 1, tiny, same),
    Formula(
        "signed_square", 1, signed_square, lambda a: 1.5 * a * a, True, solid=fewer
    ),
    Formula(
        "bf16",
        1,
        through_half("bf16"),
        lambda a: 2 * max(a, a * a),
        solid=fewer,
        rounds=True,
    ),
    Formula(
        "f16",
        1,
        through_half("f16"),
        lambda a: 2 * max(a, a * a),
        solid=fewer,
        rounds=True,
    ),
    Formula("f64", 1, through_double, same),
    Formula("integer", 1, through_integer, lambda a: 3 * a + 0.5, True, True, never),
    Formula(
        "floor",
        1,
        lambda o, a: o.apply("math.floor", scaled(o, a, 3.0)),
        lambda a: 3 * a + 0.5,
        True,
        True,
        never,
    ),
    Formula(
        "ceil", 1, op("math.ceil"), lambda a: a + 0.5, True, True, never, "ceil", "ceil"
    ),
    Formula(
        "round",
        1,
        op("math.round"),
        lambda a: a + 0.2,
        True,
        True,
        never,
        "round",
        "round",
    ),
    Formula("roundeven", 1, op("math.roundeven"), lambda a: a + 0.2, True, True, never),
    Formula("trunc", 1, op("math.trunc"), same, True, True, never),
    Formula("chain", 1, chain, same, True),
]

BINARY = [
    Formula(
        "addf",
        2,
        op("arith.addf"),
        root_of_squares,
        True,
        solid=most,
        named="add",
        kind="add",
    ),
    Formula(
        "mulf", 2, op("arith.mulf"), times, True, solid=fewer, named="mul", kind="mul"
    ),
    Formula(
        "subf",
        2,
        op("arith.subf"),
        root_of_squares,
        True,
        solid=most,
        named="sub",
        kind="sub",
    ),
    Formula("gated", 2, gated, times, solid=fewer),
    Formula(
        "maximumf",
        2,
        op("arith.maximumf"),
        same,
        True,
        solid=fewer,
        named="max",
        kind="max_signed",
    ),
    Formula(
        "minimumf",
        2,
        op("arith.minimumf"),
        same,
        True,
        solid=fewer,
        named="min",
        kind="min_signed",
    ),
    Formula("maxnumf", 2, op("arith.maxnumf"), same, True, solid=fewer),
    Formula("minnumf", 2, op("arith.minnumf"), same, True, solid=fewer),
    Formula("divf", 2, quotient, lambda a, b: a / (1 + b / 2), True),
    Formula("larger", 2, larger, same, True, solid=fewer),
    Formula("atan2", 2, angle, lambda a, b: min(a, 1.0)),
    Formula("powf", 2, power, constant_scale(1.0), solid=always),
    Formula("copysign", 2, op("math.copysign"), lambda a, b: a, True, True, never),
    Formula("between", 2, between, root_of_squares, True, solid=never),
]

TERNARY = [
    Formula(
        "weighted",
        3,
        weighted,
        lambda a, b, c: (a * b * a * b + c * c) ** 0.5,
        True,
        solid=lambda a, b, c, _: c,
    ),
    Formula(
        "fma",
        3,
        op("math.fma"),
        lambda a, b, c: (a * b * a * b + c * c) ** 0.5,
        True,
        solid=lambda a, b, c, _: c,
    ),
    Formula("middle", 3, middle, same, True, solid=fewer),
    Formula("chosen", 3, chosen, same, True, True, fewer),
]

# What a loop must not do with the values that it carries: they would explode.
GROWING = {"square", "signed_square", "mulf", "gated", "weighted", "fma", "chain"}

FORMULAS = {1: UNARY, 2: BINARY, 3: TERNARY}

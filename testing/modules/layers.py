#===- layers.py - Layers of experts ----------------------------------------===#
#
# Part of the moe-mlir project, under the Apache License v2.0 with LLVM
# Exceptions. See LICENSE for license information.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#
#===------------------------------------------------------------------------===#

from bodies import make_body
from routing import given_routing, loss, plan, router
from values import SINGLE, Block, Size, Value, tensor
from weights import SLICES, BankWeights, RegionWeights

EXPERTS = [2, 1, 3, 4, 2, 5, 3, 8, 4, 16, 40]


def make_root(block, rows_name, rows_type, home, weights):
    """Returns the block of a body of an expert."""
    root = Block(block.module, block.function, block)
    root.home = home
    root.weights = weights
    known = []

    def count():
        if not known:
            zero = root.index(0)
            known.append(
                root.define(f"tensor.dim {rows_name}, {zero} : {rows_type}", "n")
            )
        return known[0]

    root.size = Size("?", count)
    return root


class Experts:
    """A moe.experts while its bodies are made."""

    def __init__(self, block, rows, width, experts):
        self.block, self.module = block, block.module
        self.rows, self.width, self.experts = rows, width, experts
        self.home = block if block.choices.chance(70) else block.home
        self.place = self.home if block.choices.chance(50) else None
        self.results = []
        self.regions = []

    def body(self, weights, most_steps, is_uniform):
        """Makes a body and appends it to the regions."""
        name = "%" + self.module.fresh("r")
        type = tensor(["?", self.rows.width])
        root = make_root(self.block, name, type, self.home, weights)
        root.place = self.place
        arguments = [f"{name}: {type}"]
        if is_uniform:
            root.expert = "%" + self.module.fresh("e")
            arguments.append(f"{root.expert}: index")
        rows = self.rows.having(name=name, type=type)
        self.results.append(make_body(root, rows, self.width, most_steps))
        if is_uniform:
            arguments += [f"{name}: {type}" for name, type in weights.arguments]
        self.regions.append((arguments, root))

    def uniform(self):
        """Makes one body for all experts; returns the text of the banks."""
        self.module.note("experts_uniform")
        weights = BankWeights(self.experts)
        self.body(weights, 6, True)
        if not weights.operands:
            return "", []
        return f" banks({', '.join(weights.operands)})", weights.types

    def each(self):
        """Makes a body for each expert; they are equal, nearly equal or different."""
        choices, module = self.block.choices, self.module
        likeness = choices.pick(["equal", "nearly", "different", "nearly"])
        module.note(f"experts_{likeness}")
        style = choices.pick(["bank", *SLICES])
        weights = RegionWeights(
            self.experts, style, choices.pick(["", "", "columns", "strided"])
        )
        begin = len(choices.recorded)
        weights.begin(0)
        self.body(weights, 4, False)
        recorded = choices.recorded[begin:]
        other = choices.below(self.experts)
        place, change = choices.below(len(recorded)), 1 + choices.below(3)
        for expert in range(1, self.experts):
            weights.begin(expert)
            if likeness == "different":
                self.body(weights, 3, False)
                continue
            numbers = list(recorded)
            if likeness == "nearly" and expert == max(other, 1):
                numbers[place] += change
            with module.replaying(numbers):
                self.body(weights, 4, False)

    def emit(self, offsets, groups, said):
        """Emits the operation and returns its rows."""
        choices = self.block.choices
        banks, types = "", []
        if self.experts > 5 or not choices.chance(35):
            banks, types = self.uniform()
        else:
            self.each()
        kept = self.rows.type[len("tensor<") :].split("x")[0]
        result = tensor([kept, self.width])
        listed = ", ".join([self.rows.type, tensor([groups + 1], "i32"), *types])
        attributes = f" {{{', '.join(said)}}}" if said else ""
        name = "%" + self.module.fresh("y")
        self.block.emit(
            f"{name} = moe.experts {self.rows.name}, {offsets}{banks}{attributes} "
            f": ({listed}) -> {result} {{"
        )
        for i, (arguments, root) in enumerate(self.regions):
            if i:
                self.block.emit("}, {")
            self.block.emit(f"^bb0({', '.join(arguments)}):")
            self.block.region(root)
        self.block.emit("}")
        return Value(
            name,
            result,
            self.width,
            max(value.scale for value in self.results),
            max(max(value.noise for value in self.results), self.rows.noise, SINGLE),
            min(value.solid for value in self.results),
            max(value.depth for value in self.results),
            self.origins(),
        )

    def origins(self):
        """Returns products that results are made of, if all are made of some."""
        each = [value.origins for value in self.results]
        return frozenset().union(*each) if all(each) else frozenset()


def choose_k(choices, groups):
    """Returns how many experts a token has."""
    if groups <= 16 and choices.chance(8):
        return groups
    return 1 + choices.below(min(groups, 4))


def groups_without_body(block, is_square):
    """Returns how many zero and identity groups there are, and what the op says."""
    choices, module = block.choices, block.module
    counts, said = [0, 0], []
    if is_square and choices.chance(15):
        for i, name in enumerate(("zero", "identity")):
            if choices.chance(60):
                module.note(f"{name}_experts")
                counts[i] = 1 + choices.below(2)
                said.append(f"{name} = {counts[i]} : i64")
    return sum(counts), said


def dispatch(block, rows, made, at_input):
    """Emits moe.dispatch and returns the rows of the experts."""
    experts = made.routing.experts
    operands = f"{rows.name}, {made.result(2)}, {made.result(1)}"
    types = [rows.type, tensor([made.rows], "i32"), tensor([experts + 1], "i32")]
    if at_input:
        block.module.note("weights_at_input")
        operands += f" weights({made.result(4)}) position({made.result(3)})"
        types += [made.slots("f32"), made.slots("i32")]
    result = tensor([made.rows, rows.width])
    name = block.define(
        f"moe.dispatch {operands} : ({', '.join(types)}) -> {result}", "d"
    )
    return rows.having(name=name, type=result, origins=frozenset())


def combine(block, rows, made, at_input, passed):
    """Emits moe.combine and returns the rows of the tokens."""
    operands = f"{rows.name}, {made.result(3)}"
    types = [rows.type, made.slots("i32")]
    if not at_input:
        operands += f" weights({made.result(4)})"
        types.append(made.slots("f32"))
        if made.overflow == "residual" and passed.width == rows.width:
            block.module.note("passthrough")
            operands += f" passthrough({passed.name})"
            types.append(passed.type)
    result = block.rows_type(rows.width)
    name = block.define(
        f"moe.combine {operands} : ({', '.join(types)}) -> {result}", "y"
    )
    return rows.having(name=name, type=result, origins=frozenset([("layer", name)]))


def layer(block, rows, width):
    """Emits a layer of experts; returns its rows, and what else may be returned."""
    choices = block.choices
    experts = choices.pick(EXPERTS)
    without, said = groups_without_body(block, width == rows.width)
    groups = experts + without
    k = choose_k(choices, groups)
    route = given_routing if choices.chance(10) else None
    routing = route(block, groups, k) if route else router(block, rows, groups, k)
    made = plan(block, routing)
    at_input = made.overflow != "residual" and choices.chance(15)
    inside = dispatch(block, rows, made, at_input)
    results = Experts(block, inside, width, experts).emit(made.result(1), groups, said)
    if without:
        results = results.having(solid=min(results.solid, rows.solid))
    y = combine(block, results, made, at_input, rows)
    y = y.having(scale=max(y.scale * routing.scale * k**0.5, 1e-3))
    if not routing.is_solid or k > 1 and (routing.is_signed or not results.origins):
        y = y.having(solid=0)  # what experts give may cancel
    return y, extras(block, made, route is None)


def extras(block, made, is_routed):
    """Returns what may be returned besides rows: (value, name, shape, whether exact)."""
    choices, routing = block.choices, made.routing
    symbol = block.function.token_symbol
    exact = routing.noise == 0
    found = []

    def offer(name, text, type, shape):
        found.append((Value(text, type), name, shape))

    if routing.is_solid and choices.chance(8):
        offer("weights", routing.weights, made.slots("f32"), [symbol, routing.k])
    if exact and choices.chance(5):
        offer("ids", routing.ids, made.slots("i32"), [symbol, routing.k])
    if exact and choices.chance(8):
        offer("counts", made.result(0), made.types()[0], [routing.experts])
    if exact and choices.chance(4):
        offer("kept", made.result(4), made.slots("f32"), [symbol, routing.k])
    if routing.scores and routing.is_solid and choices.chance(25):
        type = tensor([routing.tokens, routing.experts])
        offer("scores", routing.scores, type, [symbol, routing.experts])
    if routing.other:
        type = tensor([routing.tokens, routing.experts])
        offer("other", routing.other, type, [symbol, routing.experts])
    if is_routed and choices.chance(20 if routing.scores else 8):
        value = loss(block, routing)
        found.append((value, "loss", []))
    return found

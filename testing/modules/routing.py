#===- routing.py - Routers, plans and what is measured of them -------------===#
#
# Part of the moe-mlir project, under the Apache License v2.0 with LLVM
# Exceptions. See LICENSE for license information.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#
#===------------------------------------------------------------------------===#

from dataclasses import dataclass

from elementwise import settled
from products import product
from values import EXACT, ROUNDED, Value, number, tensor
from weights import PlainWeights, argument, declared
from windows import shifted

# ===-----------------------------------------------------------------------===#
# Attributes
# ===-----------------------------------------------------------------------===#


def normalization(choices):
    """Returns a #moe.normalize."""
    parts = []
    p = choices.pick([1, 2, 0.5, 3])
    if p != 1:
        parts.append(f"p = {number(p)}")
    mode = choices.pick(["none", "add", "clamp"])
    if mode != "none":
        eps = choices.pick(["1.0e-9", "1.0e-20", "0.125"])
        parts.append(f"eps_mode = {mode}, eps = {eps}")
    return "#moe.normalize" + (f"<{', '.join(parts)}>" if parts else "")


def group_limit(choices, experts):
    """Returns a #moe.group_limit."""
    groups = choices.pick([g for g in range(1, experts + 1) if experts % g == 0])
    keep = 1 + choices.below(groups)
    text = f"groups = {groups}, keep = {keep}"
    if choices.chance(50):
        text += f", score = sum_top, top = {1 + choices.below(experts // groups)}"
    if choices.chance(30):
        text += ", fill = zero"
    return f"#moe.group_limit<{text}>"


def logit_norm(choices, differ):
    """Returns a #moe.logit_norm; `differ` is whether the logits of a token do."""
    kinds = ["scale, 2.0", "scale, -0.5", "softcap, 2.0", "softcap, 30.0", "none, 1.0"]
    if differ:
        kinds += ["zscore, 1.0", "zscore, 0.5"]
    return f"#moe.logit_norm<{choices.pick(kinds)}>"


def capacity_rule(choices):
    """Returns a #moe.capacity."""
    basis = choices.pick(["fixed", "slots_per_expert", "tokens_per_expert", "tokens"])
    factors = [2.0, 0.0, 1.0, 3.5] if basis == "fixed" else [1.25, 0.5, 1.0, 0.2]
    text = f"basis = {basis}, factor = {number(choices.pick(factors))}"
    if choices.chance(40):
        text += f", rounding = {choices.pick(['floor', 'nearest_even', 'ceil'])}"
    if choices.chance(30):
        text += f", multiple_of = {choices.pick([2, 4, 3])}"
    if choices.chance(30):
        text += f", at_least = {choices.pick([1, 4])}"
    return f"#moe.capacity<{text}>"


# ===-----------------------------------------------------------------------===#
# Routers
# ===-----------------------------------------------------------------------===#


@dataclass
class Routing:
    """What a router gives: SSA names, and what they mean."""

    experts: int
    k: int
    tokens: str  # number or `?`
    weights: str
    ids: str
    scores: str = None
    logits: str = None
    score: str = "softmax"
    noise: int = EXACT
    is_signed: bool = False  # weights may have either sign
    scale: float = 1.0  # of the weights
    is_normalized: bool = False  # weights of tokens may be equal but for rounding
    other: str = None  # scores of the rows whose logits are those of others, moved

    @property
    def is_solid(self):
        """Whether no weight is a sum that is all but 0."""
        return self.score != "identity" or self.noise == EXACT


def token_shape(block, *sizes):
    """Returns the `moe.shape` of something with an element per token."""
    return [block.function.token_symbol, *sizes]


def token_argument(block, sizes, element="f32", range=None):
    """Returns an argument with an element per token."""
    type = tensor([block.size.text, *sizes], element)
    return block.function.parameter(type, token_shape(block, *sizes), range)


def logits_of(block, rows, experts):
    """Returns logits for the rows: an argument, or what a product gives."""
    choices, module = block.choices, block.module
    usable = [v for v in block.rows if v.noise < ROUNDED]
    if not usable or not choices.chance(50) or module.elements(experts) > 20000:
        return token_argument(block, [experts]).having(width=experts)
    module.note("logits_computed")
    source = rows if rows.noise < ROUNDED else usable[-1]
    block.weights = block.weights or PlainWeights()
    return settled(block, product(block, block.weights, source, experts))


def moved_logits(block, logits, experts):
    """Returns logits that rows two places on have, and the scores of the old ones."""
    block.module.note("logits_moved")
    types = [
        tensor([block.size.text, 1]),
        tensor([block.size.text, 1], "i32"),
        logits.type,
    ]
    name = "%" + block.module.fresh("route")
    block.emit(
        f"{name}:3 = moe.router {logits.name} {{top_k = 1 : i64, "
        f"score = #moe.score<sigmoid>}} : ({logits.type}) -> ({', '.join(types)})"
    )
    return shifted(block, logits), f"{name}#2"


def vector_of_experts(block, experts):
    """Returns a vector with an element per expert."""
    if block.choices.chance(50):
        return argument(block, (experts,))
    return declared(block.function.body, (experts,))


def router(block, rows, experts, k):
    """Emits a moe.router for `rows` with any valid policy."""
    choices, module = block.choices, block.module
    score = choices.pick(["softmax", "sigmoid", "sqrt_softplus", "identity"])
    logits, other = logits_of(block, rows, experts), None
    if choices.chance(6):
        logits, other = moved_logits(block, logits, experts)
    operands, types = [logits.name], [logits.type]
    said = [f"top_k = {k} : i64", f"score = #moe.score<{score}>"]
    selection = choices.pick(["topk", "topk", "topk", "sequential", "table"])
    is_threshold = (
        score == "softmax" and selection == "sequential" and choices.chance(60)
    )
    keys_count = not is_threshold and selection != "table"

    def operand(name, value):
        module.note(f"router_{name}")
        operands.append(f"{name}({value.name})")
        types.append(value.type)

    def attribute(name, text):
        module.note(f"router_{name}")
        said.append(f"{name} = {text}")

    if selection != "topk":
        attribute("selection", f"#moe.selection<{selection}>")
        module.note(f"router_{selection}")
    if is_threshold:
        attribute("domain", "#moe.domain<threshold>")
        attribute("threshold", f"{choices.pick(['0.02', '0.0', '0.5'])}")
    elif choices.chance(30):
        attribute("domain", "#moe.domain<selected>")
    if choices.chance(25):
        attribute("key", "#moe.key<logit>")
    if choices.chance(20):
        differ = experts >= 4 and logits.noise == EXACT and other is None
        attribute("logit_norm", logit_norm(choices, differ))
    if keys_count and choices.chance(25):
        operand("bias", vector_of_experts(block, experts))
    if choices.chance(20):
        operand("expert_scale", vector_of_experts(block, experts))
    if selection == "table":
        operand("table", token_argument(block, [k], "i32", (-1, experts)))
    if keys_count and choices.chance(25):
        attribute("group_limit", group_limit(choices, experts))
    if score != "identity" and choices.chance(40):
        attribute("normalize", normalization(choices))
    factor = 1.0
    if choices.chance(25):
        factor = choices.pick([2.5, 0.5, 1.5])
        attribute("scale", number(factor))
    module.note(f"score_{score}")
    results = [tensor([block.size.text, k]), tensor([block.size.text, k], "i32")]
    has_scores = choices.chance(40)
    if has_scores:
        module.note("router_scores")
        results.append(tensor([block.size.text, experts]))
    name = "%" + module.fresh("route")
    block.emit(
        f"{name}:{len(results)} = moe.router {' '.join(operands)} {{{', '.join(said)}}} "
        f": ({', '.join(types)}) -> ({', '.join(results)})"
    )
    return Routing(
        experts,
        k,
        block.size.text,
        f"{name}#0",
        f"{name}#1",
        f"{name}#2" if has_scores else None,
        logits.name,
        score,
        logits.noise,
        score == "identity" or any(o.startswith("expert_scale") for o in operands),
        factor * (logits.scale if score == "identity" else 0.7),
        any(part.startswith("normalize") for part in said),
        other,
    )


def given_routing(block, experts, k):
    """Returns a routing that callers decide on."""
    block.module.note("plan_without_router")
    ids = token_argument(block, [k], "i32", (-1, experts))
    weights = token_argument(block, [k])
    return Routing(
        experts,
        k,
        block.size.text,
        weights.name,
        ids.name,
        score="identity",
        is_signed=True,
    )


# ===-----------------------------------------------------------------------===#
# Plans
# ===-----------------------------------------------------------------------===#


@dataclass
class Plan:
    """What moe.plan gives, and for how many rows."""

    routing: Routing
    name: str
    rows: str  # number or `?`
    overflow: str

    def result(self, i):
        """Returns the SSA name of result i."""
        return f"{self.name}#{i}"

    def slots(self, element):
        """Returns the type of something with an element per slot."""
        return tensor([self.routing.tokens, self.routing.k], element)

    def types(self):
        """Returns the types of the results."""
        experts = self.routing.experts
        return [
            tensor([experts], "i32"),
            tensor([experts + 1], "i32"),
            tensor([self.rows], "i32"),
            self.slots("i32"),
            self.slots("f32"),
        ]


def tokens_index(block):
    """Returns the number of tokens as an index."""
    if block.size.text == "?":
        return block.size.value()
    return block.index(int(block.size.text))


def segments(block):
    """Returns segment offsets of one or more segments, as name and type."""
    choices, module = block.choices, block.module
    count = choices.pick([1, 2, 3])
    type = tensor([count + 1], "i32")
    module.note("plan_segments")
    if block.size.text != "?" and choices.chance(60):
        tokens = int(block.size.text)
        cuts = sorted(choices.below(tokens + 1) for _ in range(count - 1))
        listed = ", ".join(str(cut) for cut in [0, *cuts, tokens])
        return block.define(f"arith.constant dense<[{listed}]> : {type}", "seg"), type
    tokens = tokens_index(block)
    bounds = [block.constant(0, "i32")]
    for i in range(1, count):
        factor, parts = block.index(i), block.index(count)
        part = block.define(f"arith.muli {tokens}, {factor} : index", "i")
        part = block.define(f"arith.divui {part}, {parts} : index", "i")
        bounds.append(block.define(f"arith.index_cast {part} : index to i32", "i"))
    bounds.append(block.define(f"arith.index_cast {tokens} : index to i32", "i"))
    name = block.define(f"tensor.from_elements {', '.join(bounds)} : {type}", "seg")
    return name, type


def capacity_index(block):
    """Returns a capacity as an index: a constant, or computed from the tokens."""
    choices = block.choices
    if choices.chance(50):
        return block.index(choices.pick([2, 0, 1, 5, 1000]))
    half = block.define(
        f"arith.ceildivui {tokens_index(block)}, {block.index(2)} : index", "i"
    )
    return half


def plan(block, routing):
    """Emits a moe.plan with any valid attributes."""
    choices, module = block.choices, block.module
    slots = [tensor([routing.tokens, routing.k], e) for e in ("f32", "i32")]
    operands, types, said = [f"{routing.weights}, {routing.ids}"], list(slots), []
    rows = "?" if routing.tokens == "?" else str(int(routing.tokens) * routing.k)

    def operand(name, value, type):
        module.note(f"plan_{name}")
        operands.append(f"{name}({value})")
        types.append(type)

    overflow = "none"
    if choices.chance(40):
        is_signed = routing.score == "identity"
        overflow = "zero" if is_signed or choices.chance(50) else "residual"
        said.append(f"overflow = #moe.overflow<{overflow}>")
        module.note(f"overflow_{overflow}")
        if choices.chance(30):
            operand("capacity", capacity_index(block), "index")
        else:
            module.note("plan_capacity_rule")
            said.append(f"capacity_rule = {capacity_rule(choices)}")
        if choices.chance(30):
            operand("segments", *segments(block))
        if choices.chance(30):
            module.note("plan_batch_priority")
            said.append("priority = #moe.priority<batch>")
            # Weights that are closer than rounding would change places.
            is_close = routing.noise != EXACT or routing.is_normalized
            if is_close or module.tokens > 64 or choices.chance(50):
                scores = token_argument(block, [])
                operand("priority_scores", scores.name, scores.type)
    if routing.score != "identity" and choices.chance(20):
        module.note("plan_renormalize")
        said.append(f"renormalize = {normalization(choices)}")
    if choices.chance(10):
        bound = block.define(
            f"arith.muli {tokens_index(block)}, {block.index(routing.k)} : index", "i"
        )
        if choices.chance(50):
            bound = block.define(f"arith.addi {bound}, {block.index(3)} : index", "i")
        operand("rows", bound, "index")
        rows = "?"
    name = "%" + module.fresh("plan")
    made = Plan(routing, name, rows, overflow)
    attributes = f" {{{', '.join(said)}}}" if said else ""
    block.emit(
        f"{name}:5 = moe.plan {' '.join(operands)}{attributes} "
        f": ({', '.join(types)}) -> ({', '.join(made.types())})"
    )
    return made


# ===-----------------------------------------------------------------------===#
# Losses
# ===-----------------------------------------------------------------------===#


def loss(block, routing):
    """Returns the value of a loss plus 1, which is never near 0."""
    choices, module = block.choices, block.module
    kinds = ["z"]
    if routing.scores and routing.score in ("softmax", "sigmoid"):
        kinds += ["fraction_probability", "importance_cv2"] * 2
    kind = choices.pick(kinds)
    module.note(f"loss_{kind}")
    values = routing.logits if kind == "z" else routing.scores
    operands, types = values, [tensor([routing.tokens, routing.experts])]
    flag = ""
    if kind == "fraction_probability":
        operands += f" ids({routing.ids})"
        types.append(tensor([routing.tokens, routing.k], "i32"))
        flag = ", normalize_k" if choices.chance(50) else ""
    name = block.define(
        f"moe.aux_loss {operands} {{kind = #moe.loss<{kind}>{flag}}} "
        f": ({', '.join(types)}) -> tensor<f32>",
        "loss",
    )
    one = block.define("arith.constant dense<1.0> : tensor<f32>", "c")
    return Value(
        block.define(f"arith.addf {name}, {one} : tensor<f32>", "loss"), "tensor<f32>"
    )

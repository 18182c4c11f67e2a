#===- cpp_messages.py - Finds diagnostics in C and C++ sources ------------===#
#
# Part of the moe-mlir project, under the Apache License v2.0 with LLVM
# Exceptions. See LICENSE for license information.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#
#===------------------------------------------------------------------------===#
#
# A message is what the string literals around a tag `[moe-name]` say, with an
# ellipsis for every value that the program inserts. Reads tokens, does not
# parse: it follows how diagnostics are written here,
#   emitOpError("expected ") << x << " rows [moe-a]"
#   moe_error_set(error, CODE, "found %d [moe-b]", x)
#   "found " + x + " [moe-c]"
#
#===------------------------------------------------------------------------===#

import re

GAP = "\u2026"
EMITTERS = ("emitOpError", "emitError", "moe_error_set")
TAG = re.compile(r"\[(moe-[a-z0-9-]+)\]")
TAG_WITH_GAP = re.compile(rf"\[(moe-[a-z0-9{GAP}-]+)\]")

TOKEN = re.compile(
    r"""//[^\n]*|/\*.*?\*/|\s+             # dropped
    |R"(?P<mark>[^("]*)\((?P<raw>.*?)\)(?P=mark)"
    |"(?P<text>(?:\\.|[^"\\])*)"
    |'(?:\\.|[^'\\])+'
    |[A-Za-z_]\w*|\d[\w.']*|<<|::|->|.""",
    re.S | re.X,
)
CONVERSION = re.compile(r"%[-+ #0]*\d*(?:\.\d+|\.\*)?(?:hh|h|ll|l|z|j|t)?[a-zA-Z]")
CLOSERS = {")": "(", "]": "[", "}": "{"}
STOPS = (";", "=", "?", ":", "return")


class Token:
    def __init__(self, text, literal=None):
        self.text = text
        self.literal = literal  # what a string literal says


class Message:
    def __init__(self, tag, text):
        self.tag = tag
        self.text = text


def tokenize(source):
    """Tokens without comments; adjacent string literals are one token."""
    tokens = []
    for match in TOKEN.finditer(source):
        text = match.group()
        if text.isspace() or text.startswith(("//", "/*")):
            continue
        literal = match.group("raw")
        if match.group("text") is not None:
            literal = unescape(match.group("text"))
        if literal is not None and tokens and tokens[-1].literal is not None:
            tokens[-1].literal += literal
        else:
            tokens.append(Token(text, literal))
    return tokens


def unescape(text):
    return re.sub(r"\\(.)", lambda m: " " if m[1] in "nt" else m[1], text)


def opening(tokens, at):
    """Index of the bracket that the one at `at` closes."""
    depth = 0
    for i in range(at, -1, -1):
        depth += tokens[i].text in CLOSERS
        depth -= tokens[i].text in CLOSERS.values()
        if depth == 0:
            return i
    return 0


def closing(tokens, at):
    """Index of the bracket that closes the one at `at`."""
    depth = 0
    for i in range(at, len(tokens)):
        depth += tokens[i].text in CLOSERS.values()
        depth -= tokens[i].text in CLOSERS
        if depth == 0:
            return i
    return len(tokens) - 1


def said_by(tokens):
    """What the literals of some tokens say, with gaps for the values."""
    parts = [t.literal or (GAP if t.text.isidentifier() else "") for t in tokens]
    return "".join(parts)


def tidy(text):
    """One line, printf conversions as gaps, no two gaps in a row."""
    text = CONVERSION.sub(GAP, text).replace("%%", "%")
    text = re.sub(rf"%?{GAP}+", GAP, text)  # "%" PRId64 is a conversion too
    # A value directly before the text is an argument, as in fail(code, "text").
    text = re.sub(rf"^{GAP}(?=[\w'])", "", text)
    return re.sub(r"\s+", " ", text).strip()


# ===-----------------------------------------------------------------------===#
# Messages with a tag
# ===-----------------------------------------------------------------------===#


def find_messages(source):
    """All tagged messages of a source text."""
    tokens = tokenize(source)
    messages = []
    for at, token in enumerate(tokens):
        if token.literal is None or "[moe-" not in token.literal:
            continue
        rest, names = text_after(tokens, at)
        text = tidy(text_before(tokens, at) + token.literal + rest)
        for tag in TAG_WITH_GAP.findall(text[text.rfind("[moe-") :]):
            for name in expand(tokens, at, tag, names):
                messages.append(Message(name, text.replace(tag, name)))
    return messages


def text_before(tokens, at):
    """What precedes a literal in its message."""
    parts = []
    i = at - 1
    while i >= 0:
        token = tokens[i]
        if token.text in CLOSERS:
            start = opening(tokens, i)
            group = tokens[start - 1 : i + 1]
            if any(t.text in EMITTERS for t in group):
                parts.append(said_by(tokens[first_literal(tokens, start - 1, i) : i]))
                return joined(parts)
            parts.append(GAP)
            i = start
        elif token.text in CLOSERS.values() or token.text in STOPS:
            break
        elif token.literal is not None:
            parts.append(token.literal)
        elif token.text not in ("<<", "+", ","):
            parts.append(GAP)
        i -= 1
    declared = declaration_of(tokens, i + 1)
    return (declared + GAP if declared else "") + joined(parts)


def joined(parts):
    """Parts that were found from the end, in order."""
    return "".join(reversed(parts))


def first_literal(tokens, start, end):
    """Index of the first string literal from `start`, or `end`."""
    literals = (i for i in range(start, end) if tokens[i].literal is not None)
    return next(literals, end)


def declaration_of(tokens, at):
    """What a diagnostic says that was begun as a variable, or nothing."""
    if tokens[at].text == "return":
        at += 1
    name = tokens[at].text
    if not name.isidentifier() or tokens[at + 1].text != "<<":
        return ""
    for i in range(at - 1, 1, -1):
        if [t.text for t in tokens[i - 2 : i + 1]] == ["InFlightDiagnostic", name, "="]:
            return GAP.join(t.literal for t in tokens[i:at] if t.literal is not None)
    return ""


def text_after(tokens, at):
    """What follows a literal up to the end of its tag.

    Returns the text and the names of the values in it.
    """
    literal = tokens[at].literal
    if "]" in literal[literal.rfind("[moe-") :]:
        return "", []
    text, names = "", []
    for i in range(at + 1, len(tokens)):
        token = tokens[i]
        if token.text in (";", "{", "}"):
            break
        if token.literal is not None:
            text += token.literal
            if "]" in token.literal:
                return text, names
        elif token.text.isidentifier():
            text += GAP
            names.append(token.text)
    return "", []


# ===-----------------------------------------------------------------------===#
# Tags that a function shared by several ops completes
# ===-----------------------------------------------------------------------===#


def expand(tokens, at, tag, names):
    """The tags that `moe-...-c1` stands for: one per call of the function."""
    if GAP not in tag:
        return [tag]
    function, parameters = enclosing_function(tokens, at)
    if not names or names[0] not in parameters:
        return []
    index = parameters.index(names[0])
    found = []
    for i in range(len(tokens) - 1):
        if tokens[i].text == function and tokens[i + 1].text == "(":
            arguments = split_arguments(tokens, i + 1)
            argument = arguments[index] if index < len(arguments) else []
            if len(argument) == 1 and argument[0].literal is not None:
                found.append(tag.replace(GAP, argument[0].literal))
    return found


def enclosing_function(tokens, at):
    """Name and parameter names of the function around a token."""
    i = at
    while i > 0:
        i -= 1
        if tokens[i].text in CLOSERS:
            i = opening(tokens, i)
        elif tokens[i].text == "{" and tokens[i - 1].text == ")":
            start = opening(tokens, i - 1)
            name = tokens[start - 1].text
            if name.isidentifier() and name not in ("if", "for", "while", "switch"):
                return name, [
                    parameter_name(p) for p in split_arguments(tokens, start)
                ]
    return "", []


def split_arguments(tokens, start):
    """Lists of tokens between the commas of a bracket."""
    arguments, depth = [[]], 0
    for token in tokens[start + 1 : closing(tokens, start)]:
        depth += token.text in CLOSERS.values() or token.text == "<"
        depth -= token.text in CLOSERS or token.text == ">"
        if token.text == "," and depth == 0:
            arguments.append([])
        else:
            arguments[-1].append(token)
    return arguments


def parameter_name(tokens):
    texts = [token.text for token in tokens]
    texts = texts[: texts.index("=")] if "=" in texts else texts
    return texts[-1] if texts else ""


# ===-----------------------------------------------------------------------===#
# Messages without a tag
# ===-----------------------------------------------------------------------===#


def find_untagged(source):
    """Messages of emitters that have no tag."""
    tokens = tokenize(source)
    found = []
    for at in range(len(tokens) - 1):
        if tokens[at].text not in EMITTERS or tokens[at + 1].text != "(":
            continue
        after = closing(tokens, at + 1) + 1
        if after < len(tokens) and tokens[after].text == "{":
            continue  # the definition of an emitter
        said = [t.literal for t in statement(tokens, at) if t.literal is not None]
        words = re.search(r"[A-Za-z]", tidy(" ".join(said)))
        if words and not any("[moe-" in literal for literal in said):
            found.append(tidy(GAP.join(said)))
    return found


def statement(tokens, at):
    """Tokens from an emitter to the end of its statement, or of its block when
    the diagnostic is kept in a variable and completed later."""
    begun = [t.text for t in tokens[max(0, at - 8) : at]]
    to_block_end = "InFlightDiagnostic" in begun and begun[-1] not in STOPS[:1]
    to_block_end = to_block_end and "=" in begun
    depth = 0
    for i in range(at, len(tokens)):
        depth += tokens[i].text == "{"
        depth -= tokens[i].text == "}"
        if depth < 0 or (tokens[i].text == ";" and depth == 0 and not to_block_end):
            return tokens[at:i]
    return tokens[at:]

#===- mutate.py - Modules that are not quite what they were ----------------===#
#
# Part of the moe-mlir project, under the Apache License v2.0 with LLVM
# Exceptions. See LICENSE for license information.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#
#===------------------------------------------------------------------------===#

import re

TOKEN = re.compile(r'"[^"\n]*"|[%@#!^][\w$.#:]*|[A-Za-z_][\w.]*|-?\d[\w.+]*|->|[^\s\w]')
NUMBER = re.compile(r"(?<![\w%@#.])-?\d+(?![\w.])")
SSA = re.compile(r"%\w+")
OPERATION = re.compile(r"\b(?:moe|linalg|arith|math|tensor|scf|func)\.\w+")
TYPE = re.compile(
    r"(?:tensor|!moe\.bank|memref)<[^<>]*>|\b(?:f32|bf16|f16|i32|index)\b|\?"
)
ATTRIBUTE = re.compile(r"[\w.]+ = (?:#moe\.\w+(?:<[^<>]*>)?|[^,{}<>\[\]]+)(?:, )?")
KEYWORD = re.compile(
    r"\b(?:ins|outs|to|into|banks|weights|passthrough|position|bias|table|softmax|sigmoid|"
    r"identity|zero|residual|topk|sequential|selected|threshold|fixed|tokens|parallel|"
    r"reduction|from|private|return|iter_args|dimensions|capacity|segments|rows)\b"
)

NUMBERS = [
    "0",
    "1",
    "-1",
    "2",
    "3",
    "7",
    "2147483648",
    "9223372036854775807",
    "9223372036854775808",
]
TYPES = [
    "?",
    "f32",
    "i32",
    "index",
    "bf16",
    "f64",
    "tensor<?x4xf32>",
    "tensor<*xf32>",
    "tensor<4xf32>",
    "tensor<f32>",
    "tensor<0x4xf32>",
    "memref<4x4xf32>",
    "!moe.bank<2x4x4xf32>",
]


def replaced(text, begin, end, new):
    """Returns the text with another piece between two places."""
    return text[:begin] + new + text[end:]


def one_of(choices, pattern, text):
    """Returns a match of `pattern`, or None where there is none."""
    found = list(pattern.finditer(text))
    return choices.pick(found) if found else None


def change_line(choices, text):
    """Deletes, doubles or swaps a line."""
    lines = text.splitlines(keepends=True)
    if not lines:
        return text
    i = choices.below(len(lines))
    how = choices.below(3)
    if how == 0:
        del lines[i]
    elif how == 1:
        lines.insert(i, lines[i])
    else:
        j = choices.below(len(lines))
        lines[i], lines[j] = lines[j], lines[i]
    return "".join(lines)


def change_token(choices, text):
    """Deletes or doubles a token."""
    token = one_of(choices, TOKEN, text)
    if token is None:
        return text
    new = "" if choices.below(2) == 0 else f"{token[0]} {token[0]}"
    return replaced(text, *token.span(), new)


def change_number(choices, text):
    """Replaces a number by one that is rarely right."""
    found = one_of(choices, NUMBER, text)
    if found is None:
        return text
    return replaced(text, *found.span(), choices.pick(NUMBERS))


def change_extent(choices, text):
    """Replaces a size in a type."""
    found = one_of(choices, re.compile(r"(?<=[<x])(?:\d+|\?)(?=x)"), text)
    if found is None:
        return text
    return replaced(text, *found.span(), choices.pick(["?", *NUMBERS]))


def change_type(choices, text):
    """Replaces a type, or a part of one, by another."""
    found = one_of(choices, TYPE, text)
    if found is None:
        return text
    others = [m[0] for m in TYPE.finditer(text)] + TYPES
    return replaced(text, *found.span(), choices.pick(others))


def change_name(choices, text):
    """Replaces an SSA value by another one, or swaps the two."""
    first = one_of(choices, SSA, text)
    second = one_of(choices, SSA, text)
    if first is None:
        return text
    if choices.below(2) == 0 or first.start() >= second.start():
        return replaced(text, *first.span(), second[0])
    text = replaced(text, *second.span(), first[0])
    return replaced(text, *first.span(), second[0])


def change_operation(choices, text):
    """Replaces the name of an operation by another one of the text."""
    first = one_of(choices, OPERATION, text)
    second = one_of(choices, OPERATION, text)
    if first is None:
        return text
    return replaced(text, *first.span(), second[0])


def drop_attribute(choices, text):
    """Deletes an attribute."""
    found = one_of(choices, ATTRIBUTE, text)
    return replaced(text, *found.span(), "") if found else text


def change_keyword(choices, text):
    """Replaces a keyword by another one of the text."""
    first = one_of(choices, KEYWORD, text)
    second = one_of(choices, KEYWORD, text)
    if first is None:
        return text
    return replaced(text, *first.span(), second[0])


def truncate(choices, text):
    """Ends the text somewhere."""
    return text[: choices.below(len(text) + 1)]


MUTATIONS = [
    change_line,
    change_token,
    change_number,
    change_extent,
    change_type,
    change_name,
    change_operation,
    drop_attribute,
    change_keyword,
    change_number,
    change_name,
    truncate,
]


def mutate(choices, text):
    """Returns the text of a module after one to four mutations.

    The comments at its begin, which say how it is run, stay as they are.
    """
    lines = text.splitlines(keepends=True)
    kept = 0
    while kept < len(lines) and lines[kept].startswith("// "):
        kept += 1
    head, body = "".join(lines[:kept]), "".join(lines[kept:])
    for _ in range(1 + choices.below(4)):
        body = choices.pick(MUTATIONS)(choices, body)
    return head + body

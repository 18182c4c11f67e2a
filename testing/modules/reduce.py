#===- reduce.py - Smaller modules that fail in the same way ----------------===#
#
# Part of the moe-mlir project, under the Apache License v2.0 with LLVM
# Exceptions. See LICENSE for license information.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#
#===------------------------------------------------------------------------===#

from choices import Choices
from generate import generate

MOST_CALLS = 400


def size_of(recorded):
    """Returns what makes a list small: the length of its module, then the list."""
    return len(generate(Choices(recorded=recorded))), len(recorded), recorded


def trimmed(recorded):
    """Returns the list without the zeros at its end, which are read in any case."""
    recorded = list(recorded)
    while recorded and recorded[-1] == 0:
        recorded.pop()
    return recorded


class Reducer:
    """Looks for the smallest list for which `fails` holds, with few calls of it."""

    def __init__(self, recorded, fails, most_calls):
        self._fails = fails
        self._calls_left = most_calls
        self._known = {}
        self.best = trimmed(recorded)
        self._size = size_of(self.best)

    @property
    def is_done(self):
        """Whether no calls are left."""
        return self._calls_left <= 0

    def attempt(self, candidate):
        """Takes `candidate` over if it is smaller and fails; returns whether it did."""
        candidate = trimmed(candidate)
        key = tuple(candidate)
        if self.is_done or key in self._known:
            return False
        size = size_of(candidate)
        self._known[key] = True
        if size >= self._size:
            return False
        self._calls_left -= 1
        if not self._fails(candidate):
            return False
        self.best, self._size = candidate, size
        return True

    def change_chunks(self, replacement):
        """Replaces runs of numbers, the long ones first, by `replacement(length)`."""
        length = max(len(self.best) // 2, 1)
        while length:
            start = 0
            while start < len(self.best) and not self.is_done:
                end = start + length
                held = self.best[start:end]
                changed = self.best[:start] + replacement(len(held)) + self.best[end:]
                if not self.attempt(changed):
                    start += length
            length //= 2

    def lower_numbers(self):
        """Makes single numbers 0, half of what they are, or one less."""
        position = 0
        while position < len(self.best) and not self.is_done:
            number = self.best[position]
            for lower in sorted({0, number // 2, number - 1}):
                if 0 <= lower < number and self.attempt(
                    self.best[:position] + [lower] + self.best[position + 1 :]
                ):
                    break
            position += 1

    def run(self):
        """Changes the list until nothing makes it smaller."""
        before = None
        while before != self.best and not self.is_done:
            before = self.best
            self.change_chunks(lambda length: [])
            self.change_chunks(lambda length: [0] * length)
            self.lower_numbers()
        return self.best


def reduce(recorded, fails, most_calls=MOST_CALLS):
    """Returns the smallest list found for which `fails` holds, as it does for `recorded`.

    `fails` gets a list of numbers, as `Choices.recorded` is one, and is called at most
    `most_calls` times. Small is a short module, then a short list.
    """
    return Reducer(recorded, fails, most_calls).run()

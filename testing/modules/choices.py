#===- choices.py - Where all randomness of modules comes from --------------===#
#
# Part of the moe-mlir project, under the Apache License v2.0 with LLVM
# Exceptions. See LICENSE for license information.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#
#===------------------------------------------------------------------------===#

import random


class Choices:
    """A sequence of numbers that decides what is generated.

    From a seed the numbers are drawn, from a recorded list they are read again: past
    its end every number is 0. Number 0 always stands for the simplest alternative, so
    that smaller numbers and shorter lists give smaller modules.
    """

    def __init__(self, seed=None, recorded=None):
        self._random = None if seed is None else random.Random(seed)
        self._given = list(recorded or [])
        self.recorded = []

    def below(self, n):
        """Returns a number in [0, n)."""
        if n < 1:
            raise ValueError(f"expected at least one alternative, got {n}")
        position = len(self.recorded)
        if self._random is not None:
            number = self._random.randrange(n)
        elif position < len(self._given):
            number = self._given[position] % n
        else:
            number = 0
        self.recorded.append(number)
        return number

    def chance(self, percent):
        """Returns whether something happens that does so in `percent` of all cases."""
        return self.below(100) >= 100 - percent

    def pick(self, alternatives):
        """Returns one of `alternatives`, which begin with the simplest."""
        return alternatives[self.below(len(alternatives))]

    def count(self, most, percent):
        """Returns how often in a row, up to `most` times, something happens."""
        number = 0
        while number < most and self.chance(percent):
            number += 1
        return number

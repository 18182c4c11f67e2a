#!/usr/bin/env python3
#===- test_models.py - Tests what models.py computes and writes -----------===#
#
# Part of the moe-mlir project, under the Apache License v2.0 with LLVM
# Exceptions. See LICENSE for license information.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#
#===------------------------------------------------------------------------===#

import unittest
from types import SimpleNamespace

import models


def make_round(ours, peer, peak):
    """A round in which our prompt takes `ours` seconds and a token a tenth."""
    return {
        "limits": {"peak_gops": peak, "read_gbps": 2.0},
        "ours": {
            "prefill_seconds": ours,
            "decode_seconds": ours / 10,
            "compile_seconds": 1.0,
            "load_seconds": 1.0,
            "ids": [1, 2, 3],
        },
        "peers": {
            "float32": {
                "prefill_seconds": peer,
                "decode_seconds": peer,
                "ids": [1, 2, 4],
            }
        },
    }


class Summary(unittest.TestCase):
    def setUp(self):
        self.model = SimpleNamespace(
            name="m",
            layers=2,
            prompt_flops=lambda tokens: tokens * 10**9,
            token_bytes=lambda past: 10**8,
        )
        self.options = SimpleNamespace(prompt=100, new=3)

    def test_fractions_are_of_the_same_round(self):
        rounds = [make_round(1, 2, 200), make_round(2, 2, 100), make_round(4, 2, 50)]
        row = models.summarize(self.model, self.options, "f32", rounds)
        self.assertAlmostEqual(row["fraction_of_peak"], 0.5)
        self.assertAlmostEqual(row["prefill_tokens_per_second"], 50)
        # Two tokens follow the first one: 2e8 bytes in 0.2 s, of 2 GB/s.
        self.assertAlmostEqual(row["fraction_of_read_bandwidth"], 0.5)
        peer = row["transformers_float32"]
        self.assertAlmostEqual(peer["prefill_of_ours"], 1)
        self.assertAlmostEqual(peer["decode_of_ours"], 10)
        self.assertEqual(peer["same_ids"], 2)

    def test_spread_is_of_all_rounds(self):
        rounds = [make_round(seconds, 2, 200) for seconds in (1, 2, 4)]
        row = models.summarize(self.model, self.options, "f32", rounds)
        self.assertAlmostEqual(row["prefill_spread"], 1.5)
        self.assertAlmostEqual(row["decode_spread"], 1.5)

    def test_a_line_has_as_many_cells_as_the_head(self):
        row = models.summarize(
            self.model, self.options, "f32", [make_round(1, 2, 200)]
        )
        self.assertEqual(models.as_line(row).count("|"), len(models.COLUMNS) + 1)


class Needs(unittest.TestCase):
    def test_products_and_bytes(self):
        model = models.Model.__new__(models.Model)
        model.layers, model.per_token, model.output = 2, 100, 10
        model.query_width, model.kv_width = 8, 4
        # 3 tokens see 1 + 2 + 3 positions.
        self.assertEqual(model.prompt_flops(3), 600 + 20 + 4 * 8 * 6 * 2)
        self.assertEqual(model.token_bytes(5), 220 + 2 * 4 * 5 * 2 * 4)


if __name__ == "__main__":
    unittest.main()

#!/usr/bin/env python3
#===- test_properties.py - Tests what properties.py makes of figures ------===#
#
# Part of the moe-mlir project, under the Apache License v2.0 with LLVM
# Exceptions. See LICENSE for license information.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#
#===------------------------------------------------------------------------===#

import unittest
import unittest.mock

import properties

LOADING = {
    "what": "m",
    "file_bytes": 2e6,
    "cache_bytes": 1e6,
    "times": [
        {"file": 1.0, "packing": 2.0, "cache": 1.0, "reading": 1.0},
        {"file": 2.0, "packing": 3.0, "cache": 2.0, "reading": 2.5},
        {"file": 4.0, "packing": 4.0, "cache": 1.0, "reading": 3.0},
    ],
}
CELL = {
    "experts": 8,
    "top_k": 2,
    "hidden": 64,
    "width": 96,
    "tokens": 5,
    "dtype": "int8",
    "load": "one",
    "experts_hit": 2,
    "tokens_per_expert_max": 5,
    "flops": 4e9,
    "peak_gops": 1000.0,
    "weight_bytes": 3e7,
    "read_gbps": 10.0,
    "median_ms": 5.0,
    "spread": 0.05,
    "speedup": 1.9,
    "one_thread": {"median_ms": 9.5, "spread": 0.01, "peak_gops": 500.0},
}


class Lines(unittest.TestCase):
    def test_overhead_is_what_does_not_grow_with_the_width(self):
        triples = [[10, 2, 3], [20, 3, 5], [40, 2, 3.5]]
        row = {"shape": "s", "dtype": "f32", "triples": triples}
        self.assertEqual(
            properties.overhead_line(row), "| s | f32 | 20.00 | 0.50 | 2.5% | 2.5% |"
        )

    def test_threads(self):
        self.assertEqual(
            properties.threads_line(CELL),
            "| 8,2,64,96 | int8 | one | 5 | 9.50 | 5.00 | 1.90 | 2.00 | 1%, 5% |",
        )

    def test_a_machine_with_one_core_is_asked_again(self):
        slow = {**CELL, "peak_gops": 500.0}
        with unittest.mock.patch.object(properties, "bench", side_effect=[slow, CELL]):
            self.assertIs(properties.bench_with_two_cores(), CELL)
        with unittest.mock.patch.object(properties, "bench", return_value=slow):
            self.assertIs(properties.bench_with_two_cores(), slow)

    def test_experts(self):
        self.assertEqual(
            properties.experts_line(CELL),
            "| 8,2,64,96 | 2 | 30 | peak | 4.00 | 5.00 | 5% | 80% |",
        )

    def test_compiling(self):
        row = {"what": "a model", "seconds": [1.0, 2.0, 1.5]}
        self.assertEqual(properties.compiling_line(row), "| a model | 1.50 | 67% |")

    def test_loading_is_compared_within_rounds(self):
        self.assertEqual(
            properties.loading_line(LOADING),
            "| m | 2 | 3.00 (67%) | 1.50 | 1 | 2.50 (80%) | 1.25 |",
        )

    def test_lines_have_as_many_cells_as_the_head(self):
        rows = {
            "overhead": {"shape": "s", "dtype": "f32", "triples": [[1, 1, 1]]},
            "threads": CELL,
            "experts": CELL,
            "compiling": {"what": "a model", "seconds": [1.0]},
            "loading": LOADING,
        }
        for name, (_, as_line, _, columns) in properties.TABLES.items():
            self.assertEqual(as_line(rows[name]).count("|"), len(columns) + 1)


if __name__ == "__main__":
    unittest.main()

#!/usr/bin/env python3
#===- test_performance.py - Tests what performance.py makes of figures ----===#
#
# Part of the moe-mlir project, under the Apache License v2.0 with LLVM
# Exceptions. See LICENSE for license information.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#
#===------------------------------------------------------------------------===#

import unittest
import unittest.mock

import performance

CELL = {
    "experts": 8,
    "top_k": 2,
    "hidden": 64,
    "width": 96,
    "tokens": 5,
    "dtype": "int8",
    "flops": 4e9,
    "peak_gops": 1000.0,
    "weight_bytes": 3e7,
    "read_gbps": 10.0,
    "median_ms": 6.0,
    "spread": 0.05,
}


def engine(of_ours, error):
    return {"of_ours": of_ours, "error": error}


class Rows(unittest.TestCase):
    def test_row(self):
        self.assertEqual(
            performance.row(CELL, None),
            "| 8,2,64,96 | 5 | int8 | peak | 4.00 | 6.00 | 5% | 67% |  |  |",
        )

    def test_the_larger_limit_binds(self):
        self.assertEqual(performance.predicted(CELL), (4.0, "peak"))
        slow = {**CELL, "read_gbps": 5.0}
        self.assertEqual(performance.predicted(slow), (6.0, "memory"))

    def test_the_process_in_the_middle_counts(self):
        cells = [{**CELL, "median_ms": ms} for ms in (9.0, 5.0, 6.0)]
        with unittest.mock.patch.object(performance, "run_bench", side_effect=cells):
            cell = performance.measure("8,2,64,96", 5, "int8", 3)
        self.assertEqual(cell["median_ms"], 6.0)

    def test_fastest_other(self):
        report = {
            "engines": {
                performance.compare.OURS: engine(1.0, 0.01),
                "slow": engine(2.0, 0.001),
                "fast": engine(0.9, 0.02),
                "absent": engine(None, None),
            }
        }
        self.assertEqual(performance.fastest(report), ("fast 0.90", "1.0e-02, 2.0e-02"))

    def test_no_other_runs(self):
        report = {"engines": {performance.compare.OURS: engine(1.0, 0.01)}}
        self.assertEqual(performance.fastest(report), ("none runs", ""))

    def test_rows_have_as_many_cells_as_the_head(self):
        report = {"engines": {performance.compare.OURS: engine(1.0, 0.01)}}
        for row in performance.row(CELL, None), performance.row(CELL, report):
            self.assertEqual(row.count("|"), len(performance.COLUMNS) + 1)


if __name__ == "__main__":
    unittest.main()

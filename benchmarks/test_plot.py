#!/usr/bin/env python3
#===- test_plot.py - Tests what plot.py draws -----------------------------===#
#
# Part of the moe-mlir project, under the Apache License v2.0 with LLVM
# Exceptions. See LICENSE for license information.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#
#===------------------------------------------------------------------------===#

import unittest
import xml.etree.ElementTree as xml

import page
import plot

TABLE = """
| 9,9,9,9 | 1 | f32 | of another table | 1 | 1 | 1% | 1% |  |  |
<!-- table -->
| E,k,H,F | tokens | dtype | limit | predicted ms | measured ms | spread | reached | f | e |
| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |
| 8,2,4,4 | 1 | f32 | memory | 1 | 1 | 1% | 60% | a<b 1.20 | 1, 2 |
| 8,2,4,4 | 1 | int4 | memory | 1 | 1 | 1% | 150% |  |  |
| 8,2,4,4 | 64 | f32 | peak | 1 | 1 | 1% | 90% | none runs |  |
| 64,6,4,4 | 1 | f32 | memory | 1 | 1 | 1% | 30% | c 0.60 | 1, 2 |
<!-- end of table -->
"""


class Plot(unittest.TestCase):
    def test_cells(self):
        cells = plot.read_cells(TABLE)
        self.assertEqual([cell.tokens for cell in cells], [1, 1, 64, 1])
        self.assertAlmostEqual(cells[0].reached, 0.6)
        self.assertAlmostEqual(cells[0].other, 0.5)
        self.assertIsNone(cells[1].other)
        self.assertIsNone(cells[2].other)
        self.assertAlmostEqual(cells[3].other, 0.5)

    def test_picture(self):
        cells = plot.read_cells(TABLE)
        picture = xml.fromstring(plot.draw(cells))
        name = "{http://www.w3.org/2000/svg}"
        heights = [
            float(bar.get("height"))
            for bar in picture.iter(f"{name}rect")
            if bar.find(f"{name}title") is not None and bar.get("fill") != "#000000"
        ]
        # What is above the picture ends at its border.
        for cell, height in zip(cells, heights, strict=True):
            expected = plot.PLOT_HEIGHT * min(cell.reached, plot.MOST) / plot.MOST
            self.assertAlmostEqual(height, expected, delta=0.1)
        titles = [title.text for title in picture.iter(f"{name}title")]
        self.assertIn("f32, 1 tokens: 60% of the limit", titles)
        self.assertEqual(titles.count("fastest other engine: 50%"), 2)

    def test_the_picture_is_that_of_the_page(self):
        cells = plot.read_cells(page.PAGE.read_text())
        self.assertEqual(plot.PICTURE.read_text(), plot.draw(cells))


if __name__ == "__main__":
    unittest.main()

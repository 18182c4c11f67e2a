#!/usr/bin/env python3
#===- test_page.py - Tests what page.py replaces --------------------------===#
#
# Part of the moe-mlir project, under the Apache License v2.0 with LLVM
# Exceptions. See LICENSE for license information.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#
#===------------------------------------------------------------------------===#

import tempfile
import unittest
import unittest.mock
from pathlib import Path

import page

OTHER = "before\n<!-- a -->\nkept\n<!-- end of a -->\n"
TABLE = """<!-- b -->
old note

| x | y |
| --- | --- |
| 1 | one |
| 2 | two |
<!-- end of b -->
after
"""


class Page(unittest.TestCase):
    def write(self, text, *arguments, **options):
        """What becomes of a page with `text`."""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "page.md"
            path.write_text(text)
            with unittest.mock.patch.object(page, "PAGE", path):
                page.write(*arguments, **options)
            return path.read_text()

    def test_lines_that_were_not_measured_stay(self):
        lines = [page.line((3, "three")), page.line((1, "ONE"))]
        text = self.write(OTHER + TABLE, "b", ("x", "y"), lines, keys=1, note="new note")
        self.assertEqual(
            text,
            OTHER
            + """<!-- b -->
new note

| x | y |
| --- | --- |
| 1 | ONE |
| 2 | two |
| 3 | three |
<!-- end of b -->
after
""",
        )

    def test_lines_of_other_columns_go(self):
        text = self.write(TABLE, "b", ("x", "y", "z"), ["| 1 | 2 | 3 |"], keys=1)
        self.assertNotIn("one", text)
        self.assertIn("| 1 | 2 | 3 |", text)

    def test_an_empty_table_is_filled(self):
        text = self.write("<!-- c -->\n<!-- end of c -->", "c", ("x",), ["| 1 |"], keys=1)
        self.assertEqual(text, "<!-- c -->\n| x |\n| --- |\n| 1 |\n<!-- end of c -->")

    def test_a_page_without_the_table_is_kept(self):
        with self.assertRaises(SystemExit):
            self.write(OTHER, "b", ("x",), [], keys=1)


if __name__ == "__main__":
    unittest.main()

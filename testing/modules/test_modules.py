#!/usr/bin/env python3
#===- test_modules.py - Tests what makes modules ---------------------------===#
#
# Part of the moe-mlir project, under the Apache License v2.0 with LLVM
# Exceptions. See LICENSE for license information.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#
#===------------------------------------------------------------------------===#

import re
import sys
import unittest
from collections import Counter

from choices import Choices
from formulas import FORMULAS
from generate import generate, generate_module
from mutate import MUTATIONS, mutate
from reduce import reduce

SEEDS = 300

# What the seeds must reach between them, besides all formulas.
FEATURES = """
across_rows as_contract as_generic as_generic_product as_kind as_map as_matmul as_named
as_tensors as_transpose bank_columns_window bank_every_other_column bank_interleaved
bank_listed bank_parameter bank_rows_window bank_stacked bank_transposed
body_yields_constant body_yields_rows body_yields_vector call_in_body captured_scalar
captured_weight computed_weight expert_index experts_different experts_equal
experts_nearly experts_uniform fpowi_in_reduction function_called_twice
function_returns_argument gated_products generic_reads_outs generic_reduction
identity_experts if_on_expert if_on_row_count if_on_scalar if_two_results init_bias
init_constant init_rows init_window layer_in_branch layer_in_function layer_in_loop layer_norm
layers_0 layers_1 layers_2 layers_3 linalg_elementwise linalg_named linalg_reduce
logits_computed logits_moved loop_two_values loss_fraction_probability loss_importance_cv2 loss_z
low_rank make_bank matrix_again overflow_residual overflow_zero passthrough per_column
plan_batch_priority plan_capacity plan_capacity_rule plan_priority_scores
plan_renormalize plan_rows plan_segments plan_without_router product_by_fma
product_in_out product_out_in product_with_unary reduce_by_op residual
result_counts result_ids result_ignores_products result_in_batches result_is_argument
result_kept result_loss result_scores result_weights rms_norm router_bias router_domain
router_expert_scale router_group_limit router_key router_logit_norm router_normalize
router_scale router_scores router_sequential router_table router_threshold row_count
row_extreme row_index rows_i8 scalar_from_outside scalar_in_body scf_for scf_if scf_while
score_identity score_sigmoid score_softmax score_sqrt_softplus second_symbol
slices_arguments slices_bank slices_columns slices_computed slices_plain slices_same
slices_stacked slices_stacked_argument slices_strided softmax tied_result tokens_batches
tokens_dynamic tokens_static weight_bf16 weight_cast_up weight_changed_in_body weight_f16
weight_window weights_at_input while_of_rows window_of_buffer window_of_slice
written_softmax zero_experts
""".split()


class ChoicesTest(unittest.TestCase):
    def test_a_recorded_list_is_read_again(self):
        first = Choices(seed=3)
        drawn = [
            first.below(7),
            first.chance(50),
            first.pick("abc"),
            first.count(5, 90),
        ]
        again = Choices(recorded=first.recorded)
        self.assertEqual(
            drawn,
            [again.below(7), again.chance(50), again.pick("abc"), again.count(5, 90)],
        )
        self.assertEqual(first.recorded, again.recorded)

    def test_past_the_end_is_the_simplest(self):
        choices = Choices(recorded=[5])
        self.assertEqual([choices.below(3), choices.below(3)], [2, 0])
        self.assertFalse(choices.chance(99))
        self.assertTrue(choices.chance(100))
        self.assertEqual(choices.pick("xyz"), "x")
        self.assertEqual(choices.recorded, [2, 0, 0, 0, 0])


class GenerateTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.modules = []
        for seed in range(SEEDS):
            choices = Choices(seed=seed)
            cls.modules.append((choices, generate_module(choices)))

    def test_all_features_occur(self):
        found = Counter()
        for _, module in self.modules:
            found.update(module.features.keys())
        formulas = [formula.name for arity in FORMULAS.values() for formula in arity]
        missing = [name for name in [*FEATURES, *formulas] if not found[name]]
        self.assertEqual(missing, [])

    def test_a_recorded_list_gives_the_same_text(self):
        for choices, module in self.modules[:100]:
            self.assertEqual(
                generate(Choices(recorded=choices.recorded)), module.text()
            )

    def test_zeros_give_the_smallest_module(self):
        smallest = generate(Choices(recorded=[]))
        self.assertEqual(smallest, generate(Choices(recorded=[0] * 50)))
        lengths = [len(module.text()) for _, module in self.modules]
        self.assertLessEqual(len(smallest), min(lengths))

    def test_directives(self):
        for _, module in self.modules:
            text = module.text()
            symbols = set(re.findall(r"^// size: (\w+)=\d+$", text, re.M))
            shapes = " ".join(re.findall(r"moe.shape = \[[^\]]*\]", text))
            named = {
                s
                for size in re.findall(r'"([^"]*)"', shapes)
                for s in size.split(" * ")
            }
            self.assertEqual(symbols, named)
            self.assertRegex(text, r"(?m)^// tolerance: [135]e-[235]$")
            rounds = re.search(r"arith.truncf .* to .*(bf16|f16)", text)
            tolerance = re.search(r"// tolerance: (\S+)", text)[1]
            self.assertEqual(tolerance in ("5e-3", "3e-2"), bool(rounds))

    def test_names_are_defined_once(self):
        for _, module in self.modules:
            names = re.findall(r"^ *(%\w+)(?::\d+)? = ", module.text(), re.M)
            self.assertEqual(len(names), len(set(names)))

    def test_sizes(self):
        lengths = sorted(len(module.text()) for _, module in self.modules)
        self.assertLess(lengths[SEEDS // 2], 8000)
        self.assertLess(lengths[-1], 60000)


class ReduceTest(unittest.TestCase):
    def test_a_feature_is_found_with_little_else(self):
        seed = 0
        while "softmax" not in generate_module(Choices(seed=seed)).features:
            seed += 1
        choices, calls = Choices(seed=seed), []
        generate(choices)

        def fails(recorded):
            calls.append(recorded)
            return "linalg.softmax" in generate(Choices(recorded=recorded))

        small = reduce(choices.recorded, fails)
        self.assertTrue(fails(small))
        self.assertLessEqual(len(calls), 401)
        self.assertLess(len(small), 60)
        self.assertLess(len(generate(Choices(recorded=small))), 1700)

    def test_calls_are_bounded(self):
        choices, calls = Choices(seed=5), []
        generate(choices)

        def fails(recorded):
            calls.append(recorded)
            return len(calls) % 3 == 0

        reduce(choices.recorded, fails, 17)
        self.assertLessEqual(len(calls), 17)

    def test_what_always_fails_becomes_the_smallest(self):
        choices = Choices(seed=7)
        generate(choices)
        self.assertEqual(reduce(choices.recorded, lambda recorded: True), [])


class MutateTest(unittest.TestCase):
    def test_mutations_are_reproducible_and_change_text(self):
        changed = 0
        text = generate(Choices(seed=8))
        for seed in range(100):
            choices = Choices(seed=seed)
            mutated = mutate(choices, text)
            self.assertEqual(mutated, mutate(Choices(recorded=choices.recorded), text))
            changed += mutated != text
        self.assertGreater(changed, 90)

    def test_directives_stay(self):
        text = generate(Choices(seed=3))
        head = [line for line in text.splitlines() if line.startswith("// ")]
        for seed in range(100):
            mutated = mutate(Choices(seed=seed), text)
            self.assertEqual(mutated.splitlines()[: len(head)], head)

    def test_every_mutation_stands_any_text(self):
        for mutation in MUTATIONS:
            for text in ("", "\n", "x", generate(Choices(seed=2))):
                for seed in range(5):
                    self.assertIsInstance(mutation(Choices(seed=seed), text), str)


if __name__ == "__main__":
    result = unittest.main(exit=False).result
    failed = len({str(test) for test, _ in result.failures + result.errors})
    print(f"{result.testsRun - failed} passed, {failed} failed")
    sys.exit(not result.wasSuccessful())

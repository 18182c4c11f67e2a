// One computation in every form that experts have: a region for all, a region for
// each, moe.grouped_matmul. Each equals plain matmuls on slices. Expert 1 has no rows.

// REQUIRES: moe-run

// RUN: python3 %S/../Tools/moe-run/Inputs/write_safetensors.py %t.in offsets:I32:4:0,2,2,5
// RUN: moe-run %s --entry=slices --random-weights=3 --random-inputs=5 --output=%t.out
// RUN: moe-run %s --entry=one_region --random-weights=3 --random-inputs=5 --input offsets=%t.in:offsets --expect y=%t.out:y --rtol=1e-6 --atol=1e-6
// RUN: moe-run %s --entry=one_region --reference --random-weights=3 --random-inputs=5 --input offsets=%t.in:offsets --expect y=%t.out:y --rtol=1e-6 --atol=1e-6
// RUN: moe-run %s --entry=equal_regions --random-weights=3 --random-inputs=5 --input offsets=%t.in:offsets --expect y=%t.out:y --rtol=1e-6 --atol=1e-6
// RUN: moe-run %s --entry=equal_regions --reference --random-weights=3 --random-inputs=5 --input offsets=%t.in:offsets --expect y=%t.out:y --rtol=1e-6 --atol=1e-6
// RUN: moe-run %s --entry=a_region_each --random-weights=3 --random-inputs=5 --input offsets=%t.in:offsets --expect y=%t.out:y --rtol=1e-6 --atol=1e-6
// RUN: moe-run %s --entry=a_region_each --reference --random-weights=3 --random-inputs=5 --input offsets=%t.in:offsets --expect y=%t.out:y --rtol=1e-6 --atol=1e-6
// RUN: moe-run %s --entry=grouped_matmul --random-weights=3 --random-inputs=5 --input offsets=%t.in:offsets --expect y=%t.out:y --rtol=1e-6 --atol=1e-6
// RUN: moe-run %s --entry=grouped_matmul --reference --random-weights=3 --random-inputs=5 --input offsets=%t.in:offsets --expect y=%t.out:y --rtol=1e-6 --atol=1e-6

// Numbers that differ would make the comparisons above fail: these must.
// RUN: not moe-run %s --entry=one_region --random-weights=4 --random-inputs=5 --input offsets=%t.in:offsets --expect y=%t.out:y --rtol=1e-6 --atol=1e-6

// Equal bodies became one, bodies that differ stay as they are.
// RUN: moe-opt %s -moe-compile="stop-after=planned" | FileCheck %s
// CHECK-LABEL: func.func @equal_regions
// CHECK: moe.make_bank
// CHECK-LABEL: func.func @a_region_each
// CHECK-NOT: moe.make_bank
// CHECK-LABEL: func.func @grouped_matmul

#rows = affine_map<(r, m, j) -> (r, j)>
#weight = affine_map<(r, m, j) -> (m, j)>
#result = affine_map<(r, m, j) -> (r, m)>

moe.weight @w : !moe.bank<3x4x6xf32> from ["w.{e}"]

// Rows times the transposed weight, added to what the result holds.
func.func private @multiply(%rows: tensor<?x6xf32>, %w: tensor<4x6xf32>) -> tensor<?x4xf32> {
  %c0 = arith.constant 0 : index
  %zero = arith.constant 0.0 : f32
  %n = tensor.dim %rows, %c0 : tensor<?x6xf32>
  %e = tensor.empty(%n) : tensor<?x4xf32>
  %init = linalg.fill ins(%zero : f32) outs(%e : tensor<?x4xf32>) -> tensor<?x4xf32>
  %y = linalg.generic {indexing_maps = [#rows, #weight, #result],
                       iterator_types = ["parallel", "parallel", "reduction"]}
      ins(%rows, %w : tensor<?x6xf32>, tensor<4x6xf32>) outs(%init : tensor<?x4xf32>) {
  ^bb0(%a: f32, %b: f32, %sum: f32):
    %product = arith.mulf %a, %b : f32
    %next = arith.addf %sum, %product : f32
    linalg.yield %next : f32
  } -> tensor<?x4xf32>
  return %y : tensor<?x4xf32>
}

func.func @slices(%rows: tensor<5x6xf32> {moe.name = "rows"}) -> (tensor<5x4xf32> {moe.name = "y"}) {
  %c0 = arith.constant 0 : index
  %c2 = arith.constant 2 : index
  %bank = moe.get_weight @w : !moe.bank<3x4x6xf32>
  %w0 = moe.bank_slice %bank[%c0] : !moe.bank<3x4x6xf32> -> tensor<4x6xf32>
  %w2 = moe.bank_slice %bank[%c2] : !moe.bank<3x4x6xf32> -> tensor<4x6xf32>
  %s0 = tensor.extract_slice %rows[0, 0] [2, 6] [1, 1] : tensor<5x6xf32> to tensor<2x6xf32>
  %s2 = tensor.extract_slice %rows[2, 0] [3, 6] [1, 1] : tensor<5x6xf32> to tensor<3x6xf32>
  %r0 = tensor.cast %s0 : tensor<2x6xf32> to tensor<?x6xf32>
  %r2 = tensor.cast %s2 : tensor<3x6xf32> to tensor<?x6xf32>
  %d0 = func.call @multiply(%r0, %w0) : (tensor<?x6xf32>, tensor<4x6xf32>) -> tensor<?x4xf32>
  %d2 = func.call @multiply(%r2, %w2) : (tensor<?x6xf32>, tensor<4x6xf32>) -> tensor<?x4xf32>
  %y0 = tensor.cast %d0 : tensor<?x4xf32> to tensor<2x4xf32>
  %y2 = tensor.cast %d2 : tensor<?x4xf32> to tensor<3x4xf32>
  %y = tensor.concat dim(0) %y0, %y2 : (tensor<2x4xf32>, tensor<3x4xf32>) -> tensor<5x4xf32>
  return %y : tensor<5x4xf32>
}

func.func @one_region(%rows: tensor<5x6xf32> {moe.name = "rows"}, %offsets: tensor<4xi32> {moe.name = "offsets"})
    -> (tensor<5x4xf32> {moe.name = "y"}) {
  %bank = moe.get_weight @w : !moe.bank<3x4x6xf32>
  %y = moe.experts %rows, %offsets banks(%bank)
      : (tensor<5x6xf32>, tensor<4xi32>, !moe.bank<3x4x6xf32>) -> tensor<5x4xf32> {
  ^bb0(%r: tensor<?x6xf32>, %e: index, %w: tensor<4x6xf32>):
    %h = func.call @multiply(%r, %w) : (tensor<?x6xf32>, tensor<4x6xf32>) -> tensor<?x4xf32>
    moe.yield %h : tensor<?x4xf32>
  }
  return %y : tensor<5x4xf32>
}

func.func @equal_regions(%rows: tensor<5x6xf32> {moe.name = "rows"}, %offsets: tensor<4xi32> {moe.name = "offsets"})
    -> (tensor<5x4xf32> {moe.name = "y"}) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c2 = arith.constant 2 : index
  %bank = moe.get_weight @w : !moe.bank<3x4x6xf32>
  %w0 = moe.bank_slice %bank[%c0] : !moe.bank<3x4x6xf32> -> tensor<4x6xf32>
  %w1 = moe.bank_slice %bank[%c1] : !moe.bank<3x4x6xf32> -> tensor<4x6xf32>
  %w2 = moe.bank_slice %bank[%c2] : !moe.bank<3x4x6xf32> -> tensor<4x6xf32>
  %y = moe.experts %rows, %offsets : (tensor<5x6xf32>, tensor<4xi32>) -> tensor<5x4xf32> {
  ^bb0(%r: tensor<?x6xf32>):
    %h = func.call @multiply(%r, %w0) : (tensor<?x6xf32>, tensor<4x6xf32>) -> tensor<?x4xf32>
    moe.yield %h : tensor<?x4xf32>
  }, {
  ^bb0(%r: tensor<?x6xf32>):
    %h = func.call @multiply(%r, %w1) : (tensor<?x6xf32>, tensor<4x6xf32>) -> tensor<?x4xf32>
    moe.yield %h : tensor<?x4xf32>
  }, {
  ^bb0(%r: tensor<?x6xf32>):
    %h = func.call @multiply(%r, %w2) : (tensor<?x6xf32>, tensor<4x6xf32>) -> tensor<?x4xf32>
    moe.yield %h : tensor<?x4xf32>
  }
  return %y : tensor<5x4xf32>
}

// Expert 1 would give twice as much, had it any rows.
func.func @a_region_each(%rows: tensor<5x6xf32> {moe.name = "rows"}, %offsets: tensor<4xi32> {moe.name = "offsets"})
    -> (tensor<5x4xf32> {moe.name = "y"}) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c2 = arith.constant 2 : index
  %bank = moe.get_weight @w : !moe.bank<3x4x6xf32>
  %w0 = moe.bank_slice %bank[%c0] : !moe.bank<3x4x6xf32> -> tensor<4x6xf32>
  %w1 = moe.bank_slice %bank[%c1] : !moe.bank<3x4x6xf32> -> tensor<4x6xf32>
  %w2 = moe.bank_slice %bank[%c2] : !moe.bank<3x4x6xf32> -> tensor<4x6xf32>
  %y = moe.experts %rows, %offsets : (tensor<5x6xf32>, tensor<4xi32>) -> tensor<5x4xf32> {
  ^bb0(%r: tensor<?x6xf32>):
    %h = func.call @multiply(%r, %w0) : (tensor<?x6xf32>, tensor<4x6xf32>) -> tensor<?x4xf32>
    moe.yield %h : tensor<?x4xf32>
  }, {
  ^bb0(%r: tensor<?x6xf32>):
    %h = func.call @multiply(%r, %w1) : (tensor<?x6xf32>, tensor<4x6xf32>) -> tensor<?x4xf32>
    %twice = arith.addf %h, %h : tensor<?x4xf32>
    moe.yield %twice : tensor<?x4xf32>
  }, {
  ^bb0(%r: tensor<?x6xf32>):
    %h = func.call @multiply(%r, %w2) : (tensor<?x6xf32>, tensor<4x6xf32>) -> tensor<?x4xf32>
    moe.yield %h : tensor<?x4xf32>
  }
  return %y : tensor<5x4xf32>
}

func.func @grouped_matmul(%rows: tensor<5x6xf32> {moe.name = "rows"}, %offsets: tensor<4xi32> {moe.name = "offsets"})
    -> (tensor<5x4xf32> {moe.name = "y"}) {
  %zero = arith.constant 0.0 : f32
  %bank = moe.get_weight @w : !moe.bank<3x4x6xf32>
  %e = tensor.empty() : tensor<5x4xf32>
  %init = linalg.fill ins(%zero : f32) outs(%e : tensor<5x4xf32>) -> tensor<5x4xf32>
  %y = moe.grouped_matmul %rows banks(%bank) offsets(%offsets) outs(%init)
      : (tensor<5x6xf32>, !moe.bank<3x4x6xf32>, tensor<4xi32>, tensor<5x4xf32>) -> tensor<5x4xf32>
  return %y : tensor<5x4xf32>
}

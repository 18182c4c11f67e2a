// A bank refers to its slices; one that changes afterwards is copied first.

// REQUIRES: moe-run

// RUN: moe-opt %s -moe-compile="stop-after=bufferized" | FileCheck %s
// RUN: python3 %S/../Tools/moe-run/Inputs/write_safetensors.py %t.in rows:F32:2,2:1,1,1,1 offsets:I32:3:0,2,2 two:F32:2,2:2,2,2,2 hundred:F32:2,2:100,100,100,100
// RUN: moe-run %s --entry=overwritten --input rows=%t.in:rows --input offsets=%t.in:offsets --expect y=%t.in:two --expect s=%t.in:hundred --rtol=0 --atol=0
// RUN: moe-run %s --entry=kept --input rows=%t.in:rows --input offsets=%t.in:offsets --expect y=%t.in:two --rtol=0 --atol=0
// RUN: moe-run %s --entry=in_loop --input rows=%t.in:rows --input offsets=%t.in:offsets --expect y=%t.in:hundred --rtol=0 --atol=0

func.func @overwritten(%rows: tensor<2x2xf32> {moe.name = "rows"}, %offsets: tensor<3xi32> {moe.name = "offsets"})
    -> (tensor<2x2xf32> {moe.name = "y"}, tensor<2x2xf32> {moe.name = "s"}) {
  %zero = arith.constant 0.0 : f32
  %one = arith.constant 1.0 : f32
  %hundred = arith.constant 100.0 : f32
  %e0 = tensor.empty() : tensor<2x2xf32>
  %e1 = tensor.empty() : tensor<2x2xf32>
  %w0 = linalg.fill ins(%one : f32) outs(%e0 : tensor<2x2xf32>) -> tensor<2x2xf32>
  %bank = moe.make_bank %w0, %w0 : tensor<2x2xf32> -> !moe.bank<2x2x2xf32>
  %s = linalg.fill ins(%hundred : f32) outs(%w0 : tensor<2x2xf32>) -> tensor<2x2xf32>
  %init = linalg.fill ins(%zero : f32) outs(%e1 : tensor<2x2xf32>) -> tensor<2x2xf32>
  %y = moe.grouped_matmul %rows banks(%bank) offsets(%offsets) outs(%init)
      : (tensor<2x2xf32>, !moe.bank<2x2x2xf32>, tensor<3xi32>, tensor<2x2xf32>) -> tensor<2x2xf32>
  return %y, %s : tensor<2x2xf32>, tensor<2x2xf32>
}

// Nothing changes the slices: nothing is copied.
// CHECK-LABEL: func.func @kept(
// CHECK-NOT: memref.copy
// CHECK: return
func.func @kept(%rows: tensor<2x2xf32> {moe.name = "rows"}, %offsets: tensor<3xi32> {moe.name = "offsets"})
    -> (tensor<2x2xf32> {moe.name = "y"}) {
  %zero = arith.constant 0.0 : f32
  %e = tensor.empty() : tensor<2x2xf32>
  %bank = moe.make_bank %rows, %rows : tensor<2x2xf32> -> !moe.bank<2x2x2xf32>
  %init = linalg.fill ins(%zero : f32) outs(%e : tensor<2x2xf32>) -> tensor<2x2xf32>
  %y = moe.grouped_matmul %rows banks(%bank) offsets(%offsets) outs(%init)
      : (tensor<2x2xf32>, !moe.bank<2x2x2xf32>, tensor<3xi32>, tensor<2x2xf32>) -> tensor<2x2xf32>
  return %y : tensor<2x2xf32>
}

// A slice that an iteration changes before it makes the bank, and the next one
// after the bank is gone: 50 + 50, not copied.
// CHECK-LABEL: func.func @in_loop(
// CHECK: scf.for
// CHECK: linalg.fill
// CHECK-NOT: memref.copy
// CHECK: moe.make_bank
func.func @in_loop(%rows: tensor<2x2xf32> {moe.name = "rows"}, %offsets: tensor<3xi32> {moe.name = "offsets"})
    -> (tensor<2x2xf32> {moe.name = "y"}) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c2 = arith.constant 2 : index
  %zero = arith.constant 0.0 : f32
  %value = arith.constant 25.0 : f32
  %e0 = tensor.empty() : tensor<2x2xf32>
  %e1 = tensor.empty() : tensor<2x2xf32>
  %init = linalg.fill ins(%zero : f32) outs(%e0 : tensor<2x2xf32>) -> tensor<2x2xf32>
  %y:2 = scf.for %i = %c0 to %c2 step %c1 iter_args(%sum = %init, %buffer = %e1) -> (tensor<2x2xf32>, tensor<2x2xf32>) {
    %w = linalg.fill ins(%value : f32) outs(%buffer : tensor<2x2xf32>) -> tensor<2x2xf32>
    %bank = moe.make_bank %w, %w : tensor<2x2xf32> -> !moe.bank<2x2x2xf32>
    %next = moe.grouped_matmul %rows banks(%bank) offsets(%offsets) outs(%sum)
        : (tensor<2x2xf32>, !moe.bank<2x2x2xf32>, tensor<3xi32>, tensor<2x2xf32>) -> tensor<2x2xf32>
    scf.yield %next, %w : tensor<2x2xf32>, tensor<2x2xf32>
  }
  return %y#0 : tensor<2x2xf32>
}

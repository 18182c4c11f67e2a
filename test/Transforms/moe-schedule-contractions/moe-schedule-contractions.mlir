// The innermost loop runs along contiguous memory, a row of weights is read once
// per tile of rows, and sums may be reassociated.

// RUN: moe-opt %s -split-input-file -pass-pipeline="builtin.module(func.func(moe-schedule-contractions))" | FileCheck %s

// rows times transposed weights: (n, m, k), the weight's rows outermost.
// CHECK-DAG: #[[$ROWS:.*]] = affine_map<(d0, d1, d2) -> (d1, d2)>
// CHECK-DAG: #[[$WEIGHT:.*]] = affine_map<(d0, d1, d2) -> (d0, d2)>
// CHECK-DAG: #[[$OUT:.*]] = affine_map<(d0, d1, d2) -> (d1, d0)>
// CHECK-LABEL: func.func @transposed_weight(
// CHECK: linalg.generic {indexing_maps = [#[[$ROWS]], #[[$WEIGHT]], #[[$OUT]]], iterator_types = ["parallel", "parallel", "reduction"]}
// CHECK: %[[W:.*]] = arith.extf %{{.*}} : bf16 to f32
// CHECK: arith.mulf %{{.*}}, %[[W]] fastmath<reassoc,contract> : f32
// CHECK: arith.addf %{{.*}}, %{{.*}} fastmath<reassoc,contract> : f32
#nt = [affine_map<(m, n, k) -> (m, k)>, affine_map<(m, n, k) -> (n, k)>, affine_map<(m, n, k) -> (m, n)>]
func.func @transposed_weight(%a: memref<?x64xf32>, %b: memref<96x64xbf16>, %c: memref<?x96xf32>) {
  linalg.matmul indexing_maps = #nt ins(%a, %b : memref<?x64xf32>, memref<96x64xbf16>) outs(%c : memref<?x96xf32>)
  return
}

// -----

// rows times weights: (k, m, n), along the columns of weight and result.
// CHECK-DAG: #[[$ROWS:.*]] = affine_map<(d0, d1, d2) -> (d1, d0)>
// CHECK-DAG: #[[$WEIGHT:.*]] = affine_map<(d0, d1, d2) -> (d0, d2)>
// CHECK-DAG: #[[$OUT:.*]] = affine_map<(d0, d1, d2) -> (d1, d2)>
// CHECK-LABEL: func.func @weight(
// CHECK: linalg.generic {indexing_maps = [#[[$ROWS]], #[[$WEIGHT]], #[[$OUT]]], iterator_types = ["reduction", "parallel", "parallel"]}
func.func @weight(%a: memref<?x64xf32>, %b: memref<64x96xf32>, %c: memref<?x96xf32>) {
  linalg.matmul ins(%a, %b : memref<?x64xf32>, memref<64x96xf32>) outs(%c : memref<?x96xf32>)
  return
}

// -----

// Batch loops stay outermost.
// CHECK-DAG: #[[$A:.*]] = affine_map<(d0, d1, d2, d3) -> (d0, d2, d1)>
// CHECK-DAG: #[[$B:.*]] = affine_map<(d0, d1, d2, d3) -> (d0, d1, d3)>
// CHECK-DAG: #[[$C:.*]] = affine_map<(d0, d1, d2, d3) -> (d0, d2, d3)>
// CHECK-LABEL: func.func @batch(
// CHECK: linalg.generic {indexing_maps = [#[[$A]], #[[$B]], #[[$C]]], iterator_types = ["parallel", "reduction", "parallel", "parallel"]}
func.func @batch(%a: memref<2x8x16xf32>, %b: memref<2x16x4xf32>, %c: memref<2x8x4xf32>) {
  linalg.batch_matmul ins(%a, %b : memref<2x8x16xf32>, memref<2x16x4xf32>) outs(%c : memref<2x8x4xf32>)
  return
}

// -----

// A generic op is recognised by what it computes.
// CHECK-LABEL: func.func @generic(
// CHECK: arith.addf %{{.*}}, %{{.*}} fastmath<reassoc,contract>
func.func @generic(%a: memref<8x16xf32>, %b: memref<16xf32>, %c: memref<8xf32>) {
  linalg.generic {indexing_maps = [affine_map<(m, k) -> (m, k)>, affine_map<(m, k) -> (k)>, affine_map<(m, k) -> (m)>], iterator_types = ["parallel", "reduction"]} ins(%a, %b : memref<8x16xf32>, memref<16xf32>) outs(%c : memref<8xf32>) {
  ^bb0(%p: f32, %q: f32, %s: f32):
    %t = arith.mulf %p, %q : f32
    %u = arith.addf %s, %t : f32
    linalg.yield %u : f32
  }
  return
}

// -----

// What is no contraction, or still on tensors, is left alone.
// CHECK-LABEL: func.func @others(
// CHECK: linalg.add
// CHECK: linalg.matmul
// CHECK-NOT: fastmath
func.func @others(%a: memref<8xf32>, %t: tensor<4x4xf32>) -> tensor<4x4xf32> {
  linalg.add ins(%a, %a : memref<8xf32>, memref<8xf32>) outs(%a : memref<8xf32>)
  %y = linalg.matmul ins(%t, %t : tensor<4x4xf32>, tensor<4x4xf32>) outs(%t : tensor<4x4xf32>) -> tensor<4x4xf32>
  return %y : tensor<4x4xf32>
}

// What computes the same is written in one form.

// RUN: moe-opt %s -moe-normalize-products | FileCheck %s

#rk = affine_map<(r, m, k) -> (r, k)>
#mk = affine_map<(r, m, k) -> (m, k)>
#rm = affine_map<(r, m, k) -> (r, m)>

// CHECK-DAG: #[[$RK:.*]] = affine_map<(d0, d1, d2) -> (d0, d2)>
// CHECK-DAG: #[[$MK:.*]] = affine_map<(d0, d1, d2) -> (d1, d2)>
// CHECK-DAG: #[[$RM:.*]] = affine_map<(d0, d1, d2) -> (d0, d1)>

// A weight [in, out] is a slice of the bank seen transposed; the old slice goes,
// and what the sum started from is added.
// CHECK-LABEL: func.func @in_out(
// CHECK-SAME: %[[BANK:[^:]*]]: !moe.bank<2x4x6xf32>, %[[BIAS:[^:]*]]: !moe.bank<2x6xf32>
// CHECK: %[[T:.*]] = moe.transpose_bank %[[BANK]] : !moe.bank<2x4x6xf32> -> !moe.bank<2x6x4xf32, strided<[1, 6]>>
// CHECK: moe.experts {{.*}} banks(%[[BIAS]], %[[T]])
// CHECK: ^bb0(%[[R:.*]]: tensor<?x4xf32>, %{{.*}}: index, %[[B:.*]]: tensor<6xf32>, %[[W:.*]]: tensor<6x4xf32>):
// CHECK: %[[START:.*]] = linalg.generic {{.*}} ins(%[[B]] : tensor<6xf32>)
// CHECK: %[[ZEROS:.*]] = linalg.fill
// CHECK: %[[SUM:.*]] = linalg.matmul indexing_maps = [#[[$RK]], #[[$MK]], #[[$RM]]] ins(%[[R]], %[[W]] : {{.*}} outs(%[[ZEROS]]
// CHECK: %[[Y:.*]] = linalg.generic {{.*}} ins(%[[START]], %[[SUM]] :
// CHECK: arith.addf
// CHECK: moe.yield %[[Y]]
func.func @in_out(%rows: tensor<?x4xf32>, %offsets: tensor<3xi32>, %bank: !moe.bank<2x4x6xf32>, %bias: !moe.bank<2x6xf32>) -> tensor<?x6xf32> {
  %c0 = arith.constant 0 : index
  %y = moe.experts %rows, %offsets banks(%bank, %bias) : (tensor<?x4xf32>, tensor<3xi32>, !moe.bank<2x4x6xf32>, !moe.bank<2x6xf32>) -> tensor<?x6xf32> {
  ^bb0(%r: tensor<?x4xf32>, %e: index, %w: tensor<4x6xf32>, %b: tensor<6xf32>):
    %n = tensor.dim %r, %c0 : tensor<?x4xf32>
    %empty = tensor.empty(%n) : tensor<?x6xf32>
    %start = linalg.broadcast ins(%b : tensor<6xf32>) outs(%empty : tensor<?x6xf32>) dimensions = [0]
    %h = linalg.matmul ins(%r, %w : tensor<?x4xf32>, tensor<4x6xf32>) outs(%start : tensor<?x6xf32>) -> tensor<?x6xf32>
    moe.yield %h : tensor<?x6xf32>
  }
  return %y : tensor<?x6xf32>
}

// Two transpositions are none, and a widening is part of the product.
// CHECK-LABEL: func.func @transposed(
// CHECK-NOT: moe.transpose_bank
// CHECK: ^bb0(%[[R:.*]]: tensor<?x4xf32>, %{{.*}}: index, %[[W:.*]]: tensor<6x4xbf16>):
// CHECK-NOT: arith.extf
// CHECK: linalg.matmul indexing_maps = [#[[$RK]], #[[$MK]], #[[$RM]]] ins(%[[R]], %[[W]] :
func.func @transposed(%rows: tensor<?x4xf32>, %offsets: tensor<3xi32>, %bank: !moe.bank<2x6x4xbf16>) -> tensor<?x6xf32> {
  %c0 = arith.constant 0 : index
  %zero = arith.constant 0.0 : f32
  %y = moe.experts %rows, %offsets banks(%bank) : (tensor<?x4xf32>, tensor<3xi32>, !moe.bank<2x6x4xbf16>) -> tensor<?x6xf32> {
  ^bb0(%r: tensor<?x4xf32>, %e: index, %w: tensor<6x4xbf16>):
    %n = tensor.dim %r, %c0 : tensor<?x4xf32>
    %ew = tensor.empty() : tensor<6x4xf32>
    %wide = linalg.generic {indexing_maps = [affine_map<(a, b) -> (a, b)>, affine_map<(a, b) -> (a, b)>], iterator_types = ["parallel", "parallel"]}
        ins(%w : tensor<6x4xbf16>) outs(%ew : tensor<6x4xf32>) {
    ^bb0(%a: bf16, %o: f32):
      %f = arith.extf %a : bf16 to f32
      linalg.yield %f : f32
    } -> tensor<6x4xf32>
    %et = tensor.empty() : tensor<4x6xf32>
    %t = linalg.transpose ins(%wide : tensor<6x4xf32>) outs(%et : tensor<4x6xf32>) permutation = [1, 0]
    %empty = tensor.empty(%n) : tensor<?x6xf32>
    %init = linalg.fill ins(%zero : f32) outs(%empty : tensor<?x6xf32>) -> tensor<?x6xf32>
    %h = linalg.matmul ins(%r, %t : tensor<?x4xf32>, tensor<4x6xf32>) outs(%init : tensor<?x6xf32>) -> tensor<?x6xf32>
    moe.yield %h : tensor<?x6xf32>
  }
  return %y : tensor<?x6xf32>
}

// Outside of experts a transposition becomes part of the product.
// CHECK-LABEL: func.func @dense(
// CHECK-SAME: %[[X:[^:]*]]: tensor<?x4xf32>, %[[W:[^:]*]]: tensor<6x4xf32>
// CHECK-NOT: linalg.generic
// CHECK: linalg.matmul indexing_maps = [#[[$RK]], #[[$MK]], #[[$RM]]] ins(%[[X]], %[[W]]
func.func @dense(%x: tensor<?x4xf32>, %w: tensor<6x4xf32>, %init: tensor<?x6xf32>) -> tensor<?x6xf32> {
  %et = tensor.empty() : tensor<4x6xf32>
  %t = linalg.transpose ins(%w : tensor<6x4xf32>) outs(%et : tensor<4x6xf32>) permutation = [1, 0]
  %h = linalg.matmul ins(%x, %t : tensor<?x4xf32>, tensor<4x6xf32>) outs(%init : tensor<?x6xf32>) -> tensor<?x6xf32>
  return %h : tensor<?x6xf32>
}

// A product with a sign is another function.
// CHECK-LABEL: func.func @signed(
// CHECK: linalg.generic
// CHECK: arith.negf
// CHECK-NOT: linalg.matmul
func.func @signed(%rows: tensor<?x4xf32>, %offsets: tensor<3xi32>, %bank: !moe.bank<2x4x4xf32>) -> tensor<?x4xf32> {
  %y = moe.experts %rows, %offsets banks(%bank) : (tensor<?x4xf32>, tensor<3xi32>, !moe.bank<2x4x4xf32>) -> tensor<?x4xf32> {
  ^bb0(%r: tensor<?x4xf32>, %e: index, %w: tensor<4x4xf32>):
    %h = linalg.generic {indexing_maps = [#rk, #mk, #rm], iterator_types = ["parallel", "parallel", "reduction"]}
        ins(%r, %w : tensor<?x4xf32>, tensor<4x4xf32>) outs(%r : tensor<?x4xf32>) {
    ^bb0(%p: f32, %q: f32, %acc: f32):
      %m = arith.mulf %p, %q : f32
      %g = arith.negf %m : f32
      %s = arith.addf %acc, %g : f32
      linalg.yield %s : f32
    } -> tensor<?x4xf32>
    moe.yield %h : tensor<?x4xf32>
  }
  return %y : tensor<?x4xf32>
}

// CHECK-LABEL: func.func @softmax(
// CHECK-NOT: linalg.softmax
// CHECK: arith.maxnumf
// CHECK: math.exp
// CHECK: arith.addf
// CHECK: arith.divf
func.func @softmax(%x: tensor<?x4xf32>) -> tensor<?x4xf32> {
  %y = linalg.softmax dimension(1) ins(%x : tensor<?x4xf32>) outs(%x : tensor<?x4xf32>) -> tensor<?x4xf32>
  return %y : tensor<?x4xf32>
}

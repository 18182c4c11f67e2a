// Matrices of experts become codes when they are loaded; the matmuls read f32.

// RUN: moe-opt %s -split-input-file -moe-quantize-experts="bits=4 group=16" -remarks-filter=moe-quantize-experts -remark-policy=all 2>%t.remarks | FileCheck %s
// RUN: FileCheck %s --check-prefix=REMARK --input-file=%t.remarks
// RUN: moe-opt %s -split-input-file -moe-quantize-experts | FileCheck %s --check-prefix=EIGHT
// RUN: moe-opt %s -split-input-file -moe-quantize-experts="zero-points" | FileCheck %s --check-prefix=ZERO
// RUN: not moe-opt %s -split-input-file -moe-quantize-experts="bits=3" 2>&1 | FileCheck %s --check-prefix=BITS
// BITS: expected codes of 4 or 8 bits, but got 3 [moe-quantized-c1]

#rows = affine_map<(m, n, k) -> (m, k)>
#weight = affine_map<(m, n, k) -> (n, k)>
#sums = affine_map<(m, n, k) -> (m, n)>
#both = affine_map<(m, n) -> (m, n)>
#column = affine_map<(m, n) -> (n)>

// What the file has is kept beside the type; a vector stays as it is.
// CHECK: moe.weight @w : !moe.bank<2x4x32xf32, #moe.quantized<bits = 4, group = 16, scale = bf16>> from ["w.{e}"] {stored = bf16}
// EIGHT: moe.weight @w : !moe.bank<2x4x32xf32, #moe.quantized<bits = 8, scale = f32>> from ["w.{e}"] {stored = bf16}
// ZERO: #moe.quantized<bits = 8, scale = f32, zero_points = true>
// REMARK-DAG: @w became !moe.bank<2x4x32xf32, #moe.quantized<bits = 4, group = 16, scale = bf16>>
moe.weight @w : !moe.bank<2x4x32xbf16> from ["w.{e}"]
// CHECK: moe.weight @b : !moe.bank<2x4xbf16>
// REMARK-DAG: @b of type !moe.bank<2x4xbf16> is not quantized: they are no matrices
moe.weight @b : !moe.bank<2x4xbf16> from ["b.{e}"]
// CHECK: func.func private @layer({{.*}}: !moe.bank<2x4x32xf32, #moe.quantized
// CHECK: ^bb0(%{{.*}}: tensor<?x32xf32>, %{{.*}}: index, %[[W:.*]]: tensor<4x32xf32>, %{{.*}}: tensor<4xbf16>):
// CHECK: linalg.generic {{.*}} ins(%{{.*}}, %[[W]] : tensor<?x32xf32>, tensor<4x32xf32>)
// CHECK-NEXT: ^bb0(%{{.*}}: f32, %[[E:.*]]: f32, %{{.*}}: f32):
// CHECK-NEXT: arith.mulf %{{.*}}, %[[E]] : f32
func.func private @layer(%x: tensor<?x32xf32>, %o: tensor<3xi32>, %w: !moe.bank<2x4x32xbf16>, %b: !moe.bank<2x4xbf16>) -> tensor<?x4xf32> {
  %y = moe.experts %x, %o banks(%w, %b) : (tensor<?x32xf32>, tensor<3xi32>, !moe.bank<2x4x32xbf16>, !moe.bank<2x4xbf16>) -> tensor<?x4xf32> {
  ^bb0(%r: tensor<?x32xf32>, %e: index, %we: tensor<4x32xbf16>, %be: tensor<4xbf16>):
    %c0 = arith.constant 0 : index
    %zero = arith.constant 0.0 : f32
    %n = tensor.dim %r, %c0 : tensor<?x32xf32>
    %empty = tensor.empty(%n) : tensor<?x4xf32>
    %init = linalg.fill ins(%zero : f32) outs(%empty : tensor<?x4xf32>) -> tensor<?x4xf32>
    %p = linalg.generic {indexing_maps = [#rows, #weight, #sums], iterator_types = ["parallel", "parallel", "reduction"]}
        ins(%r, %we : tensor<?x32xf32>, tensor<4x32xbf16>) outs(%init : tensor<?x4xf32>) {
    ^bb0(%a: f32, %v: bf16, %acc: f32):
      %f = arith.extf %v : bf16 to f32
      %m = arith.mulf %a, %f : f32
      %s = arith.addf %acc, %m : f32
      linalg.yield %s : f32
    } -> tensor<?x4xf32>
    %q = linalg.generic {indexing_maps = [#both, #column, #both], iterator_types = ["parallel", "parallel"]}
        ins(%p, %be : tensor<?x4xf32>, tensor<4xbf16>) outs(%empty : tensor<?x4xf32>) {
    ^bb0(%a: f32, %v: bf16, %old: f32):
      %f = arith.extf %v : bf16 to f32
      %s = arith.addf %a, %f : f32
      linalg.yield %s : f32
    } -> tensor<?x4xf32>
    moe.yield %q : tensor<?x4xf32>
  }
  return %y : tensor<?x4xf32>
}
func.func @forward(%x: tensor<?x32xf32>, %o: tensor<3xi32>) -> tensor<?x4xf32> {
  %w = moe.get_weight @w : !moe.bank<2x4x32xbf16>
  %b = moe.get_weight @b : !moe.bank<2x4xbf16>
  %y = func.call @layer(%x, %o, %w, %b) : (tensor<?x32xf32>, tensor<3xi32>, !moe.bank<2x4x32xbf16>, !moe.bank<2x4xbf16>) -> tensor<?x4xf32>
  return %y : tensor<?x4xf32>
}

// -----

// Something else reads the bank: it stays, and so does one that is quantized.
// REMARK-DAG: @v of type !moe.bank<2x4x4xf32> is not quantized: something other than matmuls of experts in f32 reads them
// REMARK-DAG: @q of type {{.*}} is not quantized: they are quantized already
// CHECK: moe.weight @v : !moe.bank<2x4x4xf32> from
// CHECK: moe.weight @q : !moe.bank<2x4x4xf32, #moe.quantized<bits = 8, scale = f32>>
moe.weight @v : !moe.bank<2x4x4xf32> from ["w.{e}"]
moe.weight @q : !moe.bank<2x4x4xf32, #moe.quantized<bits = 8, scale = f32>> from ["q.{e}"]
func.func @sum(%x: tensor<?x4xf32>, %o: tensor<3xi32>) -> tensor<?x4xf32> {
  %w = moe.get_weight @v : !moe.bank<2x4x4xf32>
  %q = moe.get_weight @q : !moe.bank<2x4x4xf32, #moe.quantized<bits = 8, scale = f32>>
  %y = moe.experts %x, %o banks(%w, %q) : (tensor<?x4xf32>, tensor<3xi32>, !moe.bank<2x4x4xf32>, !moe.bank<2x4x4xf32, #moe.quantized<bits = 8, scale = f32>>) -> tensor<?x4xf32> {
  ^bb0(%r: tensor<?x4xf32>, %e: index, %we: tensor<4x4xf32>, %qe: tensor<4x4xf32>):
    %p = linalg.matmul ins(%r, %we : tensor<?x4xf32>, tensor<4x4xf32>) outs(%r : tensor<?x4xf32>) -> tensor<?x4xf32>
    moe.yield %p : tensor<?x4xf32>
  }
  return %y : tensor<?x4xf32>
}

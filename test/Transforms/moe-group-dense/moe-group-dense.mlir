// Matrices that only matmuls read become banks of one, wherever they are passed.

// RUN: moe-opt %s -split-input-file -moe-group-dense | FileCheck %s

#rows = affine_map<(m, n, k) -> (m, k)>
#weight = affine_map<(m, n, k) -> (n, k)>
#result = affine_map<(m, n, k) -> (m, n)>

// Sources state the shape of their tensors, which have no dimension of experts.
// CHECK: moe.weight @a : !moe.bank<1x8x4xbf16> from [#moe.source<"a", shape = [8, 4]>]
// CHECK: moe.weight @b : !moe.bank<1x8x4xbf16> from [#moe.source<"b", shape = [16, 4], offsets = [8, 0]>]
moe.weight @a : tensor<8x4xbf16> from ["a"]
moe.weight @b : tensor<8x4xbf16> from [#moe.source<"b", shape = [16, 4], offsets = [8, 0]>]

// CHECK-LABEL: func.func private @layer(
// CHECK-SAME: %[[X:[^:]*]]: tensor<?x4xf32>, %[[W:[^:]*]]: !moe.bank<1x8x4xbf16>
// CHECK: %[[INIT:.*]] = tensor.empty
// CHECK: %[[Y:.*]] = moe.grouped_matmul %[[X]] banks(%[[W]]) outs(%[[INIT]])
// CHECK-NEXT: ^bb0(%[[S:.*]]: f32, %{{.*}}: f32):
// CHECK-NEXT: moe.yield %[[S]]
// CHECK: return %[[Y]]
func.func private @layer(%x: tensor<?x4xf32>, %w: tensor<8x4xbf16>, %t: index) -> tensor<?x8xf32> {
  %zero = arith.constant 0.0 : f32
  %e = tensor.empty(%t) : tensor<?x8xf32>
  %i = linalg.fill ins(%zero : f32) outs(%e : tensor<?x8xf32>) -> tensor<?x8xf32>
  %y = linalg.matmul indexing_maps = [#rows, #weight, #result] ins(%x, %w : tensor<?x4xf32>, tensor<8x4xbf16>) outs(%i : tensor<?x8xf32>) -> tensor<?x8xf32>
  return %y : tensor<?x8xf32>
}
func.func @forward(%x: tensor<?x4xf32>, %t: index) -> (tensor<?x8xf32>, tensor<?x8xf32>) {
  // CHECK: moe.get_weight @a : !moe.bank<1x8x4xbf16>
  %a = moe.get_weight @a : tensor<8x4xbf16>
  %b = moe.get_weight @b : tensor<8x4xbf16>
  %y = func.call @layer(%x, %a, %t) : (tensor<?x4xf32>, tensor<8x4xbf16>, index) -> tensor<?x8xf32>
  %z = func.call @layer(%x, %b, %t) : (tensor<?x4xf32>, tensor<8x4xbf16>, index) -> tensor<?x8xf32>
  return %y, %z : tensor<?x8xf32>, tensor<?x8xf32>
}

// -----

#rows = affine_map<(m, n, k) -> (m, k)>
#weight = affine_map<(m, n, k) -> (n, k)>
#result = affine_map<(m, n, k) -> (m, n)>

// Something else reads the embedding too. What a sum starts from is read as
// elements and left as it is.
// CHECK-LABEL: moe.weight @tied : tensor<8x4xf32>
// CHECK: moe.weight @added : !moe.bank<1x8x4xf32>
// CHECK: func.func @forward(%{{.*}}, %{{.*}}, %[[OLD:.*]]: tensor<?x8xf32>)
// CHECK: linalg.matmul
// CHECK: moe.grouped_matmul {{.*}} elements(%[[OLD]])
// CHECK-NEXT: ^bb0(%[[SUM:.*]]: f32, %[[START:.*]]: f32, %{{.*}}: f32):
// CHECK-NEXT: %[[TOTAL:.*]] = arith.addf %[[START]], %[[SUM]]
// CHECK-NEXT: moe.yield %[[TOTAL]]
moe.weight @tied : tensor<8x4xf32> from ["tied"]
moe.weight @added : tensor<8x4xf32> from ["added"]
func.func @forward(%x: tensor<?x4xf32>, %t: index, %old: tensor<?x8xf32>) -> (tensor<?x8xf32>, tensor<?x8xf32>, f32) {
  %zero = arith.constant 0.0 : f32
  %tied = moe.get_weight @tied : tensor<8x4xf32>
  %added = moe.get_weight @added : tensor<8x4xf32>
  %e = tensor.empty(%t) : tensor<?x8xf32>
  %i = linalg.fill ins(%zero : f32) outs(%e : tensor<?x8xf32>) -> tensor<?x8xf32>
  %y = linalg.matmul indexing_maps = [#rows, #weight, #result] ins(%x, %tied : tensor<?x4xf32>, tensor<8x4xf32>) outs(%i : tensor<?x8xf32>) -> tensor<?x8xf32>
  %f = tensor.extract %tied[%t, %t] : tensor<8x4xf32>
  %z = linalg.matmul indexing_maps = [#rows, #weight, #result] ins(%x, %added : tensor<?x4xf32>, tensor<8x4xf32>) outs(%old : tensor<?x8xf32>) -> tensor<?x8xf32>
  return %y, %z, %f : tensor<?x8xf32>, tensor<?x8xf32>, f32
}

// -----

#rows = affine_map<(m, n, k) -> (m, k)>
#weight = affine_map<(m, n, k) -> (n, k)>
#result = affine_map<(m, n, k) -> (m, n)>

// A matrix with codes is a bank of one already, and its slice goes. Of two
// experts, or read by something else, it stays.
// CHECK-LABEL: func.func @quantized(
// CHECK: %[[W:.*]] = moe.get_weight @w
// CHECK: %[[Y:.*]] = moe.grouped_matmul %{{.*}} banks(%[[W]])
// CHECK: %[[TWO:.*]] = moe.get_weight @two
// CHECK: moe.bank_slice %[[TWO]]
// CHECK: linalg.matmul
// CHECK: %[[READ:.*]] = moe.get_weight @read
// CHECK: moe.bank_slice %[[READ]]
// CHECK: linalg.matmul
// CHECK-NOT: moe.grouped_matmul
moe.weight @w : !moe.bank<1x8x4xf32, #moe.quantized<bits = 8, scale = f32>> from ["w.{e}"]
moe.weight @two : !moe.bank<2x8x4xf32, #moe.quantized<bits = 8, scale = f32>> from ["two.{e}"]
moe.weight @read : !moe.bank<1x8x4xf32, #moe.quantized<bits = 8, scale = f32>> from ["read.{e}"]
func.func @quantized(%x: tensor<?x4xf32>, %t: index) -> (tensor<?x8xf32>, tensor<?x8xf32>, tensor<?x8xf32>, f32) {
  %zero = arith.constant 0.0 : f32
  %first = arith.constant 0 : index
  %e = tensor.empty(%t) : tensor<?x8xf32>
  %i = linalg.fill ins(%zero : f32) outs(%e : tensor<?x8xf32>) -> tensor<?x8xf32>
  %w = moe.get_weight @w : !moe.bank<1x8x4xf32, #moe.quantized<bits = 8, scale = f32>>
  %s = moe.bank_slice %w[%first] : !moe.bank<1x8x4xf32, #moe.quantized<bits = 8, scale = f32>> -> tensor<8x4xf32>
  %y = linalg.matmul indexing_maps = [#rows, #weight, #result] ins(%x, %s : tensor<?x4xf32>, tensor<8x4xf32>) outs(%i : tensor<?x8xf32>) -> tensor<?x8xf32>
  %two = moe.get_weight @two : !moe.bank<2x8x4xf32, #moe.quantized<bits = 8, scale = f32>>
  %s2 = moe.bank_slice %two[%first] : !moe.bank<2x8x4xf32, #moe.quantized<bits = 8, scale = f32>> -> tensor<8x4xf32>
  %y2 = linalg.matmul indexing_maps = [#rows, #weight, #result] ins(%x, %s2 : tensor<?x4xf32>, tensor<8x4xf32>) outs(%i : tensor<?x8xf32>) -> tensor<?x8xf32>
  %read = moe.get_weight @read : !moe.bank<1x8x4xf32, #moe.quantized<bits = 8, scale = f32>>
  %s3 = moe.bank_slice %read[%first] : !moe.bank<1x8x4xf32, #moe.quantized<bits = 8, scale = f32>> -> tensor<8x4xf32>
  %y3 = linalg.matmul indexing_maps = [#rows, #weight, #result] ins(%x, %s3 : tensor<?x4xf32>, tensor<8x4xf32>) outs(%i : tensor<?x8xf32>) -> tensor<?x8xf32>
  %f = tensor.extract %s3[%first, %first] : tensor<8x4xf32>
  return %y, %y2, %y3, %f : tensor<?x8xf32>, tensor<?x8xf32>, tensor<?x8xf32>, f32
}

// -----

// A weight [in, out] is a bank that is seen transposed.
// CHECK-LABEL: func.func @in_out(
// CHECK: %[[W:.*]] = moe.get_weight @w : !moe.bank<1x4x8xf32>
// CHECK: %[[T:.*]] = moe.transpose_bank %[[W]] : !moe.bank<1x4x8xf32> -> !moe.bank<1x8x4xf32, strided<[1, 8]>>
// CHECK: moe.grouped_matmul %{{.*}} banks(%[[T]])
moe.weight @w : tensor<4x8xf32> from ["w"]
func.func @in_out(%x: tensor<?x4xf32>, %t: index) -> tensor<?x8xf32> {
  %zero = arith.constant 0.0 : f32
  %w = moe.get_weight @w : tensor<4x8xf32>
  %e = tensor.empty(%t) : tensor<?x8xf32>
  %i = linalg.fill ins(%zero : f32) outs(%e : tensor<?x8xf32>) -> tensor<?x8xf32>
  %y = linalg.matmul ins(%x, %w : tensor<?x4xf32>, tensor<4x8xf32>) outs(%i : tensor<?x8xf32>) -> tensor<?x8xf32>
  return %y : tensor<?x8xf32>
}

// Rows that meet bf16 weights become bf16: those of the graph once, those of
// another grouped matmul in its body.

// RUN: moe-opt %s -pass-pipeline='builtin.module(func.func(moe-narrow-rows))' | FileCheck %s

// CHECK-LABEL: func.func @gated(
// CHECK-SAME: %[[X:[^:]*]]: tensor<?x4xf32>
// CHECK: %[[N:.*]] = linalg.generic {{.*}} ins(%[[X]] : tensor<?x4xf32>)
// CHECK: arith.truncf %{{.*}} : f32 to bf16
// CHECK-NOT: linalg.generic
// CHECK: %[[INIT:.*]] = tensor.empty(%{{.*}}) : tensor<?x6xbf16>
// CHECK: %[[H:.*]] = moe.grouped_matmul %[[N]] banks({{.*}}) outs(%[[INIT]])
// CHECK-NEXT: ^bb0(%[[G:.*]]: f32, %[[U:.*]]: f32, %{{.*}}: bf16):
// CHECK: %[[P:.*]] = arith.mulf %[[G]], %[[U]] : f32
// CHECK: %[[T:.*]] = arith.truncf %[[P]] : f32 to bf16
// CHECK: moe.yield %[[T]] : bf16
// CHECK: moe.grouped_matmul %[[H]]
// The rows are converted once.
// CHECK: moe.grouped_matmul %[[N]]
func.func @gated(%x: tensor<?x4xf32>, %n: index, %offsets: tensor<3xi32>, %gate: !moe.bank<2x6x4xbf16>, %up: !moe.bank<2x6x4xbf16>, %down: !moe.bank<2x4x6xbf16>, %i: tensor<?x4xf32>, %j: tensor<?x6xf32>) -> (tensor<?x4xf32>, tensor<?x6xf32>) {
  %e = tensor.empty(%n) : tensor<?x6xf32>
  %h = moe.grouped_matmul %x banks(%gate, %up) offsets(%offsets) outs(%e) : (tensor<?x4xf32>, !moe.bank<2x6x4xbf16>, !moe.bank<2x6x4xbf16>, tensor<3xi32>, tensor<?x6xf32>) -> tensor<?x6xf32> {
  ^bb0(%g: f32, %u: f32, %old: f32):
    %p = arith.mulf %g, %u : f32
    moe.yield %p : f32
  }
  %y = moe.grouped_matmul %h banks(%down) offsets(%offsets) outs(%i) : (tensor<?x6xf32>, !moe.bank<2x4x6xbf16>, tensor<3xi32>, tensor<?x4xf32>) -> tensor<?x4xf32>
  %z = moe.grouped_matmul %x banks(%gate) offsets(%offsets) outs(%j) : (tensor<?x4xf32>, !moe.bank<2x6x4xbf16>, tensor<3xi32>, tensor<?x6xf32>) -> tensor<?x6xf32>
  return %y, %z : tensor<?x4xf32>, tensor<?x6xf32>
}

// Something else reads the rows too: they stay f32 there.
// CHECK-LABEL: func.func @shared(
// CHECK: %[[H:.*]] = moe.grouped_matmul {{.*}} -> tensor<?x4xf32>
// CHECK: %[[N:.*]] = linalg.generic {{.*}} ins(%[[H]] : tensor<?x4xf32>)
// CHECK: %[[Y:.*]] = moe.grouped_matmul %[[N]]
// CHECK: return %[[H]], %[[Y]]
func.func @shared(%x: tensor<?x4xf32>, %n: index, %offsets: tensor<3xi32>, %a: !moe.bank<2x4x4xf32>, %b: !moe.bank<2x4x4xbf16>, %i: tensor<?x4xf32>) -> (tensor<?x4xf32>, tensor<?x4xf32>) {
  %e = tensor.empty(%n) : tensor<?x4xf32>
  %h = moe.grouped_matmul %x banks(%a) offsets(%offsets) outs(%e) : (tensor<?x4xf32>, !moe.bank<2x4x4xf32>, tensor<3xi32>, tensor<?x4xf32>) -> tensor<?x4xf32> {
  ^bb0(%s: f32, %old: f32):
    moe.yield %s : f32
  }
  %y = moe.grouped_matmul %h banks(%b) offsets(%offsets) outs(%i) : (tensor<?x4xf32>, !moe.bank<2x4x4xbf16>, tensor<3xi32>, tensor<?x4xf32>) -> tensor<?x4xf32>
  return %h, %y : tensor<?x4xf32>, tensor<?x4xf32>
}

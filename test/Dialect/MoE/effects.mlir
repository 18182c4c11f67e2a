// On tensors the ops are pure: unused ones go away, equal ones become one. On
// memrefs they write, and stay.

// RUN: moe-opt %s -canonicalize -cse | FileCheck %s

moe.weight @w : tensor<4xf32> from ["w"]

// CHECK-LABEL: func.func @unused(
// CHECK-NEXT: return
func.func @unused(%z: tensor<?x8xf32>, %x: tensor<?x4xf32>, %a: tensor<4xf32>, %bank: !moe.bank<2x6x4xf32>, %o3: tensor<3xi32>, %init: tensor<?x6xf32>, %e: index) {
  %w, %ids = moe.router %z {top_k = 2 : i64, score = #moe.score<softmax>} : (tensor<?x8xf32>) -> (tensor<?x2xf32>, tensor<?x2xi32>)
  %p:5 = moe.plan %w, %ids : (tensor<?x2xf32>, tensor<?x2xi32>) -> (tensor<2xi32>, tensor<3xi32>, tensor<?xi32>, tensor<?x2xi32>, tensor<?x2xf32>)
  %rows = moe.dispatch %x, %p#2, %p#1 : (tensor<?x4xf32>, tensor<?xi32>, tensor<3xi32>) -> tensor<?x4xf32>
  %g = moe.grouped_matmul %rows banks(%bank) offsets(%o3) outs(%init) : (tensor<?x4xf32>, !moe.bank<2x6x4xf32>, tensor<3xi32>, tensor<?x6xf32>) -> tensor<?x6xf32>
  %y = moe.experts %rows, %p#1 : (tensor<?x4xf32>, tensor<3xi32>) -> tensor<?x4xf32> {
  ^bb0(%r: tensor<?x4xf32>, %i: index):
    moe.yield %r : tensor<?x4xf32>
  }
  %c = moe.combine %y, %p#3 : (tensor<?x4xf32>, tensor<?x2xi32>) -> tensor<?x4xf32>
  %l = moe.aux_loss %z ids(%ids) {kind = #moe.loss<fraction_probability>} : (tensor<?x8xf32>, tensor<?x2xi32>) -> tensor<f32>
  %q:3 = moe.quantize_rows %x : (tensor<?x4xf32>) -> (tensor<?x4xi8>, tensor<?xf32>, tensor<?x1xi32>)
  %g0 = moe.get_weight @w : tensor<4xf32>
  %b = moe.make_bank %a, %a : tensor<4xf32> -> !moe.bank<2x4xf32>
  %s = moe.bank_slice %b[%e] : !moe.bank<2x4xf32> -> tensor<4xf32>
  return
}

// CHECK-LABEL: func.func @equal(
// CHECK-COUNT-1: moe.get_weight
// CHECK-COUNT-1: moe.router
// CHECK-NOT: moe.router
// CHECK: return
func.func @equal(%z: tensor<?x8xf32>) -> (tensor<4xf32>, tensor<4xf32>, tensor<?x2xf32>, tensor<?x2xf32>) {
  %a = moe.get_weight @w : tensor<4xf32>
  %b = moe.get_weight @w : tensor<4xf32>
  %w0, %i0 = moe.router %z {top_k = 2 : i64, score = #moe.score<softmax>} : (tensor<?x8xf32>) -> (tensor<?x2xf32>, tensor<?x2xi32>)
  %w1, %i1 = moe.router %z {top_k = 2 : i64, score = #moe.score<softmax>} : (tensor<?x8xf32>) -> (tensor<?x2xf32>, tensor<?x2xi32>)
  return %a, %b, %w0, %w1 : tensor<4xf32>, tensor<4xf32>, tensor<?x2xf32>, tensor<?x2xf32>
}

// A body with an effect keeps its experts.
// CHECK-LABEL: func.func @effect_in_body(
// CHECK: moe.experts
// CHECK: memref.store
func.func @effect_in_body(%rows: tensor<?x4xf32>, %o: tensor<3xi32>, %m: memref<f32>, %f: f32) {
  %y = moe.experts %rows, %o : (tensor<?x4xf32>, tensor<3xi32>) -> tensor<?x4xf32> {
  ^bb0(%r: tensor<?x4xf32>, %i: index):
    memref.store %f, %m[] : memref<f32>
    moe.yield %r : tensor<?x4xf32>
  }
  return
}

// CHECK-LABEL: func.func @on_memrefs(
// CHECK-COUNT-2: moe.router
// CHECK: moe.plan
// CHECK: moe.dispatch
// CHECK: moe.grouped_matmul
// CHECK: moe.combine
// CHECK: moe.aux_loss
// CHECK: moe.quantize_rows
// CHECK: return
func.func @on_memrefs(%z: memref<?x8xf32>, %w: memref<?x2xf32>, %ids: memref<?x2xi32>, %counts: memref<2xi32>, %offsets: memref<3xi32>, %source: memref<?xi32>, %pos: memref<?x2xi32>, %pw: memref<?x2xf32>, %x: memref<?x4xf32>, %rows: memref<?x4xf32>, %bank: !moe.bank<2x4x4xf32>, %y: memref<?x4xf32>, %loss: memref<f32>, %codes: memref<?x4xi8>, %scales: memref<?xf32>, %sums: memref<?x1xi32>) {
  moe.router %z into(%w, %ids) {top_k = 2 : i64, score = #moe.score<softmax>} : (memref<?x8xf32>, memref<?x2xf32>, memref<?x2xi32>) -> ()
  moe.router %z into(%w, %ids) {top_k = 2 : i64, score = #moe.score<softmax>} : (memref<?x8xf32>, memref<?x2xf32>, memref<?x2xi32>) -> ()
  moe.plan %w, %ids into(%counts, %offsets, %source, %pos, %pw) : (memref<?x2xf32>, memref<?x2xi32>, memref<2xi32>, memref<3xi32>, memref<?xi32>, memref<?x2xi32>, memref<?x2xf32>) -> ()
  moe.dispatch %x, %source, %offsets into(%rows) : (memref<?x4xf32>, memref<?xi32>, memref<3xi32>, memref<?x4xf32>) -> ()
  moe.grouped_matmul %rows banks(%bank) offsets(%offsets) outs(%y) : (memref<?x4xf32>, !moe.bank<2x4x4xf32>, memref<3xi32>, memref<?x4xf32>) -> ()
  moe.combine %y, %pos into(%x) : (memref<?x4xf32>, memref<?x2xi32>, memref<?x4xf32>) -> ()
  moe.aux_loss %z into(%loss) {kind = #moe.loss<z>} : (memref<?x8xf32>, memref<f32>) -> ()
  moe.quantize_rows %x into(%codes, %scales, %sums) : (memref<?x4xf32>, memref<?x4xi8>, memref<?xf32>, memref<?x1xi32>) -> ()
  return
}

// What lies behind a bank of buffers may change in between: two of them made
// from the same buffers stay two.
// CHECK-LABEL: func.func @banks_of_buffers(
// CHECK-COUNT-2: moe.make_bank
func.func @banks_of_buffers(%a: memref<4xf32>) {
  %b = moe.make_bank %a : memref<4xf32> -> !moe.bank<1x4xf32>
  call @takes_bank(%b) : (!moe.bank<1x4xf32>) -> ()
  %c = moe.make_bank %a : memref<4xf32> -> !moe.bank<1x4xf32>
  call @takes_bank(%c) : (!moe.bank<1x4xf32>) -> ()
  return
}
func.func private @takes_bank(!moe.bank<1x4xf32>)

// The form on memrefs: results become buffers in `into`, weights are read where
// they are, and a grouped matmul writes to its init.

// RUN: moe-opt %s -split-input-file -allow-unregistered-dialect -one-shot-bufferize="allow-unknown-ops bufferize-function-boundaries function-boundary-type-conversion=identity-layout-map" | FileCheck %s

// CHECK-LABEL: func.func private @router(
// CHECK-SAME: %[[Z:.*]]: memref<?x8xf32>, %[[BIAS:.*]]: memref<8xf32>
// CHECK: %[[T:.*]] = memref.dim %[[Z]], %{{.*}}
// CHECK-DAG: %[[W:.*]] = memref.alloc(%[[T]]) {{.*}} : memref<?x2xf32>
// CHECK-DAG: %[[IDS:.*]] = memref.alloc(%[[T]]) {{.*}} : memref<?x2xi32>
// CHECK-DAG: %[[S:.*]] = memref.alloc(%[[T]]) {{.*}} : memref<?x8xf32>
// CHECK: moe.router %[[Z]] bias(%[[BIAS]]) into(%[[W]], %[[IDS]], %[[S]]) {note = "kept", score = #moe.score<sigmoid>, top_k = 2 : i64} : ({{.*}}) -> ()
// CHECK: return %[[W]], %[[IDS]], %[[S]]
func.func private @router(%z: tensor<?x8xf32>, %b: tensor<8xf32>) -> (tensor<?x2xf32>, tensor<?x2xi32>, tensor<?x8xf32>) {
  %w, %ids, %s = moe.router %z bias(%b) {note = "kept", top_k = 2 : i64, score = #moe.score<sigmoid>} : (tensor<?x8xf32>, tensor<8xf32>) -> (tensor<?x2xf32>, tensor<?x2xi32>, tensor<?x8xf32>)
  return %w, %ids, %s : tensor<?x2xf32>, tensor<?x2xi32>, tensor<?x8xf32>
}

// -----

// The rows are bounded by T * k, or by the operand.
// CHECK-LABEL: func.func private @plan(
// CHECK-SAME: %{{.*}}: memref<?x2xf32>, %[[IDS:.*]]: memref<?x2xi32>, %[[C:.*]]: index, %[[N:.*]]: index
// CHECK: %[[T:.*]] = memref.dim %[[IDS]], %{{.*}}
// CHECK: %[[SLOTS:.*]] = arith.muli %[[T]], %{{.*}}
// CHECK: memref.alloc() {{.*}} : memref<8xi32>
// CHECK: memref.alloc() {{.*}} : memref<9xi32>
// CHECK: memref.alloc(%[[SLOTS]]) {{.*}} : memref<?xi32>
// CHECK: moe.plan
// CHECK: memref.alloc(%[[N]]) {{.*}} : memref<?xi32>
// CHECK: moe.plan %{{.*}}, %{{.*}} capacity(%[[C]]) rows(%[[N]]) into({{.*}}) {overflow = #moe.overflow<zero>}
func.func private @plan(%w: tensor<?x2xf32>, %ids: tensor<?x2xi32>, %c: index, %n: index) -> (tensor<?xi32>, tensor<?xi32>) {
  %a:5 = moe.plan %w, %ids : (tensor<?x2xf32>, tensor<?x2xi32>) -> (tensor<8xi32>, tensor<9xi32>, tensor<?xi32>, tensor<?x2xi32>, tensor<?x2xf32>)
  %b:5 = moe.plan %w, %ids capacity(%c) rows(%n) {overflow = #moe.overflow<zero>} : (tensor<?x2xf32>, tensor<?x2xi32>, index, index) -> (tensor<8xi32>, tensor<9xi32>, tensor<?xi32>, tensor<?x2xi32>, tensor<?x2xf32>)
  return %a#2, %b#2 : tensor<?xi32>, tensor<?xi32>
}

// -----

// N rows of H, T tokens of H; the tokens are read, never written.
// CHECK-LABEL: func.func private @movement(
// CHECK-SAME: %[[X:.*]]: memref<?x?xf32>, %[[SOURCE:.*]]: memref<?xi32>, %[[OFFSETS:.*]]: memref<3xi32>, %[[P:.*]]: memref<?x2xi32>
// CHECK-DAG: %[[N:.*]] = memref.dim %[[SOURCE]], %{{.*}}
// CHECK-DAG: %[[H:.*]] = memref.dim %[[X]], %{{.*}}
// CHECK: %[[ROWS:.*]] = memref.alloc(%[[N]], %[[H]])
// CHECK: moe.dispatch %[[X]], %[[SOURCE]], %[[OFFSETS]] into(%[[ROWS]])
// CHECK: %[[T:.*]] = memref.dim %[[P]], %{{.*}}
// CHECK: %[[Y:.*]] = memref.alloc(%[[T]], %{{.*}})
// CHECK: moe.combine %[[ROWS]], %[[P]] into(%[[Y]])
// CHECK-NOT: memref.copy
// CHECK: return %[[Y]]
func.func private @movement(%x: tensor<?x?xf32>, %source: tensor<?xi32>, %offsets: tensor<3xi32>, %p: tensor<?x2xi32>) -> tensor<?x?xf32> {
  %rows = moe.dispatch %x, %source, %offsets : (tensor<?x?xf32>, tensor<?xi32>, tensor<3xi32>) -> tensor<?x?xf32>
  %y = moe.combine %rows, %p : (tensor<?x?xf32>, tensor<?x2xi32>) -> tensor<?x?xf32>
  return %y : tensor<?x?xf32>
}

// -----

// The loss has no sizes.
// CHECK-LABEL: func.func private @aux_loss(
// CHECK-SAME: %[[S:.*]]: memref<?x8xf32>, %[[IDS:.*]]: memref<?x2xi32>
// CHECK-NEXT: %[[LOSS:.*]] = memref.alloc() {{.*}} : memref<f32>
// CHECK-NEXT: moe.aux_loss %[[S]] ids(%[[IDS]]) into(%[[LOSS]]) {kind = #moe.loss<fraction_probability>, normalize_k} : ({{.*}}) -> ()
// CHECK-NEXT: return %[[LOSS]]
func.func private @aux_loss(%s: tensor<?x8xf32>, %ids: tensor<?x2xi32>) -> tensor<f32> {
  %loss = moe.aux_loss %s ids(%ids) {kind = #moe.loss<fraction_probability>, normalize_k} : (tensor<?x8xf32>, tensor<?x2xi32>) -> tensor<f32>
  return %loss : tensor<f32>
}

// -----

// Static sizes need no arithmetic.
// CHECK-LABEL: func.func private @static(
// CHECK-NOT: memref.dim
// CHECK: memref.alloc() {{.*}} : memref<8xi32>
// CHECK: moe.plan
func.func private @static(%w: tensor<4x2xf32>, %ids: tensor<4x2xi32>) -> tensor<8xi32> {
  %a:5 = moe.plan %w, %ids : (tensor<4x2xf32>, tensor<4x2xi32>) -> (tensor<3xi32>, tensor<4xi32>, tensor<8xi32>, tensor<4x2xi32>, tensor<4x2xf32>)
  return %a#2 : tensor<8xi32>
}

// -----

// A weight is read-only: it is copied where it would be written, and only there.
// CHECK-LABEL: func.func private @weights(
// CHECK-SAME: %[[E:.*]]: index
// CHECK: %[[W:.*]] = moe.get_weight @w : memref<4xf32>
// CHECK: %[[BANK:.*]] = moe.get_weight @b
// CHECK: %[[S:.*]] = moe.bank_slice %[[BANK]][%[[E]]] : !moe.bank<2x4x4xf32, strided<[8, 1]>> -> memref<4x4xf32, strided<[8, 1]>>
// CHECK: %[[COPY:.*]] = memref.alloc() {{.*}} : memref<4xf32>
// CHECK: memref.copy %[[W]], %[[COPY]]
// CHECK: memref.store %{{.*}}, %[[COPY]]
// CHECK-NOT: memref.copy
// CHECK: "test.read"(%[[S]])
moe.weight @w : tensor<4xf32> from ["w"]
moe.weight @b : !moe.bank<2x4x4xf32, strided<[8, 1]>> from [#moe.source<"b", shape = [2, 8, 4], strides = [1, 2, 1]>]
func.func private @weights(%e: index) -> tensor<4xf32> {
  %w = moe.get_weight @w : tensor<4xf32>
  %b = moe.get_weight @b : !moe.bank<2x4x4xf32, strided<[8, 1]>>
  %s = moe.bank_slice %b[%e] : !moe.bank<2x4x4xf32, strided<[8, 1]>> -> tensor<4x4xf32>
  %zero = arith.constant 0.0 : f32
  %y = tensor.insert %zero into %w[%e] : tensor<4xf32>
  %m = bufferization.to_buffer %s read_only : tensor<4x4xf32> to memref<4x4xf32, strided<[8, 1]>>
  "test.read"(%m) : (memref<4x4xf32, strided<[8, 1]>>) -> ()
  return %y : tensor<4xf32>
}

// -----

// moe-make-bank-c3: dense slices, which are not copied
// CHECK-LABEL: func.func private @make_bank(
// CHECK-SAME: %[[A:.*]]: memref<4xf32>, %[[B:.*]]: memref<4xf32>
// CHECK-NOT: memref.copy
// CHECK: moe.make_bank %[[A]], %[[B]] : memref<4xf32> -> !moe.bank<2x4xf32>
func.func private @make_bank(%a: tensor<4xf32>, %b: tensor<4xf32>, %e: index) -> tensor<4xf32> {
  %bank = moe.make_bank %a, %b : tensor<4xf32> -> !moe.bank<2x4xf32>
  %s = moe.bank_slice %bank[%e] : !moe.bank<2x4xf32> -> tensor<4xf32>
  return %s : tensor<4xf32>
}

// -----

// In place: the init is an argument that nobody reads afterwards.
// CHECK-LABEL: func.func private @grouped_matmul(
// CHECK-SAME: %[[X:.*]]: memref<?x4xf32>, %[[BANK:.*]]: !moe.bank<2x6x4xf32>, %[[OFFSETS:.*]]: memref<3xi32>, %[[INIT:.*]]: memref<?x6xf32>
// CHECK-NEXT: moe.grouped_matmul %[[X]] banks(%[[BANK]]) offsets(%[[OFFSETS]]) outs(%[[INIT]]) : ({{.*}}, memref<?x6xf32>) -> ()
// CHECK-NEXT: return
func.func private @grouped_matmul(%x: tensor<?x4xf32>, %b: !moe.bank<2x6x4xf32>, %offsets: tensor<3xi32>, %init: tensor<?x6xf32>) -> tensor<?x6xf32> {
  %y = moe.grouped_matmul %x banks(%b) offsets(%offsets) outs(%init) : (tensor<?x4xf32>, !moe.bank<2x6x4xf32>, tensor<3xi32>, tensor<?x6xf32>) -> tensor<?x6xf32>
  return %y : tensor<?x6xf32>
}

// -----

// CHECK-LABEL: func.func private @quantize_rows(
// CHECK-SAME: %[[X:.*]]: memref<?x20xf32>
// CHECK: %[[C:.*]] = memref.alloc(%{{.*}}) {{.*}} : memref<?x20xi8>
// CHECK: %[[S:.*]] = memref.alloc(%{{.*}}) {{.*}} : memref<?xf32>
// CHECK: %[[G:.*]] = memref.alloc(%{{.*}}) {{.*}} : memref<?x3xi32>
// CHECK: moe.quantize_rows %[[X]] into(%[[C]], %[[S]], %[[G]]) {group = 8 : i64} : ({{.*}}) -> ()
// CHECK: return %[[C]], %[[S]], %[[G]]
func.func private @quantize_rows(%x: tensor<?x20xf32>) -> (tensor<?x20xi8>, tensor<?xf32>, tensor<?x3xi32>) {
  %c, %s, %g = moe.quantize_rows %x {group = 8} : (tensor<?x20xf32>) -> (tensor<?x20xi8>, tensor<?xf32>, tensor<?x3xi32>)
  return %c, %s, %g : tensor<?x20xi8>, tensor<?xf32>, tensor<?x3xi32>
}

// -----

// CHECK-LABEL: func.func private @run_scales(
// CHECK: %[[S:.*]] = memref.alloc(%{{.*}}) {{.*}} : memref<?x3xf32>
// CHECK: moe.quantize_rows %{{.*}} into(%{{.*}}, %[[S]], %{{.*}}) {group = 8 : i64, run_scales} : ({{.*}}) -> ()
func.func private @run_scales(%x: tensor<?x20xf32>) -> (tensor<?x20xi8>, tensor<?x3xf32>, tensor<?x3xi32>) {
  %c, %s, %g = moe.quantize_rows %x {group = 8, run_scales} : (tensor<?x20xf32>) -> (tensor<?x20xi8>, tensor<?x3xf32>, tensor<?x3xi32>)
  return %c, %s, %g : tensor<?x20xi8>, tensor<?x3xf32>, tensor<?x3xi32>
}

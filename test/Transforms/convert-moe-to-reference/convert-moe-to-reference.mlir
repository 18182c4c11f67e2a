// Routing ops become calls of the oracle; nothing of them is left.

// RUN: moe-opt %s -convert-moe-to-reference | FileCheck %s

// CHECK-DAG: llvm.func @moe_reference_router
// CHECK-DAG: llvm.func @moe_reference_combine
// CHECK-DAG: llvm.func @moe_reference_aux_loss
// CHECK-LABEL: func.func @layer(
// CHECK-NOT: moe.router
// CHECK: llvm.call @moe_reference_router
// CHECK-NOT: moe.combine
// CHECK: llvm.call @moe_reference_combine
// CHECK-NOT: moe.aux_loss
// CHECK: llvm.call @moe_reference_aux_loss
// CHECK-NOT: moe.
// CHECK: return
func.func @layer(%z: memref<?x4xf32>, %w: memref<?x2xf32>, %ids: memref<?x2xi32>, %rows: memref<?x4xf32>, %y: memref<?x4xf32>, %loss: memref<f32>) {
  moe.router %z into(%w, %ids) {top_k = 2 : i64, score = #moe.score<softmax>} : (memref<?x4xf32>, memref<?x2xf32>, memref<?x2xi32>) -> ()
  moe.combine %rows, %ids weights(%w) into(%y) : (memref<?x4xf32>, memref<?x2xi32>, memref<?x2xf32>, memref<?x4xf32>) -> ()
  moe.aux_loss %z ids(%ids) into(%loss) {kind = #moe.loss<fraction_probability>} : (memref<?x4xf32>, memref<?x2xi32>, memref<f32>) -> ()
  return
}

// Rows are i32: the slots of a plan must fit.
// CHECK-LABEL: func.func @plan(
// CHECK: %[[T:.*]] = memref.dim
// CHECK: %[[MOST:.*]] = arith.constant 715827882 : index
// CHECK: %[[FIT:.*]] = arith.cmpi ule, %[[T]], %[[MOST]]
// CHECK: cf.assert %[[FIT]], "moe.plan of k = 3 got more than 715827882 tokens, {{.*}} [moe-plan-slots]"
// CHECK: llvm.call @moe_reference_plan
func.func @plan(%w: memref<?x3xf32>, %ids: memref<?x3xi32>, %counts: memref<8xi32>, %offsets: memref<9xi32>, %source: memref<?xi32>, %position: memref<?x3xi32>, %out: memref<?x3xf32>) {
  moe.plan %w, %ids into(%counts, %offsets, %source, %position, %out) : (memref<?x3xf32>, memref<?x3xi32>, memref<8xi32>, memref<9xi32>, memref<?xi32>, memref<?x3xi32>, memref<?x3xf32>) -> ()
  return
}

// A strided operand is copied to dense memory, a strided result back from it.
// CHECK-LABEL: func.func @strided(
// CHECK-SAME: %{{.*}}: memref<?x4xf32, strided<[8, 1]>>, %{{.*}}: memref<?x2xi32>, %[[Y:.*]]: memref<?x4xf32, strided<[8, 1]>>)
// CHECK: %[[ROWS:.*]] = memref.alloc(%{{.*}}) : memref<?x4xf32>
// CHECK: memref.copy %{{.*}}, %[[ROWS]]
// CHECK: %[[DENSE:.*]] = memref.alloc(%{{.*}}) : memref<?x4xf32>
// CHECK: llvm.call @moe_reference_combine
// CHECK-NEXT: memref.copy %[[DENSE]], %[[Y]]
// CHECK-NEXT: return
func.func @strided(%rows: memref<?x4xf32, strided<[8, 1]>>, %position: memref<?x2xi32>, %y: memref<?x4xf32, strided<[8, 1]>>) {
  moe.combine %rows, %position into(%y) : (memref<?x4xf32, strided<[8, 1]>>, memref<?x2xi32>, memref<?x4xf32, strided<[8, 1]>>) -> ()
  return
}

// CHECK-LABEL: func.func @quantize_rows(
// CHECK: llvm.call @moe_reference_quantize_rows
func.func @quantize_rows(%x: memref<?x20xf32>, %c: memref<?x20xi8>, %s: memref<?xf32>, %g: memref<?x3xi32>) {
  moe.quantize_rows %x into(%c, %s, %g) {group = 8} : (memref<?x20xf32>, memref<?x20xi8>, memref<?xf32>, memref<?x3xi32>) -> ()
  return
}

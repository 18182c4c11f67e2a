// Routing ops become calls of the oracle; nothing of them is left.

// RUN: moe-opt %s -convert-moe-to-reference | FileCheck %s

// CHECK-DAG: llvm.func @moe_reference_router
// CHECK-DAG: llvm.func @moe_reference_combine
// CHECK-LABEL: func.func @layer(
// CHECK-NOT: moe.router
// CHECK: llvm.call @moe_reference_router
// CHECK-NOT: moe.combine
// CHECK: llvm.call @moe_reference_combine
// CHECK-NOT: moe.
// CHECK: return
func.func @layer(%z: memref<?x4xf32>, %w: memref<?x2xf32>, %ids: memref<?x2xi32>, %rows: memref<?x4xf32>, %y: memref<?x4xf32>) {
  moe.router %z into(%w, %ids) {top_k = 2 : i64, score = #moe.score<softmax>} : (memref<?x4xf32>, memref<?x2xf32>, memref<?x2xi32>) -> ()
  moe.combine %rows, %ids weights(%w) into(%y) : (memref<?x4xf32>, memref<?x2xi32>, memref<?x2xf32>, memref<?x4xf32>) -> ()
  return
}

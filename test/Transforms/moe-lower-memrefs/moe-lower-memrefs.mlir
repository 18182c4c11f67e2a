// RUN: moe-opt %s -pass-pipeline="builtin.module(func.func(moe-lower-memrefs))" | FileCheck %s

// A copy is a loop nest, strided or not.
// CHECK-LABEL: func.func @copy(
// CHECK-NOT: memref.copy
// CHECK: linalg.generic
func.func @copy(%a: memref<?x4xf32>, %b: memref<?x4xf32, strided<[8, 1]>>) {
  memref.copy %a, %b : memref<?x4xf32> to memref<?x4xf32, strided<[8, 1]>>
  return
}

// Tokens into batch and sequence: two dynamic sizes from one dimension.
// CHECK-LABEL: func.func @expand(
// CHECK-SAME: %[[A:.*]]: memref<?x4xf32>, %[[B:.*]]: index, %[[S:.*]]: index)
// CHECK: %[[STRIDE:.*]] = arith.muli %[[S]], %{{.*}}
// CHECK: memref.reinterpret_cast %[[A]] to offset: [0], sizes: [%[[B]], %[[S]], 4], strides: [%[[STRIDE]], 4, 1]
// CHECK: memref.cast %{{.*}} to memref<?x?x4xf32>
func.func @expand(%a: memref<?x4xf32>, %b: index, %s: index) -> memref<?x?x4xf32> {
  %e = memref.expand_shape %a [[0, 1], [2]] output_shape [%b, %s, 4] : memref<?x4xf32> into memref<?x?x4xf32>
  return %e : memref<?x?x4xf32>
}

// One dynamic size is upstream's to lower.
// CHECK-LABEL: func.func @one_size(
// CHECK: memref.expand_shape
func.func @one_size(%a: memref<?xf32>, %b: index) -> memref<?x4xf32> {
  %e = memref.expand_shape %a [[0, 1]] output_shape [%b, 4] : memref<?xf32> into memref<?x4xf32>
  return %e : memref<?x4xf32>
}

// Loops over the same rows become one.

// RUN: moe-opt %s -pass-pipeline="builtin.module(func.func(convert-moe-to-vector,convert-moe-to-loops,moe-fuse-row-loops))" | FileCheck %s

// Rounding moves down to the product with the router's matrix, past the loop over
// panels, which reads what it reads; top-k follows. The sum of the costs, 8 + 16
// + 13, makes ranges of 16384 / 37 rows.
// CHECK-LABEL: func.func @layer(
// CHECK: %[[CODES:.*]] = memref.alloc({{.*}}xi8>
// CHECK: %[[LOGITS:.*]] = memref.alloc({{.*}}<?x3xf32>
// CHECK: scf.parallel
// CHECK-NOT: arith.trunci
// CHECK: vector.maskedstore %[[LOGITS]]
// CHECK: %[[GRAIN:c443.*]] = arith.constant 443 : index
// CHECK-NEXT: %[[WANTED:.*]] = arith.ceildivui %{{.*}}, %[[GRAIN]]
// CHECK: %[[RANGES:.*]] = arith.minsi %[[WANTED]],
// CHECK: scf.parallel (%[[I:.*]]) = (%{{.*}}) to (%[[RANGES]])
// CHECK: %[[TIMES:.*]] = arith.muli %[[I]],
// CHECK-NEXT: arith.divui %[[TIMES]], %[[RANGES]]
// CHECK: memref.store %{{.*}}, %[[CODES]]
// CHECK: vector.maskedstore %[[LOGITS]]
// CHECK: memref.load %[[LOGITS]]
// CHECK: moe.row_loop = array<i64: 37, 12>
// CHECK-NOT: scf.parallel
// CHECK: return
func.func @layer(%x: memref<?x8xf32>, %b: !moe.bank<1x3x8xf32, #moe.packed<panel = 8, depth = 1>>) {
  %c0 = arith.constant 0 : index
  %t = memref.dim %x, %c0 : memref<?x8xf32>
  %codes = memref.alloc(%t) : memref<?x8xi8>
  %scales = memref.alloc(%t) : memref<?xf32>
  %sums = memref.alloc(%t) : memref<?x1xi32>
  moe.quantize_rows %x into(%codes, %scales, %sums) : (memref<?x8xf32>, memref<?x8xi8>, memref<?xf32>, memref<?x1xi32>) -> ()
  %z = memref.alloc(%t) : memref<?x3xf32>
  moe.grouped_matmul %x banks(%b) outs(%z) {schedule = #moe.cpu_schedule<row_block = 3, lanes = 4, dot = fma, order = rows>}
      : (memref<?x8xf32>, !moe.bank<1x3x8xf32, #moe.packed<panel = 8, depth = 1>>, memref<?x3xf32>) -> ()
  %w = memref.alloc(%t) : memref<?x1xf32>
  %ids = memref.alloc(%t) : memref<?x1xi32>
  moe.router %z into(%w, %ids) {top_k = 1 : i64, score = #moe.score<softmax>} : (memref<?x3xf32>, memref<?x1xf32>, memref<?x1xi32>) -> ()
  return
}

// Another number of rows.
// CHECK-LABEL: func.func @rows(
// CHECK: moe.row_loop = array<i64: 8, 1>
// CHECK: moe.row_loop = array<i64: 8, 1>
func.func @rows(%x: memref<?x8xf32>, %y: memref<?x8xf32>, %t: index, %u: index) {
  %c = memref.alloc(%t) : memref<?x8xi8>
  %s = memref.alloc(%t) : memref<?xf32>
  %g = memref.alloc(%t) : memref<?x1xi32>
  moe.quantize_rows %x into(%c, %s, %g) : (memref<?x8xf32>, memref<?x8xi8>, memref<?xf32>, memref<?x1xi32>) -> ()
  moe.quantize_rows %y into(%c, %s, %g) : (memref<?x8xf32>, memref<?x8xi8>, memref<?xf32>, memref<?x1xi32>) -> ()
  return
}

// The scales are the correction bias of the router: a vector of all experts.
// CHECK-LABEL: func.func @vector(
// CHECK: moe.row_loop = array<i64: 8, 1>
// CHECK: moe.row_loop = array<i64: 36, 1>
func.func @vector(%x: memref<8x8xf32>) {
  %c = memref.alloc() : memref<8x8xi8>
  %s = memref.alloc() : memref<8xf32>
  %g = memref.alloc() : memref<8x1xi32>
  moe.quantize_rows %x into(%c, %s, %g) : (memref<8x8xf32>, memref<8x8xi8>, memref<8xf32>, memref<8x1xi32>) -> ()
  %w = memref.alloc() : memref<8x1xf32>
  %ids = memref.alloc() : memref<8x1xi32>
  moe.router %x bias(%s) into(%w, %ids) {top_k = 1 : i64, score = #moe.score<softmax>} : (memref<8x8xf32>, memref<8xf32>, memref<8x1xf32>, memref<8x1xi32>) -> ()
  return
}

// Arguments may share memory: one loop writes %c, the other reads %y.
// CHECK-LABEL: func.func @arguments(
// CHECK: moe.row_loop = array<i64: 8, 1>
// CHECK: moe.row_loop = array<i64: 8, 1>
func.func @arguments(%x: memref<4x8xf32>, %y: memref<4x8xf32>, %c: memref<4x8xi8>) {
  %s = memref.alloc() : memref<4xf32>
  %g = memref.alloc() : memref<4x1xi32>
  moe.quantize_rows %x into(%c, %s, %g) : (memref<4x8xf32>, memref<4x8xi8>, memref<4xf32>, memref<4x1xi32>) -> ()
  %d = memref.alloc() : memref<4x8xi8>
  %r = memref.alloc() : memref<4xf32>
  %h = memref.alloc() : memref<4x1xi32>
  moe.quantize_rows %y into(%d, %r, %h) : (memref<4x8xf32>, memref<4x8xi8>, memref<4xf32>, memref<4x1xi32>) -> ()
  return
}

// What lies between reads what the first loop writes, or may do anything.
// CHECK-LABEL: func.func @between(
// CHECK: moe.row_loop = array<i64: 8, 1>
// CHECK: memref.load
// CHECK: moe.row_loop = array<i64: 8, 1>
// CHECK: call @anything
// CHECK: moe.row_loop = array<i64: 8, 1>
func.func private @anything()
func.func @between(%x: memref<4x8xf32>) -> i32 {
  %c = memref.alloc() : memref<4x8xi8>
  %s = memref.alloc() : memref<4xf32>
  %g = memref.alloc() : memref<4x1xi32>
  moe.quantize_rows %x into(%c, %s, %g) : (memref<4x8xf32>, memref<4x8xi8>, memref<4xf32>, memref<4x1xi32>) -> ()
  %c0 = arith.constant 0 : index
  %read = memref.load %g[%c0, %c0] : memref<4x1xi32>
  %d = memref.alloc() : memref<4x8xi8>
  %r = memref.alloc() : memref<4xf32>
  %h = memref.alloc() : memref<4x1xi32>
  moe.quantize_rows %x into(%d, %r, %h) : (memref<4x8xf32>, memref<4x8xi8>, memref<4xf32>, memref<4x1xi32>) -> ()
  func.call @anything() : () -> ()
  moe.quantize_rows %x into(%d, %r, %h) : (memref<4x8xf32>, memref<4x8xi8>, memref<4xf32>, memref<4x1xi32>) -> ()
  return %read : i32
}

// Static sizes; both only read %x.
// CHECK-LABEL: func.func @same(
// CHECK: moe.row_loop = array<i64: 44, 1>
// CHECK-NOT: moe.row_loop
// CHECK: return
func.func @same(%x: memref<8x8xf32>) {
  %c = memref.alloc() : memref<8x8xi8>
  %s = memref.alloc() : memref<8xf32>
  %g = memref.alloc() : memref<8x1xi32>
  moe.quantize_rows %x into(%c, %s, %g) : (memref<8x8xf32>, memref<8x8xi8>, memref<8xf32>, memref<8x1xi32>) -> ()
  %z = memref.alloc() : memref<8x8xf32>
  %w = memref.alloc() : memref<8x1xf32>
  %ids = memref.alloc() : memref<8x1xi32>
  moe.router %z into(%w, %ids) {top_k = 1 : i64, score = #moe.score<softmax>} : (memref<8x8xf32>, memref<8x1xf32>, memref<8x1xi32>) -> ()
  return
}

// A loop that others wrote: it has room for 8 ranges, not for 64.
// CHECK-LABEL: func.func @foreign(
// CHECK: moe.row_loop = array<i64: 8, 1>
// CHECK: moe.row_loop = array<i64: 2, 1>
func.func @foreign(%x: memref<8x8xf32>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c8 = arith.constant 8 : index
  %c = memref.alloc() : memref<8x8xi8>
  %s = memref.alloc() : memref<8xf32>
  %g = memref.alloc() : memref<8x1xi32>
  moe.quantize_rows %x into(%c, %s, %g) : (memref<8x8xf32>, memref<8x8xi8>, memref<8xf32>, memref<8x1xi32>) -> ()
  %rows = memref.dim %x, %c0 : memref<8x8xf32>
  %wanted = arith.ceildivui %rows, %c1 : index
  %ranges = arith.minsi %wanted, %c8 : index
  scf.parallel (%i) = (%c0) to (%ranges) step (%c1) {
  } {moe.row_loop = array<i64: 2, 1>}
  return
}

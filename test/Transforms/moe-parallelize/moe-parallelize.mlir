// Large operations are split over chunks of their outermost loops.

// RUN: moe-opt %s -pass-pipeline="builtin.module(func.func(moe-parallelize{grain=1000 max-chunks=8}),canonicalize)" | FileCheck %s
// RUN: moe-opt %s -pass-pipeline="builtin.module(func.func(moe-parallelize),canonicalize,convert-moe-to-llvm)" | FileCheck %s --check-prefix=OUTLINED

#rows = affine_map<(m, n, k) -> (m, k)>
#columns = affine_map<(m, n, k) -> (n, k)>
#result = affine_map<(m, n, k) -> (m, n)>

// The number of chunks follows the work: m * n * k / grain, at most max-chunks,
// at least one. The outermost loop is cut into as many as it has iterations,
// and the next one into what is missing.
// CHECK-LABEL: func.func private @matmul(
// CHECK-SAME: %[[A:.*]]: memref<?x64xf32>, %[[B:.*]]: memref<32x64xf32>, %[[C:.*]]: memref<?x32xf32>
// CHECK: %[[M:.*]] = memref.dim %[[A]]
// CHECK: %[[BY_WORK:.*]] = arith.divsi %{{.*}}, %c1000
// CHECK: %[[FEW:.*]] = arith.minsi %[[BY_WORK]], %c8
// CHECK: %[[WANTED:.*]] = arith.maxsi %[[FEW]], %c1
// CHECK: %[[SOME:.*]] = arith.maxsi %[[M]], %c1
// CHECK: %[[OUTER:.*]] = arith.minsi %[[WANTED]], %[[SOME]]
// CHECK: %[[MISSING:.*]] = arith.ceildivsi %[[WANTED]], %[[OUTER]]
// CHECK: %[[INNER:.*]] = arith.minsi %[[MISSING]], %c32
// CHECK: %[[CHUNKS:.*]] = arith.muli %[[OUTER]], %[[INNER]]
// CHECK: scf.parallel (%[[I:.*]]) = (%c0) to (%[[CHUNKS]]) step (%c1)
// CHECK: arith.remsi %[[I]], %[[INNER]]
// CHECK: arith.divsi %[[I]], %[[INNER]]
// CHECK: memref.subview %[[A]][%[[ROW:.*]], 0] [%[[ROWS:.*]], 64]
// CHECK: memref.subview %[[B]][%[[COLUMN:.*]], 0] [%[[COLUMNS:.*]], 64]
// CHECK: memref.subview %[[C]][%[[ROW]], %[[COLUMN]]] [%[[ROWS]], %[[COLUMNS]]]
// CHECK: linalg.matmul

// The body becomes a function that gets what it uses through a record.
// OUTLINED: llvm.func @moe_rt_parallel(!llvm.ptr, !llvm.ptr, !llvm.ptr, i64)
// OUTLINED: llvm.func internal @matmul.parallel.0(%[[ENV:.*]]: !llvm.ptr, %[[I:.*]]: i64)
// OUTLINED: llvm.load
// OUTLINED: linalg.matmul
// OUTLINED: func.func private @matmul({{.*}}, %[[CTX:[a-z0-9]+]]: !llvm.ptr)
// OUTLINED: %[[RECORD:.*]] = llvm.alloca
// OUTLINED: %[[BODY:.*]] = llvm.mlir.addressof @matmul.parallel.0
// OUTLINED: llvm.call @moe_rt_parallel(%[[CTX]], %[[BODY]], %[[RECORD]], %{{.*}})
// OUTLINED-NOT: scf.parallel
func.func private @matmul(%a: memref<?x64xf32>, %b: memref<32x64xf32>, %c: memref<?x32xf32>) {
  linalg.matmul indexing_maps = [#rows, #columns, #result] ins(%a, %b : memref<?x64xf32>, memref<32x64xf32>) outs(%c : memref<?x32xf32>)
  return
}

// An outermost reduction stays as it is.
// CHECK-LABEL: func.func private @sum(
// CHECK-NOT: scf.parallel
// CHECK: linalg.generic
func.func private @sum(%a: memref<?xf32>, %r: memref<f32>) {
  linalg.generic {indexing_maps = [affine_map<(i) -> (i)>, affine_map<(i) -> ()>], iterator_types = ["reduction"]} ins(%a : memref<?xf32>) outs(%r : memref<f32>) {
  ^bb0(%x: f32, %s: f32):
    %0 = arith.addf %x, %s : f32
    linalg.yield %0 : f32
  }
  return
}

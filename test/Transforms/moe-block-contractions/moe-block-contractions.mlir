// Blocks of the rows of a result stay in registers while the reduction passes by.

// RUN: moe-opt %s -split-input-file -pass-pipeline="builtin.module(func.func(moe-block-contractions{target-features=+avx2,+fma,+avx512f,+avx512vl,+avx512bw},canonicalize))" | FileCheck %s
// RUN: moe-opt %s -split-input-file -pass-pipeline="builtin.module(func.func(moe-block-contractions{target-features=+avx2,+fma},canonicalize))" | FileCheck %s --check-prefix=AVX2

// Values weighted by attention: rows are the innermost loop that only weights
// have, of 64 columns six rows fit.
// CHECK-LABEL: func.func @attention(
// CHECK-SAME: %[[P:.*]]: memref<?x2x?x?xf32>, %[[V:.*]]: memref<?x?x64xf32>, %[[Y:.*]]: memref<?x?x2x64xf32>
// CHECK-DAG: %[[ROWS:.*]] = memref.dim %[[P]], %c2
// CHECK-DAG: %[[KEYS:.*]] = memref.dim %[[P]], %c3
// CHECK: scf.for %[[N:.*]] = %
// CHECK: scf.for %[[I:.*]] = %

// CHECK: %[[REST:.*]] = arith.remsi %[[ROWS]], %c6
// CHECK: %[[WHOLE:.*]] = arith.subi %[[ROWS]], %[[REST]]
// CHECK: scf.for %[[S:.*]] = %{{.*}} to %[[WHOLE]] step
// CHECK-COUNT-6: vector.load %[[Y]]{{.*}} vector<64xf32>
// CHECK: scf.for %[[L:.*]] = %{{.*}} to %[[KEYS]] {{.*}} iter_args
// CHECK: %[[VALUES:.*]] = vector.load %[[V]][%[[N]], %[[L]], %{{.*}}] : memref<?x?x64xf32>, vector<64xf32>
// CHECK: %[[WEIGHT:.*]] = memref.load %[[P]][%[[N]], %[[I]], %{{.*}}, %[[L]]]
// CHECK: %[[SPLAT:.*]] = vector.broadcast %[[WEIGHT]]
// CHECK: vector.fma %[[SPLAT]], %[[VALUES]], %
// CHECK-COUNT-5: vector.fma
// CHECK-COUNT-6: vector.store {{.*}} %[[Y]][%{{.*}}, %[[N]], %[[I]], %{{.*}}]
// The rows that are left, one by one.
// CHECK: scf.for %{{.*}} = %[[WHOLE]] to %[[ROWS]]
// CHECK: vector.load %[[Y]]
// CHECK-NOT: vector.load %[[Y]]
// CHECK: vector.fma
// CHECK-NOT: vector.fma

// With 16 registers of 8 elements: tiles of 16 columns.
// AVX2-LABEL: func.func @attention(
// AVX2-COUNT-6: vector.load %{{.*}} vector<16xf32>
// AVX2-NOT: vector<64xf32>
#p = affine_map<(n, l, i, s, d) -> (n, i, s, l)>
#v = affine_map<(n, l, i, s, d) -> (n, l, d)>
#y = affine_map<(n, l, i, s, d) -> (s, n, i, d)>
func.func @attention(%p: memref<?x2x?x?xf32>, %v: memref<?x?x64xf32>, %y: memref<?x?x2x64xf32>) {
  linalg.generic {indexing_maps = [#p, #v, #y], iterator_types = ["parallel", "reduction", "parallel", "parallel", "parallel"]} ins(%p, %v : memref<?x2x?x?xf32>, memref<?x?x64xf32>) outs(%y : memref<?x?x2x64xf32>) {
  ^bb0(%a: f32, %b: f32, %c: f32):
    %0 = arith.mulf %a, %b : f32
    %1 = arith.addf %c, %0 : f32
    linalg.yield %1 : f32
  }
  return
}

// -----

// Left alone: columns that are no whole vectors, or whose number is not known;
// rows along the reduction in both operands; elements of another type.
// CHECK-LABEL: func.func @others(
// CHECK-COUNT-4: linalg.matmul
// CHECK-NOT: vector.
func.func @others(%a: memref<?x?xf32>, %b: memref<?x20xf32>, %c: memref<?x20xf32>,
                  %d: memref<?x?xf32>, %e: memref<?x?xf32>,
                  %f: memref<64x?xf32>, %g: memref<?x64xf32>,
                  %h: memref<?x64xbf16>) {
  linalg.matmul ins(%a, %b : memref<?x?xf32>, memref<?x20xf32>) outs(%c : memref<?x20xf32>)
  linalg.matmul ins(%a, %d : memref<?x?xf32>, memref<?x?xf32>) outs(%e : memref<?x?xf32>)
  linalg.matmul indexing_maps = [affine_map<(m, n, k) -> (m, k)>, affine_map<(m, n, k) -> (n, k)>, affine_map<(m, n, k) -> (m, n)>]
    ins(%a, %f : memref<?x?xf32>, memref<64x?xf32>) outs(%g : memref<?x64xf32>)
  linalg.matmul ins(%a, %h : memref<?x?xf32>, memref<?x64xbf16>) outs(%g : memref<?x64xf32>)
  return
}

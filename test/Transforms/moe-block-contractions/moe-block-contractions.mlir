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

// Scores of attention: a tile of keys is transposed into a buffer, for the rows of
// all groups. Few rows are left to loops.
// CHECK-LABEL: func.func @scores(
// CHECK-SAME: %[[Q:.*]]: memref<?x2x2x64xf32>, %[[K:.*]]: memref<2x?x64xf32>, %[[Y:.*]]: memref<2x2x?x?xf32>
// CHECK: %[[W:.*]] = memref.alloca() {alignment = 64 : i64} : memref<64x64xf32>
// CHECK-DAG: %[[QUERIES:.*]] = memref.dim %[[Q]], %c0
// CHECK-DAG: %[[KEYS:.*]] = memref.dim %[[K]], %c1
// CHECK: %[[ROWS:.*]] = arith.muli %[[QUERIES]], %c2
// CHECK: %[[MANY:.*]] = arith.cmpi sge, %[[ROWS]], %c8
// CHECK: scf.if %[[MANY]]
// CHECK: scf.for %[[N:.*]] = %c0 to %c2
// CHECK: scf.for %[[FIRST:.*]] = %c0 to %[[KEYS]] step %c64
// CHECK: %[[LEFT:.*]] = arith.subi %[[KEYS]], %[[FIRST]]
// CHECK: %[[COUNT:.*]] = arith.minsi %[[LEFT]], %c64
// CHECK: scf.for %[[I:.*]] = %c0 to %[[COUNT]]
// CHECK: %[[KEY:.*]] = arith.addi %[[FIRST]], %[[I]]
// CHECK: scf.for %[[D:.*]] = %c0 to %c64
// CHECK: %[[X:.*]] = memref.load %[[K]][%[[N]], %[[KEY]], %[[D]]]
// CHECK: memref.store %[[X]], %[[W]][%[[D]], %[[I]]]
// CHECK: scf.for %[[I:.*]] = %[[COUNT]] to %c64
// CHECK: memref.store %cst{{.*}}, %[[W]]
// CHECK: %[[MASK:.*]] = vector.create_mask %[[COUNT]] : vector<64xi1>
// CHECK: scf.for %[[G:.*]] = %c0 to %c2
// CHECK: scf.for %[[S:.*]] = %c0 to %{{.*}} step %c6
// CHECK-COUNT-6: vector.maskedload %[[Y]][%[[N]], %[[G]], %{{.*}}, %[[FIRST]]], %[[MASK]]
// CHECK: scf.for %[[D:.*]] = %c0 to %c64
// CHECK: %[[WEIGHTS:.*]] = vector.load %[[W]][%[[D]], %c0] : memref<64x64xf32>, vector<64xf32>
// CHECK: memref.load %[[Q]][%[[S]], %[[N]], %[[G]], %[[D]]]
// CHECK-COUNT-6: vector.fma
// CHECK-COUNT-6: vector.maskedstore %[[Y]][%[[N]], %[[G]], %{{.*}}, %[[FIRST]]], %[[MASK]]
// CHECK: } else {
// CHECK: linalg.generic

// AVX2-LABEL: func.func @scores(
// AVX2: memref.alloca() {{.*}} memref<64x16xf32>
#q = affine_map<(n, l, i, s, d) -> (s, n, i, d)>
#k = affine_map<(n, l, i, s, d) -> (n, l, d)>
#z = affine_map<(n, l, i, s, d) -> (n, i, s, l)>
func.func @scores(%q: memref<?x2x2x64xf32>, %k: memref<2x?x64xf32>, %y: memref<2x2x?x?xf32>) {
  linalg.generic {indexing_maps = [#q, #k, #z], iterator_types = ["parallel", "parallel", "parallel", "parallel", "reduction"]} ins(%q, %k : memref<?x2x2x64xf32>, memref<2x?x64xf32>) outs(%y : memref<2x2x?x?xf32>) {
  ^bb0(%a: f32, %b: f32, %c: f32):
    %0 = arith.mulf %a, %b : f32
    %1 = arith.addf %c, %0 : f32
    linalg.yield %1 : f32
  }
  return
}

// -----

// Wider heads: fewer keys at a time. The buffer belongs to the loop that threads
// share.
// CHECK-LABEL: func.func @wide(
// CHECK-NOT: memref.alloca
// CHECK: scf.parallel
// CHECK-NEXT: memref.alloca() {alignment = 64 : i64} : memref<256x16xf32>
func.func @wide(%q: memref<?x256xf32>, %k: memref<?x256xf32>, %y: memref<?x?xf32>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c2 = arith.constant 2 : index
  scf.parallel (%i) = (%c0) to (%c2) step (%c1) {
    scf.for %j = %c0 to %c2 step %c1 {
      linalg.matmul indexing_maps = [affine_map<(m, n, k) -> (m, k)>, affine_map<(m, n, k) -> (n, k)>, affine_map<(m, n, k) -> (m, n)>]
        ins(%q, %k : memref<?x256xf32>, memref<?x256xf32>) outs(%y : memref<?x?xf32>)
    }
  }
  return
}

// -----

// Left alone: columns that are no whole vectors, or whose number is not known;
// a transposed operand with as many elements of K as fill the buffer, or a number
// that is not known; elements of another type.
// CHECK-LABEL: func.func @others(
// CHECK-COUNT-5: linalg.matmul
// CHECK-NOT: vector.
func.func @others(%a: memref<?x?xf32>, %b: memref<?x20xf32>, %c: memref<?x20xf32>,
                  %d: memref<?x?xf32>, %e: memref<?x?xf32>,
                  %f: memref<64x?xf32>, %g: memref<?x64xf32>,
                  %h: memref<?x64xbf16>, %i: memref<?x257xf32>) {
  linalg.matmul ins(%a, %b : memref<?x?xf32>, memref<?x20xf32>) outs(%c : memref<?x20xf32>)
  linalg.matmul ins(%a, %d : memref<?x?xf32>, memref<?x?xf32>) outs(%e : memref<?x?xf32>)
  linalg.matmul indexing_maps = [affine_map<(m, n, k) -> (m, k)>, affine_map<(m, n, k) -> (n, k)>, affine_map<(m, n, k) -> (m, n)>]
    ins(%a, %f : memref<?x?xf32>, memref<64x?xf32>) outs(%g : memref<?x64xf32>)
  linalg.matmul indexing_maps = [affine_map<(m, n, k) -> (m, k)>, affine_map<(m, n, k) -> (n, k)>, affine_map<(m, n, k) -> (m, n)>]
    ins(%a, %i : memref<?x?xf32>, memref<?x257xf32>) outs(%e : memref<?x?xf32>)
  linalg.matmul ins(%a, %h : memref<?x?xf32>, memref<?x64xbf16>) outs(%g : memref<?x64xf32>)
  return
}

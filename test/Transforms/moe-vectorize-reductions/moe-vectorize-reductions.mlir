// Rows are reduced in four vectors, then in one, then element by element.

// RUN: moe-opt %s -split-input-file -pass-pipeline="builtin.module(func.func(moe-vectorize-reductions{target-features=+avx2,+fma,+avx512f,+avx512vl,+avx512bw},canonicalize,cse))" | FileCheck %s
// RUN: moe-opt %s -split-input-file -pass-pipeline="builtin.module(func.func(moe-vectorize-reductions{target-features=+avx2,+fma},canonicalize,cse))" | FileCheck %s --check-prefix=AVX2

// The largest score of each query of attention.
// CHECK-LABEL: func.func @peaks(
// CHECK-SAME: %[[S:.*]]: memref<2x?x?xf32>, %[[P:.*]]: memref<2x?xf32>
// CHECK-DAG: %[[LOWEST:.*]] = arith.constant dense<0xFF800000> : vector<16xf32>
// CHECK-DAG: %[[KEYS:.*]] = memref.dim %[[S]], %c2
// CHECK: scf.for %[[N:.*]] = %c0 to %c2
// CHECK: scf.for %[[Q:.*]] = %c0 to

// CHECK: %[[REST:.*]] = arith.remui %[[KEYS]], %c64
// CHECK: %[[OF_ALL:.*]] = arith.subi %[[KEYS]], %[[REST]]
// CHECK: %[[REST:.*]] = arith.remui %[[KEYS]], %c16
// CHECK: %[[OF_ONE:.*]] = arith.subi %[[KEYS]], %[[REST]]
// CHECK: %[[FOUR:.*]]:4 = scf.for %[[K:.*]] = %c0 to %[[OF_ALL]] step %c64 iter_args(%[[A:.*]] = %[[LOWEST]], %{{.*}} = %[[LOWEST]], %{{.*}} = %[[LOWEST]], %[[D:.*]] = %[[LOWEST]])
// CHECK: %[[X:.*]] = vector.load %[[S]][%[[N]], %[[Q]], %[[K]]] {{.*}} vector<16xf32>
// CHECK: arith.maximumf %[[X]], %[[A]] : vector<16xf32>
// CHECK: %[[LAST:.*]] = arith.addi %[[K]], %c48
// CHECK: %[[X:.*]] = vector.load %[[S]][%[[N]], %[[Q]], %[[LAST]]]
// CHECK: arith.maximumf %[[X]], %[[D]]
// CHECK: %[[ONE:.*]] = scf.for %{{.*}} = %[[OF_ALL]] to %[[OF_ONE]] step %c16 iter_args(%{{.*}} = %[[FOUR]]#0)

// CHECK: %[[OLD:.*]] = memref.load %[[P]][%[[N]], %[[Q]]]
// CHECK: %[[TWO:.*]] = arith.maximumf %[[ONE]], %[[FOUR]]#1
// CHECK: %[[THREE:.*]] = arith.maximumf %[[TWO]], %[[FOUR]]#2
// CHECK: %[[LANES:.*]] = arith.maximumf %[[THREE]], %[[FOUR]]#3
// CHECK: %[[ALL:.*]] = vector.reduction <maximumf>, %[[LANES]], %[[OLD]]
// CHECK: %[[TOTAL:.*]] = scf.for %[[K:.*]] = %[[OF_ONE]] to %[[KEYS]] step %c1 iter_args(%[[T:.*]] = %[[ALL]])
// CHECK: %[[X:.*]] = memref.load %[[S]][%[[N]], %[[Q]], %[[K]]]
// CHECK: arith.maximumf %[[X]], %[[T]] : f32
// CHECK: memref.store %[[TOTAL]], %[[P]][%[[N]], %[[Q]]]
// CHECK-NOT: linalg

// AVX2-LABEL: func.func @peaks(
// AVX2: step %c32
// AVX2: vector<8xf32>
func.func @peaks(%scores: memref<2x?x?xf32>, %peaks: memref<2x?xf32>) {
  linalg.generic {indexing_maps = [affine_map<(n, q, k) -> (n, q, k)>, affine_map<(n, q, k) -> (n, q)>], iterator_types = ["parallel", "parallel", "reduction"]} ins(%scores : memref<2x?x?xf32>) outs(%peaks : memref<2x?xf32>) {
  ^bb0(%x: f32, %m: f32):
    %0 = arith.maximumf %x, %m : f32
    linalg.yield %0 : f32
  }
  return
}

// -----

// The sum of squares of a norm, of bf16 with a factor per row: the loop that
// reduces comes first, and sums may be added in any order.
// CHECK-LABEL: func.func @squares(
// CHECK-SAME: %[[X:.*]]: memref<?x64xbf16>, %[[F:.*]]: memref<?xf32>, %[[S:.*]]: memref<?xf32>
// CHECK: scf.for %[[T:.*]] = %c0
// CHECK: vector.load %[[X]]{{.*}} vector<16xbf16>
// CHECK: %[[FACTOR:.*]] = memref.load %[[F]][%[[T]]]
// CHECK: vector.broadcast %[[FACTOR]]
// CHECK: arith.extf %{{.*}} : vector<16xbf16> to vector<16xf32>
// CHECK: arith.addf %{{.*}} : vector<16xf32>
// CHECK: vector.reduction <add>, %{{.*}}, %{{.*}} fastmath<reassoc>
func.func @squares(%x: memref<?x64xbf16>, %f: memref<?xf32>, %s: memref<?xf32>) {
  linalg.generic {indexing_maps = [affine_map<(k, t) -> (t, k)>, affine_map<(k, t) -> (t)>, affine_map<(k, t) -> (t)>], iterator_types = ["reduction", "parallel"]} ins(%x, %f : memref<?x64xbf16>, memref<?xf32>) outs(%s : memref<?xf32>) {
  ^bb0(%a: bf16, %b: f32, %sum: f32):
    %0 = arith.extf %a : bf16 to f32
    %1 = arith.mulf %0, %0 : f32
    %2 = arith.mulf %1, %b : f32
    %3 = arith.addf %sum, %2 : f32
    linalg.yield %3 : f32
  }
  return
}

// -----

// Left alone: contractions, columns, strides, another type, a combiner that has
// no neutral element here, a result that is used twice, an index, two loops that
// reduce.
// CHECK-LABEL: func.func @others(
// CHECK-COUNT-8: linalg.
// CHECK-NOT: vector.
#all = affine_map<(i, k) -> (i, k)>
#row = affine_map<(i, k) -> (i)>
func.func @others(%x: memref<?x?xf32>, %y: memref<?xf32>, %v: memref<?xf32>,
                  %strided: memref<?x?xf32, strided<[?, 2]>>,
                  %b: memref<?x?xbf16>, %c: memref<?xbf16>, %s: memref<f32>) {
  linalg.matvec ins(%x, %v : memref<?x?xf32>, memref<?xf32>) outs(%y : memref<?xf32>)
  linalg.generic {indexing_maps = [affine_map<(i, k) -> (k, i)>, #row], iterator_types = ["parallel", "reduction"]} ins(%x : memref<?x?xf32>) outs(%y : memref<?xf32>) {
  ^bb0(%a: f32, %sum: f32):
    %0 = arith.addf %sum, %a : f32
    linalg.yield %0 : f32
  }
  linalg.generic {indexing_maps = [#all, #row], iterator_types = ["parallel", "reduction"]} ins(%strided : memref<?x?xf32, strided<[?, 2]>>) outs(%y : memref<?xf32>) {
  ^bb0(%a: f32, %sum: f32):
    %0 = arith.addf %sum, %a : f32
    linalg.yield %0 : f32
  }
  linalg.generic {indexing_maps = [#all, #row], iterator_types = ["parallel", "reduction"]} ins(%b : memref<?x?xbf16>) outs(%c : memref<?xbf16>) {
  ^bb0(%a: bf16, %sum: bf16):
    %0 = arith.addf %sum, %a : bf16
    linalg.yield %0 : bf16
  }
  linalg.generic {indexing_maps = [#all, #row], iterator_types = ["parallel", "reduction"]} ins(%x : memref<?x?xf32>) outs(%y : memref<?xf32>) {
  ^bb0(%a: f32, %sum: f32):
    %0 = arith.mulf %sum, %a : f32
    linalg.yield %0 : f32
  }
  linalg.generic {indexing_maps = [#all, #row], iterator_types = ["parallel", "reduction"]} ins(%x : memref<?x?xf32>) outs(%y : memref<?xf32>) {
  ^bb0(%a: f32, %sum: f32):
    %0 = arith.mulf %sum, %a : f32
    %1 = arith.addf %sum, %0 : f32
    linalg.yield %1 : f32
  }
  linalg.generic {indexing_maps = [#all, #row], iterator_types = ["parallel", "reduction"]} ins(%x : memref<?x?xf32>) outs(%y : memref<?xf32>) {
  ^bb0(%a: f32, %sum: f32):
    %k = linalg.index 1 : index
    %i = arith.index_cast %k : index to i32
    %0 = arith.sitofp %i : i32 to f32
    %1 = arith.addf %sum, %0 : f32
    linalg.yield %1 : f32
  }
  linalg.generic {indexing_maps = [#all, affine_map<(i, k) -> ()>], iterator_types = ["reduction", "reduction"]} ins(%x : memref<?x?xf32>) outs(%s : memref<f32>) {
  ^bb0(%a: f32, %sum: f32):
    %0 = arith.addf %sum, %a : f32
    linalg.yield %0 : f32
  }
  return
}

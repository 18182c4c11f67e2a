// RUN: moe-opt %s -split-input-file -verify-diagnostics -pass-pipeline="builtin.module(func.func(moe-lower-memrefs))"

func.func @strided(%a: memref<?xf32, strided<[2]>>, %b: index, %s: index) {
  // expected-error-re@+1 {{expected a dense source to expand into several dynamic sizes{{.*}}[moe-lower-memrefs-layout]}}
  %e = memref.expand_shape %a [[0, 1]] output_shape [%b, %s] : memref<?xf32, strided<[2]>> into memref<?x?xf32, strided<[?, 2]>>
  return
}

// -----

func.func @unranked(%a: memref<*xf32>, %b: memref<*xf32>) {
  // expected-error-re@+1 {{expected memrefs of known rank to copy, but got 'memref<*xf32>'{{.*}}[moe-lower-memrefs-unranked]}}
  memref.copy %a, %b : memref<*xf32> to memref<*xf32>
  return
}

// -----

func.func @half_ranked(%a: memref<4xf32>, %b: memref<*xf32>) {
  // expected-error-re@+1 {{but got 'memref<*xf32>'{{.*}}[moe-lower-memrefs-unranked]}}
  memref.copy %a, %b : memref<4xf32> to memref<*xf32>
  return
}

// RUN: moe-opt %s -split-input-file -verify-diagnostics -moe-hoist-results

// expected-error-re@+1 {{expected sizes of results that follow from the arguments, but dimension 0 of result 0, 'memref<?xf32>', depends on data; bound it, or pass the destination{{.*}}[moe-hoist-results-size]}}
func.func private @data(%x: memref<4xindex>) -> memref<?xf32> {
  %c0 = arith.constant 0 : index
  %n = memref.load %x[%c0] : memref<4xindex>
  %y = memref.alloc(%n) : memref<?xf32>
  return %y : memref<?xf32>
}
func.func private @caller(%x: memref<4xindex>) {
  %y = call @data(%x) : (memref<4xindex>) -> memref<?xf32>
  return
}

// -----

// A branch decides.
// expected-error-re@+1 {{dimension 1 of result 1, 'memref<4x?xf32>'{{.*}}[moe-hoist-results-size]}}
func.func private @branch(%n: index, %c: i1) -> (index, memref<4x?xf32>) {
  %c1 = arith.constant 1 : index
  %size = scf.if %c -> index {
    scf.yield %n : index
  } else {
    scf.yield %c1 : index
  }
  %y = memref.alloc(%size) : memref<4x?xf32>
  return %size, %y : index, memref<4x?xf32>
}
func.func private @caller(%n: index, %c: i1) {
  %size, %y = call @branch(%n, %c) : (index, i1) -> (index, memref<4x?xf32>)
  return
}

// -----

// Iterations may change the size.
// expected-error-re@+1 {{dimension 0 of result 0{{.*}}[moe-hoist-results-size]}}
func.func private @loop(%x: memref<?xf32>, %n: index) -> memref<?xf32> {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %y = scf.for %i = %c0 to %n step %c1 iter_args(%last = %x) -> memref<?xf32> {
    %next = memref.alloc(%i) : memref<?xf32>
    scf.yield %next : memref<?xf32>
  }
  return %y : memref<?xf32>
}
func.func private @caller(%x: memref<?xf32>, %n: index) {
  %y = call @loop(%x, %n) : (memref<?xf32>, index) -> memref<?xf32>
  return
}

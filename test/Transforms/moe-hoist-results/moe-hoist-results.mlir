// Callers provide the buffers of results.

// RUN: moe-opt %s -split-input-file -moe-hoist-results | FileCheck %s

// What the function allocates it gets instead, of the size that its caller
// computes as the function did.
// CHECK-LABEL: func.func private @allocated(
// CHECK-SAME: %[[X:[a-z0-9]+]]: memref<?x4xf32>, %[[N:[a-z0-9]+]]: index, %[[OUT:[a-z0-9]+]]: memref<?x4xf32>) -> index {
// CHECK-NOT: memref.alloc
// CHECK: memref.store %{{.*}}, %[[OUT]]
// CHECK-NOT: memref.copy
// CHECK: return %[[N]] : index
func.func private @allocated(%x: memref<?x4xf32>, %n: index) -> (index, memref<?x4xf32>) {
  %c0 = arith.constant 0 : index
  %zero = arith.constant 0.0 : f32
  %t = memref.dim %x, %c0 : memref<?x4xf32>
  %size = arith.addi %t, %n : index
  %y = memref.alloc(%size) {alignment = 32 : i64} : memref<?x4xf32>
  memref.store %zero, %y[%n, %c0] : memref<?x4xf32>
  return %n, %y : index, memref<?x4xf32>
}

// CHECK-LABEL: func.func @calls_allocated(
// CHECK-SAME: %[[X:[a-z0-9]+]]: memref<?x4xf32>, %[[N:[a-z0-9]+]]: index
// CHECK: %[[T:.*]] = memref.dim %[[X]], %{{.*}}
// CHECK: %[[SIZE:.*]] = arith.addi %[[T]], %[[N]]
// CHECK: %[[Y:.*]] = memref.alloc(%[[SIZE]]) {alignment = 32 : i64}
// CHECK: %[[I:.*]] = call @allocated(%[[X]], %[[N]], %[[Y]]) {note = "kept"} : (memref<?x4xf32>, index, memref<?x4xf32>) -> index
// CHECK: memref.load %[[Y]][%[[I]],
func.func @calls_allocated(%x: memref<?x4xf32>, %n: index) -> f32 {
  %c0 = arith.constant 0 : index
  %i, %y = call @allocated(%x, %n) {note = "kept"} : (memref<?x4xf32>, index) -> (index, memref<?x4xf32>)
  %value = memref.load %y[%i, %c0] : memref<?x4xf32>
  return %value : f32
}

// -----

// An argument is what callers have, also if it went through a cast, a loop or
// another function.
// CHECK-LABEL: func.func private @argument(
// CHECK-SAME: %[[X:[a-z0-9]+]]: memref<?xf32>, %{{[a-z0-9]+}}: index) {
// CHECK: return{{$}}
func.func private @outer(%x: memref<4xf32>, %n: index) -> memref<?xf32> {
  %y = memref.cast %x : memref<4xf32> to memref<?xf32>
  %z = call @argument(%y, %n) : (memref<?xf32>, index) -> memref<?xf32>
  return %z : memref<?xf32>
}
func.func private @argument(%x: memref<?xf32>, %n: index) -> memref<?xf32> {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %zero = arith.constant 0.0 : f32
  %y = scf.for %i = %c0 to %n step %c1 iter_args(%carried = %x) -> memref<?xf32> {
    memref.store %zero, %carried[%i] : memref<?xf32>
    scf.yield %carried : memref<?xf32>
  }
  return %y : memref<?xf32>
}

// CHECK-LABEL: func.func @calls_outer(
// CHECK-SAME: %[[X:[a-z0-9]+]]: memref<4xf32>, %[[N:[a-z0-9]+]]: index
// CHECK: %[[CAST:.*]] = memref.cast %[[X]] : memref<4xf32> to memref<?xf32>
// CHECK: call @outer(%[[X]], %[[N]]) : (memref<4xf32>, index) -> ()
// CHECK: memref.load %[[CAST]]
func.func @calls_outer(%x: memref<4xf32>, %n: index) -> f32 {
  %y = call @outer(%x, %n) : (memref<4xf32>, index) -> memref<?xf32>
  %value = memref.load %y[%n] : memref<?xf32>
  return %value : f32
}

// -----

// Anything else is copied: a weight, a part of an argument, a buffer that is a
// result already, one that is allocated in a branch.
moe.weight @w : tensor<4xf32> from ["w"]
// CHECK-LABEL: func.func private @copied(
// CHECK-SAME: %[[X:[a-z0-9]+]]: memref<8x?xf32>, %{{[a-z0-9]+}}: i1, %[[A:[a-z0-9]+]]: memref<4xf32>, %[[B:[a-z0-9]+]]: memref<?xf32>, %[[C:[a-z0-9]+]]: memref<4xf32>, %[[D:[a-z0-9]+]]: memref<4xf32>, %[[E:[a-z0-9]+]]: memref<4xf32>) {
// CHECK-DAG: memref.copy %{{.*}}, %[[A]]
// CHECK-DAG: memref.copy %{{.*}}, %[[B]]
// CHECK-DAG: memref.copy %[[C]], %[[D]]
// CHECK-DAG: memref.copy %{{.*}}, %[[E]]
// CHECK: return{{$}}
func.func private @copied(%x: memref<8x?xf32>, %which: i1) -> (memref<4xf32>, memref<?xf32>, memref<4xf32>, memref<4xf32>, memref<4xf32>) {
  %c1 = arith.constant 1 : index
  %w = moe.get_weight @w : memref<4xf32>
  %flat = memref.collapse_shape %x [[0, 1]] : memref<8x?xf32> into memref<?xf32>
  %new = memref.alloc() : memref<4xf32>
  %either = scf.if %which -> memref<4xf32> {
    %inner = memref.alloc() : memref<4xf32>
    scf.yield %inner : memref<4xf32>
  } else {
    scf.yield %new : memref<4xf32>
  }
  return %w, %flat, %new, %new, %either : memref<4xf32>, memref<?xf32>, memref<4xf32>, memref<4xf32>, memref<4xf32>
}

// CHECK-LABEL: func.func @calls_copied(
// CHECK-SAME: %[[X:[a-z0-9]+]]: memref<8x?xf32>
// CHECK: %[[N:.*]] = memref.dim %[[X]], %{{.*}}
// CHECK: %[[SIZE:.*]] = arith.muli %{{.*}}, %[[N]]
// CHECK: memref.alloc(%[[SIZE]]) : memref<?xf32>
func.func @calls_copied(%x: memref<8x?xf32>, %which: i1) {
  %r:5 = call @copied(%x, %which) : (memref<8x?xf32>, i1) -> (memref<4xf32>, memref<?xf32>, memref<4xf32>, memref<4xf32>, memref<4xf32>)
  return
}

// -----

// A type that says less than that of the allocation.
// CHECK-LABEL: func.func private @cast(
// CHECK-SAME: %[[OUT:[a-z0-9]+]]: memref<?xf32>) {
// CHECK: %[[Y:.*]] = memref.cast %[[OUT]] : memref<?xf32> to memref<4xf32>
// CHECK: memref.store %{{.*}}, %[[Y]]
func.func private @cast() -> memref<?xf32> {
  %c0 = arith.constant 0 : index
  %zero = arith.constant 0.0 : f32
  %y = memref.alloc() : memref<4xf32>
  memref.store %zero, %y[%c0] : memref<4xf32>
  %z = memref.cast %y : memref<4xf32> to memref<?xf32>
  return %z : memref<?xf32>
}
// CHECK-LABEL: func.func @calls_cast(
// CHECK: %[[FOUR:.*]] = arith.constant 4 : index
// CHECK: memref.alloc(%[[FOUR]]) : memref<?xf32>
func.func @calls_cast() {
  %y = call @cast() : () -> memref<?xf32>
  return
}

// -----

// Left alone: recursion, a public function, one that is not only called, a
// result that is not dense, a declaration.
// CHECK: func.func private @recursive(%{{.*}}: memref<4xf32>) -> memref<4xf32>
func.func private @recursive(%x: memref<4xf32>) -> memref<4xf32> {
  %y = call @recursive(%x) : (memref<4xf32>) -> memref<4xf32>
  return %y : memref<4xf32>
}
// CHECK: func.func @public() -> memref<4xf32>
func.func @public() -> memref<4xf32> {
  %y = memref.alloc() : memref<4xf32>
  return %y : memref<4xf32>
}
// CHECK: func.func private @referenced() -> memref<4xf32>
func.func private @referenced() -> memref<4xf32> {
  %y = memref.alloc() : memref<4xf32>
  return %y : memref<4xf32>
}
func.func @refers() -> (() -> memref<4xf32>) {
  %f = constant @referenced : () -> memref<4xf32>
  return %f : () -> memref<4xf32>
}
// CHECK: func.func private @strided(%{{.*}}: memref<4x4xf32>) -> memref<4xf32, strided<[4]>>
func.func private @strided(%x: memref<4x4xf32>) -> memref<4xf32, strided<[4]>> {
  %y = memref.subview %x[0, 0] [4, 1] [1, 1] : memref<4x4xf32> to memref<4xf32, strided<[4]>>
  return %y : memref<4xf32, strided<[4]>>
}
// CHECK: func.func private @declared() -> memref<4xf32>
func.func private @declared() -> memref<4xf32>

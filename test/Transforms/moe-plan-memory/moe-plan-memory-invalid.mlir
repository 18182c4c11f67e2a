// RUN: moe-opt %s -allow-unregistered-dialect -split-input-file -verify-diagnostics -moe-plan-memory

// expected-error-re@+1 {{expected functions without buffers as results{{.*}}[moe-plan-memory-result]}}
func.func private @result() -> memref<4xf32> {
  %0 = memref.alloc() : memref<4xf32>
  return %0 : memref<4xf32>
}

// -----

// expected-error-re@+1 {{expected a function of one block{{.*}}[moe-plan-memory-blocks]}}
func.func private @blocks() {
  %0 = memref.alloc() : memref<4xf32>
  cf.br ^next
^next:
  return
}

// -----

// expected-error-re@+1 {{expected no recursion, but got a function that calls itself{{.*}}[moe-plan-memory-recursion]}}
func.func private @recursion() {
  %0 = memref.alloc() : memref<4xf32>
  func.call @recursion() : () -> ()
  return
}

// -----

func.func private @unbounded(%m: memref<i64>) {
  %v = memref.load %m[] : memref<i64>
  %n = arith.index_cast %v : i64 to index
  // expected-error-re@+1 {{expected a size that is bounded on entry of the function, but dimension 0 of 'memref<?xf32>' depends on data; bound it by a minimum{{.*}}[moe-plan-memory-unbounded]}}
  %0 = memref.alloc(%n) : memref<?xf32>
  return
}

// -----

func.func private @callee(%n: index) {
  %0 = memref.alloc(%n) : memref<?xf32>
  return
}
func.func private @call(%m: memref<i64>) {
  %v = memref.load %m[] : memref<i64>
  %n = arith.index_cast %v : i64 to index
  // expected-error-re@+1 {{expected the sizes of its operands to be bounded on entry of the function, but those of a 'index' depend on data{{.*}}[moe-plan-memory-call]}}
  func.call @callee(%n) : (index) -> ()
  return
}

// -----

func.func private @strided() {
  // expected-error-re@+1 {{expected a dense buffer of integers or floats, but got {{.*}}[moe-plan-memory-type]}}
  %0 = memref.alloc() : memref<4x4xf32, strided<[8, 1]>>
  "test.use"(%0) : (memref<4x4xf32, strided<[8, 1]>>) -> ()
  return
}

// -----

func.func private @vectors() {
  // expected-error-re@+1 {{expected a dense buffer of integers or floats, but got {{.*}}[moe-plan-memory-type]}}
  %0 = memref.alloc() : memref<4xvector<4xf32>>
  return
}

// -----

func.func private @carried(%a: memref<4xf32>, %n: index) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %r = scf.for %i = %c0 to %n step %c1 iter_args(%m = %a) -> (memref<4xf32>) {
    // expected-error-re@+1 {{expected a buffer that does not leave its loop iteration or branch{{.*}}[moe-plan-memory-carried]}}
    %0 = memref.alloc() : memref<4xf32>
    scf.yield %0 : memref<4xf32>
  }
  return
}

// -----

func.func private @parallel(%n: index) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  scf.parallel (%i) = (%c0) to (%n) step (%c1) {
    // expected-error-re@+1 {{expected no allocation in a parallel loop{{.*}}[moe-plan-memory-parallel]}}
    %0 = memref.alloc() : memref<4xf32>
  }
  return
}

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
    // expected-error-re@+1 {{expected a buffer that is not handed from one iteration of a loop to the next{{.*}}[moe-plan-memory-carried]}}
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
    // expected-error-re@+1 {{expected no memory to be needed in a parallel loop{{.*}}[moe-plan-memory-parallel]}}
    %0 = memref.alloc() : memref<4xf32>
  }
  return
}

// -----

func.func private @needs_memory() {
  %0 = memref.alloc() : memref<4xf32>
  return
}
func.func private @call_in_parallel(%n: index) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  scf.parallel (%i) = (%c0) to (%n) step (%c1) {
    // expected-error-re@+1 {{expected no memory to be needed in a parallel loop{{.*}}[moe-plan-memory-parallel]}}
    func.call @needs_memory() : () -> ()
  }
  return
}

// -----

func.func private @in_forall(%n: index) {
  scf.forall (%i) in (%n) {
    // expected-error-re@+1 {{expected no memory to be needed in a parallel loop{{.*}}[moe-plan-memory-parallel]}}
    %0 = memref.alloc() : memref<4xf32>
  }
  return
}

// -----

// By another name it leaves all the same.
func.func private @carried_as_view(%n: index) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %first = memref.alloc(%n) : memref<?xf32>
  %r = scf.for %i = %c0 to %n step %c1 iter_args(%previous = %first) -> (memref<?xf32>) {
    // expected-error-re@+1 {{expected a buffer that is not handed from one iteration of a loop to the next{{.*}}[moe-plan-memory-carried]}}
    %next = memref.alloc() : memref<4xf32>
    memref.copy %previous, %next : memref<?xf32> to memref<4xf32>
    %view = memref.cast %next : memref<4xf32> to memref<?xf32>
    scf.yield %view : memref<?xf32>
  }
  return
}

// -----

func.func private @carried_by_condition(%x: memref<4xf32>, %c: i1) {
  %r = scf.while (%p = %x) : (memref<4xf32>) -> memref<4xf32> {
    // expected-error-re@+1 {{expected a buffer that is not handed from one iteration of a loop to the next{{.*}}[moe-plan-memory-carried]}}
    %0 = memref.alloc() : memref<4xf32>
    memref.copy %p, %0 : memref<4xf32> to memref<4xf32>
    scf.condition(%c) %0 : memref<4xf32>
  } do {
  ^bb0(%q: memref<4xf32>):
    scf.yield %q : memref<4xf32>
  }
  return
}

// -----

func.func private @aligned() {
  // expected-error-re@+1 {{expected an alignment of at most 64 bytes, but got 4096{{.*}}[moe-plan-memory-alignment]}}
  %0 = memref.alloc() {alignment = 4096 : i64} : memref<4xf32>
  return
}

// -----

func.func private @released(%m: memref<4xf32>) {
  %0 = memref.alloc() : memref<4xf32>
  // expected-error-re@+1 {{expected to release a buffer that was allocated in the same function{{.*}}[moe-plan-memory-dealloc]}}
  memref.dealloc %m : memref<4xf32>
  return
}

// -----

// min(d, n) is at most n, but n - min(d, n) is not n - n.
func.func private @falls_with_its_bound(%data: memref<index>, %n: index) {
  %d = memref.load %data[] : memref<index>
  %m = arith.minsi %d, %n : index
  %left = arith.subi %n, %m : index
  // expected-error-re@+1 {{expected a size that is bounded on entry{{.*}}[moe-plan-memory-unbounded]}}
  %0 = memref.alloc(%left) : memref<?xf32>
  return
}

// -----

// A loop may hand on a larger buffer than it got.
func.func private @buffer_of_a_loop(%small: memref<?xf32>, %large: memref<?xf32>, %n: index) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %r = scf.for %i = %c0 to %n step %c1 iter_args(%m = %small) -> (memref<?xf32>) {
    %size = memref.dim %m, %c0 : memref<?xf32>
    // expected-error-re@+1 {{expected a size that is bounded on entry{{.*}}[moe-plan-memory-unbounded]}}
    %0 = memref.alloc(%size) : memref<?xf32>
    scf.yield %large : memref<?xf32>
  }
  return
}

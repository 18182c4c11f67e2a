// RUN: moe-opt %s -split-input-file -verify-diagnostics -allow-unregistered-dialect -moe-hoist-assertions

func.func private @loop(%n: index) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  scf.for %i = %c0 to %n step %c1 {
    %ok = arith.cmpi ult, %n, %c1 : index
    // expected-error-re@+1 {{asserts in a loop or a branch, where it cannot be checked on entry; move it to the body of its function{{.*}}[moe-hoist-assertions-nested]}}
    cf.assert %ok, "no"
  }
  return
}

// -----

func.func private @branch(%n: index, %c: i1) {
  %c1 = arith.constant 1 : index
  %ok = arith.cmpi ult, %n, %c1 : index
  cf.cond_br %c, ^left, ^right
^left:
  // expected-error-re@+1 {{asserts in a loop or a branch{{.*}}[moe-hoist-assertions-nested]}}
  cf.assert %ok, "no"
  return
^right:
  return
}

// -----

func.func private @callee(%n: index) {
  %c1 = arith.constant 1 : index
  %ok = arith.cmpi ult, %n, %c1 : index
  cf.assert %ok, "no"
  return
}
func.func private @call_in_branch(%n: index, %c: i1) {
  scf.if %c {
    // expected-error-re@+1 {{asserts in a loop or a branch{{.*}}[moe-hoist-assertions-nested]}}
    func.call @callee(%n) : (index) -> ()
  }
  return
}

// -----

func.func private @data(%m: memref<i1>) {
  %ok = memref.load %m[] : memref<i1>
  // expected-error-re@+1 {{expected a condition on the sizes and index values of the function's arguments, but it depends on data; check that before the call{{.*}}[moe-hoist-assertions-data]}}
  cf.assert %ok, "no"
  return
}

// -----

// A bound of a size is enough for memory, not for a condition.
func.func private @bound(%m: memref<?xi32>) {
  %c0 = arith.constant 0 : index
  %c9 = arith.constant 9 : index
  %v = memref.load %m[%c0] : memref<?xi32>
  %k = arith.index_cast %v : i32 to index
  %n = memref.dim %m, %c0 : memref<?xi32>
  %least = arith.minsi %k, %n : index
  %ok = arith.cmpi ult, %least, %c9 : index
  // expected-error-re@+1 {{expected a condition on the sizes{{.*}}[moe-hoist-assertions-data]}}
  cf.assert %ok, "no"
  return
}

// -----

// Nor is the size that a loop begins with.
func.func private @carried(%a: memref<?xf32>, %b: memref<?xf32>, %n: index) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %r = scf.for %i = %c0 to %n step %c1 iter_args(%m = %a) -> (memref<?xf32>) {
    scf.yield %b : memref<?xf32>
  }
  %t = memref.dim %r, %c0 : memref<?xf32>
  %ok = arith.cmpi ult, %t, %c1 : index
  // expected-error-re@+1 {{expected a condition on the sizes{{.*}}[moe-hoist-assertions-data]}}
  cf.assert %ok, "no"
  return
}

// -----

// Sizes of what has no rank, or of no dimension, are not known.
func.func private @unranked(%m: memref<*xf32>) {
  %c0 = arith.constant 0 : index
  %t = memref.dim %m, %c0 : memref<*xf32>
  %ok = arith.cmpi ult, %t, %c0 : index
  // expected-error-re@+1 {{expected a condition on the sizes{{.*}}[moe-hoist-assertions-data]}}
  cf.assert %ok, "no"
  return
}

// -----

func.func private @no_dimension(%m: memref<?xf32>) {
  %c0 = arith.constant 0 : index
  %c7 = arith.constant 7 : index
  %t = memref.dim %m, %c7 : memref<?xf32>
  %ok = arith.cmpi ult, %t, %c0 : index
  // expected-error-re@+1 {{expected a condition on the sizes{{.*}}[moe-hoist-assertions-data]}}
  cf.assert %ok, "no"
  return
}

// -----

// A division by zero would end the process on entry.
func.func private @division(%n: index, %m: index) {
  %q = arith.divui %n, %m : index
  %ok = arith.cmpi ult, %q, %m : index
  // expected-error-re@+1 {{expected a condition on the sizes{{.*}}[moe-hoist-assertions-data]}}
  cf.assert %ok, "no"
  return
}

// -----

func.func private @callee(%n: index) {
  %c1 = arith.constant 1 : index
  %ok = arith.cmpi ult, %n, %c1 : index
  cf.assert %ok, "no"
  return
}
func.func private @call(%m: memref<index>) {
  %n = memref.load %m[] : memref<index>
  // expected-error-re@+1 {{calls a function with assertions; expected the sizes of its operands to be known on entry, but those of a 'index' depend on data{{.*}}[moe-hoist-assertions-call]}}
  func.call @callee(%n) : (index) -> ()
  return
}

// -----

// expected-error-re@+1 {{expected no recursion, but got a function with assertions that calls itself{{.*}}[moe-hoist-assertions-recursion]}}
func.func private @recursion(%n: index) {
  %c1 = arith.constant 1 : index
  %ok = arith.cmpi ult, %n, %c1 : index
  cf.assert %ok, "no"
  func.call @recursion(%n) : (index) -> ()
  return
}

// -----

// expected-error-re@+1 {{expected a public function with assertions to be an entry, whose C function checks them; give it tensors or make it private{{.*}}[moe-hoist-assertions-public]}}
func.func @public(%n: index) {
  %c1 = arith.constant 1 : index
  %ok = arith.cmpi ult, %n, %c1 : index
  cf.assert %ok, "no"
  return
}

// -----

func.func private @callee(%n: index) {
  %c1 = arith.constant 1 : index
  %ok = arith.cmpi ult, %n, %c1 : index
  cf.assert %ok, "no"
  return
}
func.func private @pointer() {
  // expected-error-re@+1 {{refers to 'callee', which has assertions; expected only calls from functions whose assertions are hoisted with it{{.*}}[moe-hoist-assertions-use]}}
  %f = func.constant @callee : (index) -> ()
  return
}

// -----

// The checks of the caller were made before and do not include these.
func.func private @callee(%n: index) {
  %c1 = arith.constant 1 : index
  %ok = arith.cmpi ult, %n, %c1 : index
  cf.assert %ok, "no"
  return
}
func.func private @caller(%n: index) attributes {moe.checks = @caller.checks} {
  // expected-error-re@+1 {{refers to 'callee', which has assertions{{.*}}[moe-hoist-assertions-use]}}
  func.call @callee(%n) : (index) -> ()
  return
}
func.func private @caller.checks(%n: index) -> index {
  return %n : index
}

// -----

// expected-error-re@+1 {{expected a function @nowhere, which 'moe.checks' names, but found none{{.*}}[moe-hoist-assertions-missing]}}
func.func private @missing(%n: index) attributes {moe.checks = @nowhere} {
  return
}

// -----

module {
  module {
    func.func private @nested(%n: index) {
      %c1 = arith.constant 1 : index
      %ok = arith.cmpi ult, %n, %c1 : index
      // expected-error-re@+1 {{expected to be in a function of the outermost module that was not hoisted before{{.*}}[moe-hoist-assertions-left]}}
      cf.assert %ok, "no"
      return
    }
  }
}

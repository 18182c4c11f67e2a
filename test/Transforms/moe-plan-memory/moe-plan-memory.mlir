// Allocations become views of one workspace, whose size is a function of the
// sizes of the arguments.

// RUN: moe-opt %s -allow-unregistered-dialect -moe-plan-memory -canonicalize | FileCheck %s

// Two allocations lie one behind the other, each padded to 64 bytes; 3 x i1
// takes a byte per element.
// CHECK-LABEL: func.func private @leaf.workspace(
// CHECK-SAME: %{{.*}}: index, %[[N:.*]]: index) -> index {
// Sizes come from callers: products and sums stop at the largest number.
// CHECK-DAG: %[[C63:.*]] = arith.constant 63 : index
// CHECK-DAG: %[[C64:.*]] = arith.constant 64 : index
// CHECK-DAG: %[[MOST:.*]] = arith.constant -1 : index
// CHECK: %[[LOW:.*]], %[[HIGH:.*]] = arith.mului_extended %[[N]], %{{.*}}
// CHECK: %[[FITS:.*]] = arith.cmpi eq, %[[HIGH]], %{{.*}}
// CHECK: arith.select %[[FITS]], %[[LOW]], %[[MOST]]
// CHECK: %[[SUM:.*]] = arith.addi %{{.*}}, %[[C63]]
// CHECK: %[[MORE:.*]] = arith.select %{{.*}}, %[[SUM]], %[[MOST]]
// CHECK: %[[REST:.*]] = arith.remui %[[MORE]], %[[C64]]
// CHECK: %[[FIRST:.*]] = arith.subi %[[MORE]], %[[REST]]
// CHECK: %[[UP_TO:.*]] = arith.select %{{.*}}, %[[FIRST]], %[[MOST]]
// CHECK: %[[BOTH:.*]] = arith.addi %[[UP_TO]], %[[C64]]
// CHECK: %[[TOTAL:.*]] = arith.select %{{.*}}, %[[BOTH]], %[[MOST]]
// CHECK: return %[[TOTAL]]
// CHECK-LABEL: func.func private @leaf(
// CHECK-SAME: %{{.*}}: memref<?x4xf32>, %[[N:.*]]: index, %[[WS:.*]]: memref<?xi8>) attributes {moe.workspace = @leaf.workspace}
// CHECK-NOT: memref.alloc
// CHECK: %[[SECOND:.*]] = arith.subi
// CHECK: %[[A:.*]] = memref.view %[[WS]][%c0][%[[N]]] : memref<?xi8> to memref<?x4xbf16>
// CHECK: %[[B:.*]] = memref.view %[[WS]][%[[SECOND]]][] : memref<?xi8> to memref<3xi1>
// CHECK: "test.use"(%[[A]], %[[B]])
func.func private @leaf(%a: memref<?x4xf32>, %n: index) {
  %0 = memref.alloc(%n) : memref<?x4xbf16>
  %1 = memref.alloc() : memref<3xi1>
  "test.use"(%0, %1) : (memref<?x4xbf16>, memref<3xi1>) -> ()
  return
}

// An allocation in a loop has one place. Its size depends on data, but a minimum
// bounds it: the rows of the argument are reserved, the view has the size itself.
// A callee gets what is behind the caller's own, as much as its largest callee
// needs.
// CHECK-LABEL: func.func private @entry.workspace(
// CHECK-SAME: %[[N:.*]]: index, %{{.*}}: index) -> index {
// CHECK: arith.mului_extended %[[N]], %c4
// CHECK: %[[BYTES:.*]] = arith.subi
// CHECK: %[[OWN:.*]] = arith.select %{{.*}}, %[[BYTES]]
// CHECK: %[[CALLEE:.*]] = call @leaf.workspace(%[[N]], %[[N]])
// CHECK: %[[SUM:.*]] = arith.addi %[[OWN]], %[[CALLEE]]
// CHECK: %[[TOTAL:.*]] = arith.select %{{.*}}, %[[SUM]]
// CHECK: return %[[TOTAL]]
// CHECK-LABEL: func.func @entry(
// CHECK-SAME: %{{.*}}: memref<?x4xf32>, %[[O:.*]]: memref<?xi32>, %[[WS:.*]]: memref<?xi8>)
// CHECK: %[[BEHIND:.*]] = arith.subi
// CHECK: %[[SIZE:.*]] = memref.dim %[[WS]], %c0
// CHECK: %[[LEFT:.*]] = arith.subi %[[SIZE]], %[[BEHIND]]
// CHECK: %[[PART:.*]] = memref.view %[[WS]][%[[BEHIND]]][%[[LEFT]]] : memref<?xi8> to memref<?xi8>
// CHECK: scf.for
// CHECK: %[[LIMITED:.*]] = arith.minsi
// CHECK: %[[V:.*]] = memref.view %[[WS]][%c0][%[[LIMITED]]] : memref<?xi8> to memref<?xf32>
// CHECK: "test.use"(%[[V]])
// CHECK: call @leaf(%{{.*}}, %{{.*}}, %[[PART]])
func.func @entry(%a: memref<?x4xf32>, %o: memref<?xi32>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %n = memref.dim %a, %c0 : memref<?x4xf32>
  scf.for %i = %c0 to %n step %c1 {
    %v = memref.load %o[%i] : memref<?xi32>
    %k = arith.index_cast %v : i32 to index
    %m = arith.minsi %k, %n : index
    %0 = memref.alloc(%m) : memref<?xf32>
    "test.use"(%0) : (memref<?xf32>) -> ()
    func.call @leaf(%a, %n) : (memref<?x4xf32>, index) -> ()
  }
  return
}

// Sizes are followed through views and casts of arguments.
// CHECK-LABEL: func.func private @through_views.workspace(
// CHECK-SAME: %[[A:.*]]: index, %[[B:.*]]: index) -> index {
// CHECK: arith.muli %[[A]], %[[B]]
func.func private @through_views(%m: memref<?x?xf32>) {
  %c0 = arith.constant 0 : index
  %flat = memref.collapse_shape %m [[0, 1]] : memref<?x?xf32> into memref<?xf32>
  %n = memref.dim %flat, %c0 : memref<?xf32>
  %0 = memref.alloc(%n) : memref<?xf32>
  "test.use"(%0) : (memref<?xf32>) -> ()
  return
}

// No allocation, no workspace.
// CHECK-NOT: @nothing.workspace
// CHECK: func.func private @nothing(%{{.*}}: memref<4xf32>) {
func.func private @nothing(%m: memref<4xf32>) {
  return
}

// -----

// What grows with a bound is bounded; a branch may yield a buffer, which has its
// place whichever branch runs; a release has nothing left to do.
// CHECK-LABEL: func.func private @bounds.workspace(
// CHECK-SAME: %[[N:.*]]: index) -> index
// CHECK: %[[C2:.*]] = arith.constant 2 : index
// CHECK: arith.muli %[[N]], %[[C2]] : index
// CHECK-LABEL: func.func private @bounds(
// CHECK: %[[IF:.*]] = scf.if
// CHECK: memref.view
// CHECK: else
// CHECK: memref.view
// CHECK-NOT: memref.dealloc
// CHECK: return
func.func private @bounds(%data: memref<index>, %n: index, %c: i1) {
  %c2 = arith.constant 2 : index
  %d = memref.load %data[] : memref<index>
  %m = arith.minsi %d, %n : index
  %twice = arith.muli %m, %c2 : index
  %b = scf.if %c -> (memref<?xf32>) {
    %0 = memref.alloc(%twice) : memref<?xf32>
    scf.yield %0 : memref<?xf32>
  } else {
    %1 = memref.alloc(%n) : memref<?xf32>
    scf.yield %1 : memref<?xf32>
  }
  "test.use"(%b) : (memref<?xf32>) -> ()
  %2 = memref.alloc(%n) : memref<?xf32>
  memref.dealloc %2 : memref<?xf32>
  return
}

// Assertions leave their functions and become a function of the sizes, which
// returns the number of the message that applies.

// RUN: moe-opt %s -allow-unregistered-dialect -moe-hoist-assertions -canonicalize | FileCheck %s
// What was hoisted stays as it is.
// RUN: moe-opt %s -allow-unregistered-dialect -moe-hoist-assertions -canonicalize > %t.once
// RUN: moe-opt %t.once -allow-unregistered-dialect -moe-hoist-assertions -canonicalize | diff %t.once -

// Texts are numbered from 1, each once; one without a tag gets one.
// CHECK: module attributes {moe.messages = ["more than 8 rows [moe-test]", "an odd number [moe-assertion]", "past the end [moe-test]"]}

// The first assertion that fails in the order of the program counts.
// CHECK-LABEL: func.func private @leaf.checks(
// CHECK-SAME: %[[T:.*]]: index, %[[N:.*]]: index) -> index {
// CHECK-DAG: %[[C0:.*]] = arith.constant 0 : index
// CHECK-DAG: %[[C1:.*]] = arith.constant 1 : index
// CHECK-DAG: %[[C2:.*]] = arith.constant 2 : index
// CHECK: %[[FEW:.*]] = arith.cmpi ule, %[[T]], %c8
// CHECK: %[[FIRST:.*]] = arith.select %[[FEW]], %[[C0]], %[[C1]]
// CHECK: %[[BIT:.*]] = arith.andi %[[N]], %[[C1]]
// CHECK: %[[EVEN:.*]] = arith.cmpi eq, %[[BIT]], %[[C0]]
// CHECK: %[[SECOND:.*]] = arith.select %[[EVEN]], %[[C0]], %[[C2]]
// CHECK: %[[PASSED:.*]] = arith.cmpi eq, %[[FIRST]], %[[C0]]
// CHECK: %[[RESULT:.*]] = arith.select %[[PASSED]], %[[SECOND]], %[[FIRST]]
// CHECK: return %[[RESULT]]
// CHECK-LABEL: func.func private @leaf(
// CHECK-SAME: attributes {moe.checks = @leaf.checks}
// CHECK-NEXT: "test.use"
// CHECK-NEXT: return
func.func private @leaf(%a: memref<?x4xf32>, %n: index) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c8 = arith.constant 8 : index
  %t = memref.dim %a, %c0 : memref<?x4xf32>
  %few = arith.cmpi ule, %t, %c8 : index
  cf.assert %few, "more than 8 rows [moe-test]"
  "test.use"(%a) : (memref<?x4xf32>) -> ()
  %bit = arith.andi %n, %c1 : index
  %even = arith.cmpi eq, %bit, %c0 : index
  cf.assert %even, "an odd number"
  return
}

// A callee is asked with the sizes of each call; the same call again is not
// asked again. Equal texts have one number.
// CHECK-LABEL: func.func private @entry.checks(
// CHECK-SAME: %[[T:.*]]: index, %[[PAST:.*]]: index) -> index {
// CHECK: %[[A:.*]] = call @leaf.checks(%[[T]], %[[PAST]])
// CHECK: %[[SUM:.*]] = arith.addi %[[T]], %[[PAST]]
// CHECK: %[[B:.*]] = call @leaf.checks(%[[SUM]], %[[PAST]])
// CHECK: %[[INSIDE:.*]] = arith.cmpi ult, %[[PAST]], %c64
// CHECK: arith.select %[[INSIDE]], %c0, %c3
// CHECK: %[[SMALL:.*]] = arith.cmpi ult, %[[T]], %c9
// CHECK: arith.select %[[SMALL]], %c0, %c1
// CHECK-NOT: call
// CHECK-LABEL: func.func @entry(
// CHECK-SAME: moe.checks = @entry.checks
// CHECK-NOT: cf.assert
// CHECK-COUNT-3: call @leaf(
func.func @entry(%a: memref<?x4xf32>, %past: index) attributes {moe.entry = {inputs = [{}, {}], results = []}} {
  %c0 = arith.constant 0 : index
  %c9 = arith.constant 9 : index
  %c64 = arith.constant 64 : index
  %t = memref.dim %a, %c0 : memref<?x4xf32>
  func.call @leaf(%a, %past) : (memref<?x4xf32>, index) -> ()
  func.call @leaf(%a, %past) : (memref<?x4xf32>, index) -> ()
  %sum = arith.addi %t, %past : index
  %more = memref.alloc(%sum) : memref<?x4xf32>
  func.call @leaf(%more, %past) : (memref<?x4xf32>, index) -> ()
  %inside = arith.cmpi ult, %past, %c64 : index
  cf.assert %inside, "past the end [moe-test]"
  %small = arith.cmpi ult, %t, %c9 : index
  cf.assert %small, "more than 8 rows [moe-test]"
  return
}

// Sizes are followed through views.
// CHECK-LABEL: func.func private @through_views.checks(
// CHECK-SAME: %[[A:.*]]: index, %[[B:.*]]: index) -> index {
// CHECK: %[[PRODUCT:.*]] = arith.muli %[[A]], %[[B]]
// CHECK: arith.cmpi ult, %[[PRODUCT]], %{{.*}}
func.func private @through_views(%m: memref<?x?xf32>) {
  %c0 = arith.constant 0 : index
  %c9 = arith.constant 9 : index
  %flat = memref.collapse_shape %m [[0, 1]] : memref<?x?xf32> into memref<?xf32>
  %n = memref.dim %flat, %c0 : memref<?xf32>
  %small = arith.cmpi ult, %n, %c9 : index
  cf.assert %small, "more than 8 rows [moe-test]"
  return
}

// The entry block of a function of several blocks always runs.
// CHECK-LABEL: func.func private @blocks.checks(
func.func private @blocks(%n: index) {
  %c9 = arith.constant 9 : index
  %small = arith.cmpi ult, %n, %c9 : index
  cf.assert %small, "more than 8 rows [moe-test]"
  cf.br ^next
^next:
  return
}

// No assertion, no checks.
// CHECK-NOT: @nothing.checks
// CHECK: func.func private @nothing(%{{.*}}: index) {
func.func private @nothing(%n: index) {
  return
}

// Tensors that leave branches and loops get one place.

// RUN: moe-opt %s -split-input-file -verify-diagnostics -moe-assign-destinations | FileCheck %s

// CHECK-LABEL: func.func @branch(
// CHECK-SAME: %[[C:[^:]*]]: i1, %[[X:[^:]*]]: tensor<?x4xf32>
// CHECK: %[[N:.*]] = tensor.dim %[[X]]
// CHECK: %[[PLACE:.*]] = tensor.empty(%[[N]]) : tensor<?x4xf32>
// CHECK: scf.if %[[C]]
// CHECK: %[[A:.*]] = math.tanh %[[X]]
// CHECK: %[[COPY:.*]] = linalg.copy ins(%[[A]] : tensor<?x4xf32>) outs(%[[PLACE]]
// CHECK: scf.yield %[[COPY]]
// CHECK: linalg.copy ins(%[[X]] : tensor<?x4xf32>) outs(%[[PLACE]]
func.func @branch(%c: i1, %x: tensor<?x4xf32>) -> tensor<?x4xf32> {
  %y = scf.if %c -> tensor<?x4xf32> {
    %a = math.tanh %x : tensor<?x4xf32>
    scf.yield %a : tensor<?x4xf32>
  } else {
    scf.yield %x : tensor<?x4xf32>
  }
  return %y : tensor<?x4xf32>
}

// What is updated is in place already; everything else is copied to what it was.
// CHECK-LABEL: func.func @loop(
// CHECK: scf.for {{.*}} iter_args(%[[A:.*]] = %{{.*}}, %[[B:.*]] = %{{.*}})
// CHECK: %[[INSERTED:.*]] = tensor.insert
// CHECK: %[[SUM:.*]] = arith.addf
// CHECK: %[[COPY:.*]] = linalg.copy ins(%[[SUM]] : tensor<4xf32>) outs(%[[B]]
// CHECK: scf.yield %[[INSERTED]], %[[COPY]]
func.func @loop(%x: tensor<4xf32>, %y: tensor<4xf32>, %n: index, %v: f32) -> (tensor<4xf32>, tensor<4xf32>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %r:2 = scf.for %i = %c0 to %n step %c1 iter_args(%a = %x, %b = %y) -> (tensor<4xf32>, tensor<4xf32>) {
    %inserted = tensor.insert %v into %a[%i] : tensor<4xf32>
    %sum = arith.addf %b, %b : tensor<4xf32>
    scf.yield %inserted, %sum : tensor<4xf32>, tensor<4xf32>
  }
  return %r#0, %r#1 : tensor<4xf32>, tensor<4xf32>
}

// CHECK-LABEL: func.func @while_loop(
// CHECK: scf.while (%[[A:.*]] = %{{.*}})
// CHECK: scf.condition(%{{.*}}) %[[A]]
// CHECK: ^bb0(%[[B:.*]]: tensor<4xf32>):
// CHECK: %[[NEXT:.*]] = math.tanh %[[B]]
// CHECK: %[[COPY:.*]] = linalg.copy ins(%[[NEXT]] : tensor<4xf32>) outs(%[[B]]
// CHECK: scf.yield %[[COPY]]
func.func @while_loop(%x: tensor<4xf32>, %c: i1) -> tensor<4xf32> {
  %r = scf.while (%a = %x) : (tensor<4xf32>) -> tensor<4xf32> {
    scf.condition(%c) %a : tensor<4xf32>
  } do {
  ^bb0(%b: tensor<4xf32>):
    %next = math.tanh %b : tensor<4xf32>
    scf.yield %next : tensor<4xf32>
  }
  return %r : tensor<4xf32>
}

// Arguments of an entry whose sizes are named alike agree.
// CHECK-LABEL: func.func @symbols(
// CHECK-COUNT-2: linalg.copy
func.func @symbols(%x: tensor<?xf32> {moe.shape = ["n"]}, %y: tensor<?xf32> {moe.shape = ["n"]}, %n: index) -> (tensor<?xf32>, tensor<?xf32>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %r:2 = scf.for %i = %c0 to %n step %c1 iter_args(%a = %x, %b = %y) -> (tensor<?xf32>, tensor<?xf32>) {
    scf.yield %b, %a : tensor<?xf32>, tensor<?xf32>
  }
  return %r#0, %r#1 : tensor<?xf32>, tensor<?xf32>
}

// -----

func.func @sizes_of_branches(%c: i1, %x: tensor<?xf32>, %y: tensor<?xf32>) -> tensor<?xf32> {
  // expected-error-re@+1 {{yields tensors of sizes that differ between its branches{{.*}}in dimension 0 of result 0{{.*}}[moe-assign-destinations-branch]}}
  %z = scf.if %c -> tensor<?xf32> {
    scf.yield %x : tensor<?xf32>
  } else {
    scf.yield %y : tensor<?xf32>
  }
  return %z : tensor<?xf32>
}

// -----

func.func @sizes_of_iterations(%x: tensor<?xf32>, %y: tensor<?xf32>, %n: index) -> tensor<?xf32> {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  // expected-error-re@+1 {{carries a tensor whose size may change from one iteration to the next, in dimension 0 of iteration argument 0{{.*}}[moe-assign-destinations-loop]}}
  %r = scf.for %i = %c0 to %n step %c1 iter_args(%a = %x) -> (tensor<?xf32>) {
    scf.yield %y : tensor<?xf32>
  }
  return %r : tensor<?xf32>
}

// -----

func.func @while(%x: tensor<4xf32>, %c: i1) -> tensor<4xf32> {
  // expected-error-re@+1 {{carries tensors that its condition does not hand on, each at its place{{.*}}[moe-assign-destinations-while]}}
  %r:2 = scf.while (%a = %x) : (tensor<4xf32>) -> (tensor<4xf32>, tensor<4xf32>) {
    scf.condition(%c) %a, %a : tensor<4xf32>, tensor<4xf32>
  } do {
  ^bb0(%a: tensor<4xf32>, %b: tensor<4xf32>):
    scf.yield %b : tensor<4xf32>
  }
  return %r#0 : tensor<4xf32>
}

// -----

func.func @rank(%x: tensor<*xf32>, %c: i1) -> tensor<*xf32> {
  // expected-error-re@+1 {{results in a tensor of unknown rank; expected ranked tensors{{.*}}[moe-assign-destinations-rank]}}
  %r = scf.if %c -> tensor<*xf32> {
    scf.yield %x : tensor<*xf32>
  } else {
    scf.yield %x : tensor<*xf32>
  }
  return %r : tensor<*xf32>
}

// Rows of tokens are summed by the matmul that computes them.

// RUN: moe-opt %s -moe-fuse-combine | FileCheck %s
// RUN: moe-opt %s -moe-fuse-combine --remarks-filter="moe-fuse-combine" --remark-format=emitRemark -o /dev/null 2>&1 | FileCheck %s --check-prefix=REMARK

#schedule = #moe.cpu_schedule<row_block = 6, lanes = 4, dot = fma>
!bank = !moe.bank<2x6x4xf32, #moe.packed<panel = 8, depth = 1>>

// The tokens of the rows are the targets; ones, dispatched, are their weights.
// CHECK-LABEL: func.func @weighted(
// CHECK-SAME: %[[H:[^:]*]]: tensor<?x4xf32>, %[[BANK:[^:]*]]: !moe.bank<{{[^%]*}}>, %[[W:[^:]*]]: tensor<?x2xf32>
// CHECK: %[[PLAN:.*]]:5 = moe.plan
// CHECK-NOT: moe.grouped_matmul
// CHECK: tensor.dim %[[PLAN]]#3, %c0
// CHECK: %[[ZERO:.*]] = arith.constant 0.0
// CHECK: %[[ZEROS:.*]] = linalg.fill ins(%[[ZERO]] : f32) outs(%{{.*}} : tensor<?x6xf32>)
// CHECK: %[[ONE:.*]] = arith.constant 1.0
// CHECK: %[[ONES:.*]] = linalg.fill ins(%[[ONE]] : f32) outs(%{{.*}} : tensor<?x1xf32>)
// CHECK: %[[COLUMN:.*]] = moe.dispatch %[[ONES]], %[[PLAN]]#2, %[[PLAN]]#1 weights(%[[PLAN]]#4) position(%[[PLAN]]#3)
// CHECK: %[[WEIGHTS:.*]] = tensor.collapse_shape %[[COLUMN]] {{\[\[0, 1\]\]}}
// CHECK: %[[Y:.*]] = moe.grouped_matmul %[[H]] banks(%[[BANK]]) offsets(%[[PLAN]]#1) targets(%[[PLAN]]#2) per_row(%[[WEIGHTS]]) outs(%[[ZEROS]])
// CHECK-NEXT: ^bb0(%[[SUM:.*]]: f32, %[[WEIGHT:.*]]: f32, %[[OLD:.*]]: f32):
// CHECK-NEXT: %[[BODY:.*]] = arith.negf %[[SUM]]
// CHECK-NEXT: %[[TERM:.*]] = arith.mulf %[[WEIGHT]], %[[BODY]]
// CHECK-NEXT: %[[NEW:.*]] = arith.addf %[[OLD]], %[[TERM]]
// CHECK-NEXT: moe.yield %[[NEW]]
// CHECK-NOT: moe.combine
// CHECK: return %[[Y]]
// REMARK: moe-fuse-combine.mlir:[[#@LINE+9]]:{{.*}}combine became part of the matmul of its rows
func.func @weighted(%h: tensor<?x4xf32>, %bank: !bank, %w: tensor<?x2xf32>, %ids: tensor<?x2xi32>, %n: index) -> tensor<?x6xf32> {
  %p:5 = moe.plan %w, %ids rows(%n) : (tensor<?x2xf32>, tensor<?x2xi32>, index) -> (tensor<2xi32>, tensor<3xi32>, tensor<?xi32>, tensor<?x2xi32>, tensor<?x2xf32>)
  %empty = tensor.empty(%n) : tensor<?x6xf32>
  %d = moe.grouped_matmul %h banks(%bank) offsets(%p#1) outs(%empty) {schedule = #schedule} : (tensor<?x4xf32>, !bank, tensor<3xi32>, tensor<?x6xf32>) -> tensor<?x6xf32> {
  ^bb0(%sum: f32, %old: f32):
    %neg = arith.negf %sum : f32
    moe.yield %neg : f32
  }
  %y = moe.combine %d, %p#3 weights(%p#4) : (tensor<?x6xf32>, tensor<?x2xi32>, tensor<?x2xf32>) -> tensor<?x6xf32>
  return %y : tensor<?x6xf32>
}

// Without weights, and through a cast.
// CHECK-LABEL: func.func @unweighted(
// CHECK-NOT: moe.dispatch
// CHECK: moe.grouped_matmul {{.*}} targets({{.*}}) outs({{.*}}) {schedule = {{.*}}-> tensor<?x6xf32>
// CHECK-NEXT: ^bb0(%[[SUM:.*]]: f32, %[[OLD:.*]]: f32):
// CHECK-NEXT: %[[NEW:.*]] = arith.addf %[[OLD]], %[[SUM]]
// CHECK-NEXT: moe.yield %[[NEW]]
// CHECK-NOT: moe.combine
func.func @unweighted(%h: tensor<?x4xf32>, %bank: !bank, %w: tensor<?x2xf32>, %ids: tensor<?x2xi32>, %n: index) -> tensor<?x6xf32> {
  %p:5 = moe.plan %w, %ids rows(%n) : (tensor<?x2xf32>, tensor<?x2xi32>, index) -> (tensor<2xi32>, tensor<3xi32>, tensor<?xi32>, tensor<?x2xi32>, tensor<?x2xf32>)
  %empty = tensor.empty() : tensor<8x6xf32>
  %h8 = tensor.cast %h : tensor<?x4xf32> to tensor<8x4xf32>
  %d = moe.grouped_matmul %h8 banks(%bank) offsets(%p#1) outs(%empty) {schedule = #schedule} : (tensor<8x4xf32>, !bank, tensor<3xi32>, tensor<8x6xf32>) -> tensor<8x6xf32> {
  ^bb0(%sum: f32, %old: f32):
    moe.yield %sum : f32
  }
  %cast = tensor.cast %d : tensor<8x6xf32> to tensor<?x6xf32>
  %y = moe.combine %cast, %p#3 : (tensor<?x6xf32>, tensor<?x2xi32>) -> tensor<?x6xf32>
  return %y : tensor<?x6xf32>
}

// CHECK-LABEL: func.func @other_reader(
// CHECK: moe.combine
// REMARK: combine stays as it is: {{.*}}its rows are not computed by one grouped matmul alone
func.func @other_reader(%h: tensor<?x4xf32>, %bank: !bank, %w: tensor<?x2xf32>, %ids: tensor<?x2xi32>, %n: index) -> (tensor<?x6xf32>, tensor<?x6xf32>) {
  %p:5 = moe.plan %w, %ids rows(%n) : (tensor<?x2xf32>, tensor<?x2xi32>, index) -> (tensor<2xi32>, tensor<3xi32>, tensor<?xi32>, tensor<?x2xi32>, tensor<?x2xf32>)
  %empty = tensor.empty(%n) : tensor<?x6xf32>
  %d = moe.grouped_matmul %h banks(%bank) offsets(%p#1) outs(%empty) {schedule = #schedule} : (tensor<?x4xf32>, !bank, tensor<3xi32>, tensor<?x6xf32>) -> tensor<?x6xf32> {
  ^bb0(%sum: f32, %old: f32):
    moe.yield %sum : f32
  }
  %y = moe.combine %d, %p#3 weights(%p#4) : (tensor<?x6xf32>, tensor<?x2xi32>, tensor<?x2xf32>) -> tensor<?x6xf32>
  return %y, %d : tensor<?x6xf32>, tensor<?x6xf32>
}

// CHECK-LABEL: func.func @no_schedule(
// CHECK: moe.combine
// REMARK: combine stays as it is: {{.*}}the matmul of its rows has no schedule
func.func @no_schedule(%h: tensor<?x4xf32>, %bank: !bank, %w: tensor<?x2xf32>, %ids: tensor<?x2xi32>, %n: index) -> tensor<?x6xf32> {
  %p:5 = moe.plan %w, %ids rows(%n) : (tensor<?x2xf32>, tensor<?x2xi32>, index) -> (tensor<2xi32>, tensor<3xi32>, tensor<?xi32>, tensor<?x2xi32>, tensor<?x2xf32>)
  %empty = tensor.empty(%n) : tensor<?x6xf32>
  %d = moe.grouped_matmul %h banks(%bank) offsets(%p#1) outs(%empty) : (tensor<?x4xf32>, !bank, tensor<3xi32>, tensor<?x6xf32>) -> tensor<?x6xf32> {
  ^bb0(%sum: f32, %old: f32):
    moe.yield %sum : f32
  }
  %y = moe.combine %d, %p#3 weights(%p#4) : (tensor<?x6xf32>, tensor<?x2xi32>, tensor<?x2xf32>) -> tensor<?x6xf32>
  return %y : tensor<?x6xf32>
}

// CHECK-LABEL: func.func @other_plan(
// CHECK: moe.combine
// REMARK: combine stays as it is: {{.*}}its positions and the groups of its rows are not of one plan
func.func @other_plan(%h: tensor<?x4xf32>, %bank: !bank, %w: tensor<?x2xf32>, %ids: tensor<?x2xi32>, %n: index, %offsets: tensor<3xi32>) -> tensor<?x6xf32> {
  %p:5 = moe.plan %w, %ids rows(%n) : (tensor<?x2xf32>, tensor<?x2xi32>, index) -> (tensor<2xi32>, tensor<3xi32>, tensor<?xi32>, tensor<?x2xi32>, tensor<?x2xf32>)
  %empty = tensor.empty(%n) : tensor<?x6xf32>
  %d = moe.grouped_matmul %h banks(%bank) offsets(%offsets) outs(%empty) {schedule = #schedule} : (tensor<?x4xf32>, !bank, tensor<3xi32>, tensor<?x6xf32>) -> tensor<?x6xf32> {
  ^bb0(%sum: f32, %old: f32):
    moe.yield %sum : f32
  }
  %y = moe.combine %d, %p#3 weights(%p#4) : (tensor<?x6xf32>, tensor<?x2xi32>, tensor<?x2xf32>) -> tensor<?x6xf32>
  return %y : tensor<?x6xf32>
}

// CHECK-LABEL: func.func @passthrough(
// CHECK: moe.combine
// REMARK: combine stays as it is: {{.*}}tokens without room are passed through
func.func @passthrough(%h: tensor<?x4xf32>, %bank: !bank, %w: tensor<?x2xf32>, %ids: tensor<?x2xi32>, %n: index, %x: tensor<?x6xf32>) -> tensor<?x6xf32> {
  %p:5 = moe.plan %w, %ids rows(%n) : (tensor<?x2xf32>, tensor<?x2xi32>, index) -> (tensor<2xi32>, tensor<3xi32>, tensor<?xi32>, tensor<?x2xi32>, tensor<?x2xf32>)
  %empty = tensor.empty(%n) : tensor<?x6xf32>
  %d = moe.grouped_matmul %h banks(%bank) offsets(%p#1) outs(%empty) {schedule = #schedule} : (tensor<?x4xf32>, !bank, tensor<3xi32>, tensor<?x6xf32>) -> tensor<?x6xf32> {
  ^bb0(%sum: f32, %old: f32):
    moe.yield %sum : f32
  }
  %y = moe.combine %d, %p#3 weights(%p#4) passthrough(%x) : (tensor<?x6xf32>, tensor<?x2xi32>, tensor<?x2xf32>, tensor<?x6xf32>) -> tensor<?x6xf32>
  return %y : tensor<?x6xf32>
}

// What the body reads of its init is not the sum of other rows.
// CHECK-LABEL: func.func @reads_init(
// CHECK: moe.combine
// REMARK: combine stays as it is: {{.*}}the matmul of its rows reads by the row of its result
func.func @reads_init(%h: tensor<?x4xf32>, %bank: !bank, %w: tensor<?x2xf32>, %ids: tensor<?x2xi32>, %n: index, %init: tensor<?x6xf32>) -> tensor<?x6xf32> {
  %p:5 = moe.plan %w, %ids rows(%n) : (tensor<?x2xf32>, tensor<?x2xi32>, index) -> (tensor<2xi32>, tensor<3xi32>, tensor<?xi32>, tensor<?x2xi32>, tensor<?x2xf32>)
  %d = moe.grouped_matmul %h banks(%bank) offsets(%p#1) outs(%init) {schedule = #schedule} : (tensor<?x4xf32>, !bank, tensor<3xi32>, tensor<?x6xf32>) -> tensor<?x6xf32>
  %y = moe.combine %d, %p#3 weights(%p#4) : (tensor<?x6xf32>, tensor<?x2xi32>, tensor<?x2xf32>) -> tensor<?x6xf32>
  return %y : tensor<?x6xf32>
}

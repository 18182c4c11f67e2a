// Capacity rules become arithmetic on the number of tokens, in f64 and in the
// order factor [* k] * T / E; plans with a capacity get a bound on their rows.

// RUN: moe-opt %s -moe-plan-capacity | FileCheck %s
// RUN: moe-opt %s -moe-plan-capacity -remark-format=emitRemark -remarks-filter="moe-plan-capacity" 2>&1 >/dev/null | FileCheck %s --check-prefix=REMARK
// A second run finds nothing to do.
// RUN: moe-opt %s -moe-plan-capacity -canonicalize -o %t.once
// RUN: moe-opt %s -moe-plan-capacity -moe-plan-capacity -canonicalize -o %t.twice
// RUN: diff %t.once %t.twice

// factor * (k * T) / E, rounded up
// CHECK-LABEL: func.func @slots_per_expert(
// CHECK-SAME: %[[W:.*]]: tensor<?x2xf32>, %[[IDS:.*]]: tensor<?x2xi32>)
// CHECK: %[[T:.*]] = tensor.dim %[[IDS]], %{{.*}}
// CHECK: %[[FACTOR:.*]] = arith.constant 1.250000e+00 : f64
// CHECK: %[[KT:.*]] = arith.muli %[[T]], %{{.*}}
// CHECK: %[[TI:.*]] = arith.index_cast %[[KT]] : index to i64
// CHECK: %[[TF:.*]] = arith.sitofp %[[TI]] : i64 to f64
// CHECK: %[[FKT:.*]] = arith.mulf %[[FACTOR]], %[[TF]]
// CHECK: %[[E:.*]] = arith.constant 8.000000e+00 : f64
// CHECK: %[[VALUE:.*]] = arith.divf %[[FKT]], %[[E]]
// CHECK: %[[CEIL:.*]] = math.ceil %[[VALUE]]
// CHECK: %[[I:.*]] = arith.fptosi %[[CEIL]] : f64 to i64
// CHECK: %[[C:.*]] = arith.index_cast %[[I]] : i64 to index
// CHECK-NOT: ceildivsi
// CHECK-NOT: maxsi
// min(T * k, E * capacity), the capacity limited to T * k first
// CHECK: %[[SLOTS:.*]] = arith.muli %[[T]], %{{.*}}
// CHECK: %[[LIMITED:.*]] = arith.minsi %[[C]], %[[SLOTS]]
// CHECK: %[[ALL:.*]] = arith.muli %[[LIMITED]], %{{.*}}
// CHECK: %[[ROWS:.*]] = arith.minsi %[[ALL]], %[[SLOTS]]
// CHECK: moe.plan %[[W]], %[[IDS]] capacity(%[[C]]) rows(%[[ROWS]]) {overflow = #moe.overflow<zero>}
// REMARK: remark: [Passed] PlanCapacity | Category:moe-plan-capacity | {{.*}}at most min(T * {{.*}}2{{.*}}, {{.*}}8{{.*}} * capacity * segments) rows
func.func @slots_per_expert(%w: tensor<?x2xf32>, %ids: tensor<?x2xi32>) {
  %p:5 = moe.plan %w, %ids {capacity_rule = #moe.capacity<basis = slots_per_expert, factor = 1.25>, overflow = #moe.overflow<zero>} : (tensor<?x2xf32>, tensor<?x2xi32>) -> (tensor<8xi32>, tensor<9xi32>, tensor<?xi32>, tensor<?x2xi32>, tensor<?x2xf32>)
  return
}

// factor * T / E, rounded down
// CHECK-LABEL: func.func @tokens_per_expert(
// CHECK: %[[FACTOR:.*]] = arith.constant 2.000000e+00 : f64
// CHECK: %[[FT:.*]] = arith.mulf %[[FACTOR]], %{{.*}}
// CHECK: %[[VALUE:.*]] = arith.divf %[[FT]], %{{.*}}
// CHECK: math.floor %[[VALUE]]
func.func @tokens_per_expert(%w: tensor<?x2xf32>, %ids: tensor<?x2xi32>) {
  %p:5 = moe.plan %w, %ids {capacity_rule = #moe.capacity<basis = tokens_per_expert, factor = 2.0, rounding = floor>, overflow = #moe.overflow<zero>} : (tensor<?x2xf32>, tensor<?x2xi32>) -> (tensor<8xi32>, tensor<9xi32>, tensor<?xi32>, tensor<?x2xi32>, tensor<?x2xf32>)
  return
}

// factor * T, rounded to the nearest
// CHECK-LABEL: func.func @tokens(
// CHECK: %[[FACTOR:.*]] = arith.constant 5.000000e-01 : f64
// CHECK: %[[VALUE:.*]] = arith.mulf %[[FACTOR]], %{{.*}}
// CHECK-NOT: arith.divf
// CHECK: math.roundeven %[[VALUE]]
func.func @tokens(%w: tensor<?x2xf32>, %ids: tensor<?x2xi32>) {
  %p:5 = moe.plan %w, %ids {capacity_rule = #moe.capacity<basis = tokens, factor = 0.5, rounding = nearest_even>, overflow = #moe.overflow<zero>} : (tensor<?x2xf32>, tensor<?x2xi32>) -> (tensor<8xi32>, tensor<9xi32>, tensor<?xi32>, tensor<?x2xi32>, tensor<?x2xf32>)
  return
}

// factor alone
// CHECK-LABEL: func.func @fixed(
// CHECK-NOT: arith.mulf
// CHECK: %[[FACTOR:.*]] = arith.constant 3.000000e+00 : f64
// CHECK: math.ceil %[[FACTOR]]
// CHECK: moe.plan
func.func @fixed(%w: tensor<?x2xf32>, %ids: tensor<?x2xi32>) {
  %p:5 = moe.plan %w, %ids {capacity_rule = #moe.capacity<basis = fixed, factor = 3.0>, overflow = #moe.overflow<zero>} : (tensor<?x2xf32>, tensor<?x2xi32>) -> (tensor<8xi32>, tensor<9xi32>, tensor<?xi32>, tensor<?x2xi32>, tensor<?x2xf32>)
  return
}

// First the multiple, then the minimum, which need not be one.
// CHECK-LABEL: func.func @multiple_and_minimum(
// CHECK: %[[C:.*]] = arith.index_cast %{{.*}} : i64 to index
// CHECK: %[[EIGHT:.*]] = arith.constant 8 : index
// CHECK: %[[TILES:.*]] = arith.ceildivsi %[[C]], %[[EIGHT]]
// CHECK: %[[PADDED:.*]] = arith.muli %[[TILES]], %[[EIGHT]]
// CHECK: %[[FIVE:.*]] = arith.constant 5 : index
// CHECK: %[[LEAST:.*]] = arith.maxsi %[[PADDED]], %[[FIVE]]
// CHECK: moe.plan %{{.*}}, %{{.*}} capacity(%[[LEAST]])
func.func @multiple_and_minimum(%w: tensor<?x2xf32>, %ids: tensor<?x2xi32>) {
  %p:5 = moe.plan %w, %ids {capacity_rule = #moe.capacity<basis = fixed, factor = 3.0, multiple_of = 8, at_least = 5>, overflow = #moe.overflow<zero>} : (tensor<?x2xf32>, tensor<?x2xi32>) -> (tensor<8xi32>, tensor<9xi32>, tensor<?xi32>, tensor<?x2xi32>, tensor<?x2xf32>)
  return
}

// T is ceil(T / S): the tokens of a segment when all are equally long. No segments
// (and no tokens) must not divide by zero.
// CHECK-LABEL: func.func @segments(
// CHECK-SAME: %[[S:[a-z0-9]+]]: tensor<?xi32>)
// CHECK: %[[T:.*]] = tensor.dim
// CHECK: %[[BOUNDS:.*]] = tensor.dim %[[S]]
// CHECK: %[[SEGMENTS:.*]] = arith.subi %[[BOUNDS]], %{{.*}}
// CHECK: %[[POSITIVE:.*]] = arith.maxsi %[[SEGMENTS]], %{{.*}}
// CHECK: %[[PER:.*]] = arith.ceildivsi %[[T]], %[[POSITIVE]]
// CHECK: %[[PERI:.*]] = arith.index_cast %[[PER]] : index to i64
// CHECK: arith.sitofp %[[PERI]]
// Neither factor of a product is above T * k, so none overflows however many
// segments there are.
// CHECK: %[[SLOTS:.*]] = arith.muli %[[T]], %{{.*}}
// CHECK: %[[CAPACITY:.*]] = arith.minsi %{{.*}}, %[[SLOTS]]
// CHECK: %[[ALL:.*]] = arith.muli %[[CAPACITY]], %{{.*}}
// CHECK: %[[EACH:.*]] = arith.minsi %[[ALL]], %[[SLOTS]]
// CHECK: %[[MANY:.*]] = arith.minsi %[[SEGMENTS]], %[[SLOTS]]
// CHECK: %[[TIMES:.*]] = arith.muli %[[EACH]], %[[MANY]]
// CHECK: %[[ROWS:.*]] = arith.minsi %[[TIMES]], %[[SLOTS]]
// CHECK: moe.plan %{{.*}}, %{{.*}} capacity(%{{.*}}) segments(%[[S]]) rows(%[[ROWS]])
func.func @segments(%w: tensor<?x2xf32>, %ids: tensor<?x2xi32>, %s: tensor<?xi32>) {
  %p:5 = moe.plan %w, %ids segments(%s) {capacity_rule = #moe.capacity<basis = tokens, factor = 1.0>, overflow = #moe.overflow<zero>} : (tensor<?x2xf32>, tensor<?x2xi32>, tensor<?xi32>) -> (tensor<8xi32>, tensor<9xi32>, tensor<?xi32>, tensor<?x2xi32>, tensor<?x2xf32>)
  return
}

// A capacity that is given keeps its value; the rows are bounded all the same.
// CHECK-LABEL: func.func @given_capacity(
// CHECK-SAME: %[[C:[a-z0-9]+]]: index)
// CHECK-NOT: arith.mulf
// CHECK: arith.minsi %[[C]], %{{.*}}
// CHECK: moe.plan %{{.*}}, %{{.*}} capacity(%[[C]]) rows(%{{.*}}) {overflow = #moe.overflow<residual>}
func.func @given_capacity(%w: tensor<?x2xf32>, %ids: tensor<?x2xi32>, %c: index) {
  %p:5 = moe.plan %w, %ids capacity(%c) {overflow = #moe.overflow<residual>} : (tensor<?x2xf32>, tensor<?x2xi32>, index) -> (tensor<8xi32>, tensor<9xi32>, tensor<?xi32>, tensor<?x2xi32>, tensor<?x2xf32>)
  return
}

// Rows that are given stay too.
// CHECK-LABEL: func.func @given_rows(
// CHECK-SAME: %[[C:[a-z0-9]+]]: index, %[[N:[a-z0-9]+]]: index)
// CHECK: moe.plan %{{.*}}, %{{.*}} capacity(%[[C]]) rows(%[[N]])
func.func @given_rows(%w: tensor<?x2xf32>, %ids: tensor<?x2xi32>, %c: index, %n: index) {
  %p:5 = moe.plan %w, %ids capacity(%c) rows(%n) {overflow = #moe.overflow<zero>} : (tensor<?x2xf32>, tensor<?x2xi32>, index, index) -> (tensor<8xi32>, tensor<9xi32>, tensor<?xi32>, tensor<?x2xi32>, tensor<?x2xf32>)
  return
}

// Without a capacity nothing drops, and T * k rows are the bound by themselves.
// CHECK-LABEL: func.func @dropless(
// CHECK-NEXT: moe.plan %{{.*}}, %{{.*}} : (tensor<?x2xf32>, tensor<?x2xi32>)
// REMARK: remark: [Passed] PlanCapacity | {{.*}}dropless: at most T * {{.*}}2{{.*}} rows
func.func @dropless(%w: tensor<?x2xf32>, %ids: tensor<?x2xi32>) {
  %p:5 = moe.plan %w, %ids : (tensor<?x2xf32>, tensor<?x2xi32>) -> (tensor<8xi32>, tensor<9xi32>, tensor<?xi32>, tensor<?x2xi32>, tensor<?x2xf32>)
  return
}

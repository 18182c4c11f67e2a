// Public functions take buffers; what they were is kept for the ABI.

// RUN: moe-opt %s -moe-bufferize-entries | FileCheck %s

// The tied result is written to its argument, the other one to a new argument,
// before an argument changes. Only the argument with a tied result may be written
// inside. A result has the size of its place.
// CHECK-LABEL: func.func @entry(
// CHECK-SAME: %[[X:.*]]: memref<?x4xf32>, %[[PAST:.*]]: index, %[[CACHE:.*]]: memref<8x4xf32>, %[[OUT:.*]]: memref<?x4xf32>)
// CHECK-SAME: moe.entry = {inputs = [{moe.name = "x", moe.shape = ["n", 4]}, {moe.symbol = "past"}, {}], results = [{moe.tied = 2 : i64}, {moe.name = "y", moe.shape = ["n", 4]}]}
// CHECK-SAME: moe.limits =
// CHECK: %[[XT:.*]] = bufferization.to_tensor %[[X]] restrict :
// CHECK: %[[CT:.*]] = bufferization.to_tensor %[[CACHE]] restrict writable :
// CHECK: arith.addi %[[PAST]], %[[PAST]]
// CHECK: %[[SIZE:.*]] = tensor.dim %[[XT]], %{{.*}}
// CHECK: %[[PLACE:.*]] = memref.dim %[[OUT]], %{{.*}}
// CHECK: %[[EQUAL:.*]] = arith.cmpi eq, %[[SIZE]], %[[PLACE]]
// CHECK: cf.assert %[[EQUAL]], "the size of result 1 in dimension 0 is not {{.*}}[moe-entry-result-size]"
// CHECK: bufferization.materialize_in_destination %[[XT]] in restrict writable %[[OUT]]
// CHECK: %[[UPDATED:.*]] = linalg.copy ins(%[[CT]] : tensor<8x4xf32>) outs(%[[CT]] : tensor<8x4xf32>)
// CHECK: bufferization.materialize_in_destination %[[UPDATED]] in restrict writable %[[CACHE]]
// CHECK: return{{$}}
func.func @entry(%x: tensor<?x4xf32> {moe.name = "x", moe.shape = ["n", 4]}, %past: index {moe.symbol = "past"}, %cache: tensor<8x4xf32>)
    -> (tensor<8x4xf32> {moe.tied = 2 : i64}, tensor<?x4xf32> {moe.name = "y", moe.shape = ["n", 4]})
    attributes {moe.limits = [[["past", "n"], 8]]} {
  %twice = arith.addi %past, %past : index
  return %cache, %x : tensor<8x4xf32>, tensor<?x4xf32>
}

// Private functions are bufferized with everything else.
// CHECK: func.func private @helper(%{{.*}}: tensor<4xf32>) -> tensor<4xf32>
func.func private @helper(%x: tensor<4xf32>) -> tensor<4xf32> {
  return %x : tensor<4xf32>
}

// A function without tensors is no entry.
// CHECK: func.func @indices(%{{.*}}: index) -> index {
func.func @indices(%x: index) -> index {
  return %x : index
}

// Neither is a declaration.
// CHECK: func.func private @declared(tensor<4xf32>)
func.func private @declared(tensor<4xf32>)

// What is bufferized already stays as it is.
// CHECK: func.func @bufferized(%{{.*}}: memref<4xf32>) attributes {moe.entry = {inputs = [{}], results = []}}
func.func @bufferized(%x: memref<4xf32>) attributes {moe.entry = {inputs = [{}], results = []}} {
  return
}

// Expert ids are in the range of ids, also those that go through a view, a router
// or a function; a range that says more stays.
// CHECK-LABEL: func.func @expert_ids(
// CHECK-SAME: inputs = [{moe.shape = ["n", 8]},
// CHECK-SAME: {moe.range = [-1, 8], moe.shape = ["n", 2]},
// CHECK-SAME: {moe.name = "flat", moe.range = [-1, 6]},
// CHECK-SAME: {moe.range = [0, 6]},
// CHECK-SAME: {moe.range = [-1, 3]},
// CHECK-SAME: {moe.range = [0, 1000]}],
func.func @expert_ids(%z: tensor<?x8xf32> {moe.shape = ["n", 8]},
                      %table: tensor<?x2xi32> {moe.shape = ["n", 2]},
                      %flat: tensor<8xi32> {moe.name = "flat"},
                      %ids: tensor<4x2xi32> {moe.range = [0, 1000]},
                      %judged: tensor<4x2xi32>,
                      %other: tensor<4xi32> {moe.range = [0, 1000]})
    -> tensor<6xi32> {
  %w, %selected = moe.router %z table(%table) {top_k = 2 : i64, score = #moe.score<softmax>, selection = #moe.selection<table>}
      : (tensor<?x8xf32>, tensor<?x2xi32>) -> (tensor<?x2xf32>, tensor<?x2xi32>)
  %plan:5 = moe.plan %w, %selected : (tensor<?x2xf32>, tensor<?x2xi32>)
      -> (tensor<8xi32>, tensor<9xi32>, tensor<?xi32>, tensor<?x2xi32>, tensor<?x2xf32>)
  %expanded = tensor.expand_shape %flat [[0, 1]] output_shape [4, 2] : tensor<8xi32> into tensor<4x2xi32>
  %scores = arith.constant dense<0.5> : tensor<4x3xf32>
  %loss = moe.aux_loss %scores ids(%judged) {kind = #moe.loss<fraction_probability>}
      : (tensor<4x3xf32>, tensor<4x2xi32>) -> tensor<f32>
  %0 = func.call @counts(%expanded) : (tensor<4x2xi32>) -> tensor<6xi32>
  %1 = func.call @counts(%ids) : (tensor<4x2xi32>) -> tensor<6xi32>
  return %1 : tensor<6xi32>
}
func.func private @counts(%ids: tensor<4x2xi32>) -> tensor<6xi32> {
  %w = arith.constant dense<1.0> : tensor<4x2xf32>
  %plan:5 = moe.plan %w, %ids : (tensor<4x2xf32>, tensor<4x2xi32>)
      -> (tensor<6xi32>, tensor<7xi32>, tensor<8xi32>, tensor<4x2xi32>, tensor<4x2xf32>)
  return %plan#0 : tensor<6xi32>
}

// One dynamic size needs no name.
// CHECK: func.func @one_size(%{{.*}}: memref<?x4xf32>)
func.func @one_size(%x: tensor<?x4xf32>) {
  return
}

// Public functions take buffers; what they were is kept for the ABI.

// RUN: moe-opt %s -moe-bufferize-entries | FileCheck %s

// The tied result is written to its argument, the other one to a new argument,
// before an argument changes. Only the argument with a tied result may be written
// inside.
// CHECK-LABEL: func.func @entry(
// CHECK-SAME: %[[X:.*]]: memref<?x4xf32>, %[[PAST:.*]]: index, %[[CACHE:.*]]: memref<8x4xf32>, %[[OUT:.*]]: memref<?x4xf32>)
// CHECK-SAME: moe.entry = {inputs = [{moe.name = "x", moe.shape = ["n", 4]}, {moe.symbol = "past"}, {}], results = [{moe.tied = 2 : i64}, {moe.name = "y", moe.shape = ["n", 4]}]}
// CHECK-SAME: moe.limits =
// CHECK: %[[XT:.*]] = bufferization.to_tensor %[[X]] restrict :
// CHECK: %[[CT:.*]] = bufferization.to_tensor %[[CACHE]] restrict writable :
// CHECK: arith.addi %[[PAST]], %[[PAST]]
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

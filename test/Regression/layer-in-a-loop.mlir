// A layer is in a loop that carries its rows.
//
// REQUIRES: moe-check-module
// RUN: moe-check-module %s

func.func @f(%x: tensor<4x8xf32> {moe.name = "x"}, %l: tensor<4x2xf32> {moe.name = "l"}) -> (tensor<4x8xf32> {moe.name = "y"}) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c2 = arith.constant 2 : index
  %w, %ids = moe.router %l {top_k = 1 : i64, score = #moe.score<softmax>} : (tensor<4x2xf32>) -> (tensor<4x1xf32>, tensor<4x1xi32>)
  %p:5 = moe.plan %w, %ids : (tensor<4x1xf32>, tensor<4x1xi32>) -> (tensor<2xi32>, tensor<3xi32>, tensor<4xi32>, tensor<4x1xi32>, tensor<4x1xf32>)
  %y = scf.for %k = %c0 to %c2 step %c1 iter_args(%s = %x) -> (tensor<4x8xf32>) {
    %d = moe.dispatch %s, %p#2, %p#1 : (tensor<4x8xf32>, tensor<4xi32>, tensor<3xi32>) -> tensor<4x8xf32>
    %e = moe.experts %d, %p#1 : (tensor<4x8xf32>, tensor<3xi32>) -> tensor<4x8xf32> {
    ^bb0(%r: tensor<?x8xf32>, %i: index):
      %t = math.tanh %r : tensor<?x8xf32>
      moe.yield %t : tensor<?x8xf32>
    }
    %c = moe.combine %e, %p#3 weights(%p#4) : (tensor<4x8xf32>, tensor<4x1xi32>, tensor<4x1xf32>) -> tensor<4x8xf32>
    scf.yield %c : tensor<4x8xf32>
  }
  return %y : tensor<4x8xf32>
}

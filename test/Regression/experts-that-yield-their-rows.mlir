// An expert that yields its rows is those rows.
//
// size: t=5
// REQUIRES: moe-check-module
// RUN: moe-check-module %s

func.func @f(%x: tensor<?x4xf32> {moe.name = "x", moe.shape = ["t", 4]}, %l: tensor<?x5xf32> {moe.name = "l", moe.shape = ["t", 5]}) -> (tensor<?x4xf32> {moe.name = "y", moe.shape = ["t", 4]}) {
  %w, %ids = moe.router %l {top_k = 2 : i64, score = #moe.score<softmax>} : (tensor<?x5xf32>) -> (tensor<?x2xf32>, tensor<?x2xi32>)
  %p:5 = moe.plan %w, %ids : (tensor<?x2xf32>, tensor<?x2xi32>) -> (tensor<5xi32>, tensor<6xi32>, tensor<?xi32>, tensor<?x2xi32>, tensor<?x2xf32>)
  %d = moe.dispatch %x, %p#2, %p#1 : (tensor<?x4xf32>, tensor<?xi32>, tensor<6xi32>) -> tensor<?x4xf32>
  %e = moe.experts %d, %p#1 : (tensor<?x4xf32>, tensor<6xi32>) -> tensor<?x4xf32> {
  ^bb0(%r: tensor<?x4xf32>, %i: index):
    moe.yield %r : tensor<?x4xf32>
  }
  %y = moe.combine %e, %p#3 weights(%p#4) : (tensor<?x4xf32>, tensor<?x2xi32>, tensor<?x2xf32>) -> tensor<?x4xf32>
  return %y : tensor<?x4xf32>
}

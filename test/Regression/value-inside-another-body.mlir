// A captured value and one inside of the other body are not the same.
//
// size: t=5
// REQUIRES: moe-check-module
// RUN: moe-check-module %s

func.func @layer(%rows: tensor<?x4xf32> {moe.name = "rows", moe.shape = ["t", 4]}, %offsets: tensor<3xi32>, %a: tensor<4x4xf32>, %b: tensor<4x4xf32>) -> (tensor<?x4xf32> {moe.name = "y", moe.shape = ["t", 4]}) {
  %y = moe.experts %rows, %offsets : (tensor<?x4xf32>, tensor<3xi32>) -> tensor<?x4xf32> {
  ^bb0(%r: tensor<?x4xf32>):
    %u = math.exp %a : tensor<4x4xf32>
    %h = linalg.matmul ins(%r, %b : tensor<?x4xf32>, tensor<4x4xf32>) outs(%r : tensor<?x4xf32>) -> tensor<?x4xf32>
    moe.yield %h : tensor<?x4xf32>
  }, {
  ^bb0(%r: tensor<?x4xf32>):
    %u = math.exp %a : tensor<4x4xf32>
    %h = linalg.matmul ins(%r, %u : tensor<?x4xf32>, tensor<4x4xf32>) outs(%r : tensor<?x4xf32>) -> tensor<?x4xf32>
    moe.yield %h : tensor<?x4xf32>
  }
  return %y : tensor<?x4xf32>
}

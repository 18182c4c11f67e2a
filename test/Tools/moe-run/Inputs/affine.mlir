// y = x + x, and one more step into a running sum.
func.func @affine(%x: tensor<?x4xf32> {moe.name = "x", moe.shape = ["n", 4]},
                  %ids: tensor<?xi64> {moe.name = "ids", moe.shape = ["n"], moe.range = [2, 9]},
                  %past: index {moe.name = "past", moe.symbol = "past"},
                  %sum: tensor<3xf32> {moe.name = "sum"})
    -> (tensor<?x4xf32> {moe.name = "y", moe.shape = ["n", 4]},
        tensor<?xi64> {moe.name = "twice", moe.shape = ["n"]},
        tensor<3xf32> {moe.name = "sum", moe.tied = 3 : i64}) {
  %c0 = arith.constant 0 : index
  %n = tensor.dim %x, %c0 : tensor<?x4xf32>
  %e0 = tensor.empty(%n) : tensor<?x4xf32>
  %y = linalg.add ins(%x, %x : tensor<?x4xf32>, tensor<?x4xf32>) outs(%e0 : tensor<?x4xf32>) -> tensor<?x4xf32>
  %e1 = tensor.empty(%n) : tensor<?xi64>
  %twice = linalg.add ins(%ids, %ids : tensor<?xi64>, tensor<?xi64>) outs(%e1 : tensor<?xi64>) -> tensor<?xi64>
  %i = arith.index_cast %past : index to i64
  %f = arith.sitofp %i : i64 to f32
  %new = linalg.map ins(%sum : tensor<3xf32>) outs(%sum : tensor<3xf32>)
    (%s: f32, %o: f32) {
      %t = arith.addf %s, %f : f32
      linalg.yield %t : f32
    }
  return %y, %twice, %new : tensor<?x4xf32>, tensor<?xi64>, tensor<3xf32>
}

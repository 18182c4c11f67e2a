// The result has n + past rows, not the n that its shape says.
func.func @longer(%x: tensor<?x4xf32> {moe.name = "x", moe.shape = ["n", 4]}, %past: index {moe.symbol = "past"})
    -> (tensor<?x4xf32> {moe.name = "y", moe.shape = ["n", 4]}) {
  %c0 = arith.constant 0 : index
  %one = arith.constant 1.0 : f32
  %n = tensor.dim %x, %c0 : tensor<?x4xf32>
  %m = arith.addi %n, %past : index
  %e = tensor.empty(%m) : tensor<?x4xf32>
  %y = linalg.fill ins(%one : f32) outs(%e : tensor<?x4xf32>) -> tensor<?x4xf32>
  return %y : tensor<?x4xf32>
}

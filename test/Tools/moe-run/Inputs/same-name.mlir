// Both results are y.
func.func @twice(%x: tensor<3xf32> {moe.name = "x"})
    -> (tensor<3xf32> {moe.name = "y"}, tensor<3xf32> {moe.name = "y"}) {
  %e0 = tensor.empty() : tensor<3xf32>
  %y0 = linalg.add ins(%x, %x : tensor<3xf32>, tensor<3xf32>) outs(%e0 : tensor<3xf32>) -> tensor<3xf32>
  %e1 = tensor.empty() : tensor<3xf32>
  %y1 = linalg.mul ins(%x, %x : tensor<3xf32>, tensor<3xf32>) outs(%e1 : tensor<3xf32>) -> tensor<3xf32>
  return %y0, %y1 : tensor<3xf32>, tensor<3xf32>
}

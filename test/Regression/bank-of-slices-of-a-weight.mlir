// Slices of one weight are a bank.
//
// REQUIRES: moe-check-module
// RUN: moe-check-module %s

#rk = affine_map<(r, m, j) -> (r, j)>
#mk = affine_map<(r, m, j) -> (m, j)>
#km = affine_map<(r, m, j) -> (j, m)>
#rm = affine_map<(r, m, j) -> (r, m)>
#id = affine_map<(a, b) -> (a, b)>
#row = affine_map<(a, b) -> (a)>
#col = affine_map<(a, b) -> (b)>
moe.weight @v : tensor<2x8x8xf32> from ["v"]
func.func @f(%x: tensor<4x8xf32> {moe.name = "x"}, %o: tensor<3xi32> {moe.name = "o"}) -> (tensor<4x8xf32> {moe.name = "y"}) {
  %v = moe.get_weight @v : tensor<2x8x8xf32>
  %a = tensor.extract_slice %v[0, 0, 0] [1, 8, 8] [1, 1, 1] : tensor<2x8x8xf32> to tensor<8x8xf32>
  %b = tensor.extract_slice %v[1, 0, 0] [1, 8, 8] [1, 1, 1] : tensor<2x8x8xf32> to tensor<8x8xf32>
  %y = moe.experts %x, %o : (tensor<4x8xf32>, tensor<3xi32>) -> tensor<4x8xf32> {
  ^bb0(%r: tensor<?x8xf32>):
    %h = linalg.matmul ins(%r, %a : tensor<?x8xf32>, tensor<8x8xf32>) outs(%r : tensor<?x8xf32>) -> tensor<?x8xf32>
    moe.yield %h : tensor<?x8xf32>
  }, {
  ^bb0(%r: tensor<?x8xf32>):
    %h = linalg.matmul ins(%r, %b : tensor<?x8xf32>, tensor<8x8xf32>) outs(%r : tensor<?x8xf32>) -> tensor<?x8xf32>
    moe.yield %h : tensor<?x8xf32>
  }
  return %y : tensor<4x8xf32>
}

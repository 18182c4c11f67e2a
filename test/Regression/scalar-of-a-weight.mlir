// A body multiplies by an element of the weight of its expert.
//
// REQUIRES: moe-check-module
// RUN: moe-check-module %s

#rk = affine_map<(r, m, j) -> (r, j)>
#mk = affine_map<(r, m, j) -> (m, j)>
#rm = affine_map<(r, m, j) -> (r, m)>
#id = affine_map<(a, b) -> (a, b)>
moe.weight @w : !moe.bank<2x8x8xf32> from ["w.{e}"]
func.func @f(%x: tensor<4x8xf32>, %o: tensor<3xi32>) -> tensor<4x8xf32> {
  %b = moe.get_weight @w : !moe.bank<2x8x8xf32>
  %c0 = arith.constant 0 : index
  %z = arith.constant 0.0 : f32
  %y = moe.experts %x, %o banks(%b) : (tensor<4x8xf32>, tensor<3xi32>, !moe.bank<2x8x8xf32>) -> tensor<4x8xf32> {
  ^bb0(%r: tensor<?x8xf32>, %e: index, %w: tensor<8x8xf32>):
    %n = tensor.dim %r, %c0 : tensor<?x8xf32>
    %t = tensor.empty(%n) : tensor<?x8xf32>
    %i = linalg.fill ins(%z : f32) outs(%t : tensor<?x8xf32>) -> tensor<?x8xf32>
    %h = linalg.matmul indexing_maps = [#rk, #mk, #rm] ins(%r, %w : tensor<?x8xf32>, tensor<8x8xf32>) outs(%i : tensor<?x8xf32>) -> tensor<?x8xf32>
    %s = tensor.extract %w[%c0, %c0] : tensor<8x8xf32>
    %g = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel", "parallel"]} ins(%h : tensor<?x8xf32>) outs(%t : tensor<?x8xf32>) {
    ^bb0(%a: f32, %q: f32):
      %v = arith.mulf %a, %s : f32
      linalg.yield %v : f32
    } -> tensor<?x8xf32>
    moe.yield %g : tensor<?x8xf32>
  }
  return %y : tensor<4x8xf32>
}

// A product with a sign keeps it: upstream calls a contraction what also negates.
//
// REQUIRES: moe-check-module
// RUN: moe-check-module %s

#rk = affine_map<(r, m, j) -> (r, j)>
#mk = affine_map<(r, m, j) -> (m, j)>
#rm = affine_map<(r, m, j) -> (r, m)>
moe.weight @w : !moe.bank<2x8x8xf32> from ["w.{e}"]
func.func @f(%x: tensor<4x8xf32> {moe.name = "x"}, %o: tensor<3xi32> {moe.name = "o"}) -> (tensor<4x8xf32> {moe.name = "y"}) {
  %b = moe.get_weight @w : !moe.bank<2x8x8xf32>
  %c0 = arith.constant 0 : index
  %z = arith.constant 0.0 : f32
  %y = moe.experts %x, %o banks(%b) : (tensor<4x8xf32>, tensor<3xi32>, !moe.bank<2x8x8xf32>) -> tensor<4x8xf32> {
  ^bb0(%r: tensor<?x8xf32>, %e: index, %w: tensor<8x8xf32>):
    %n = tensor.dim %r, %c0 : tensor<?x8xf32>
    %t = tensor.empty(%n) : tensor<?x8xf32>
    %i = linalg.fill ins(%z : f32) outs(%t : tensor<?x8xf32>) -> tensor<?x8xf32>
    %h = linalg.generic {indexing_maps = [#rk, #mk, #rm], iterator_types = ["parallel", "parallel", "reduction"]} ins(%r, %w : tensor<?x8xf32>, tensor<8x8xf32>) outs(%i : tensor<?x8xf32>) {
    ^bb0(%p: f32, %q: f32, %acc: f32):
      %m = arith.mulf %p, %q : f32
      %g = arith.negf %m : f32
      %s = arith.addf %acc, %g : f32
      linalg.yield %s : f32
    } -> tensor<?x8xf32>
    moe.yield %h : tensor<?x8xf32>
  }
  return %y : tensor<4x8xf32>
}

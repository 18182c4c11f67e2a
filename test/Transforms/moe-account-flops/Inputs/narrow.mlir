moe.weight @w : !moe.bank<2x5x8xf32> from ["w.{e}"]
func.func @f(%x: tensor<?x8xf32> {moe.shape = ["n", 8]}, %o: tensor<3xi32>, %i: tensor<?x5xf32> {moe.shape = ["n", 5]}) -> (tensor<?x5xf32> {moe.shape = ["n", 5]}) {
  %a = moe.get_weight @w : !moe.bank<2x5x8xf32>
  %y = moe.grouped_matmul %x banks(%a) offsets(%o) outs(%i) : (tensor<?x8xf32>, !moe.bank<2x5x8xf32>, tensor<3xi32>, tensor<?x5xf32>) -> tensor<?x5xf32>
  return %y : tensor<?x5xf32>
}

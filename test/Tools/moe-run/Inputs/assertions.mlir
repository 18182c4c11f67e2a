// Refuses more than 8 rows, and an odd number in the past.
func.func private @layer(%x: tensor<?x2xf32>) -> tensor<?x2xf32> {
  %c0 = arith.constant 0 : index
  %c8 = arith.constant 8 : index
  %n = tensor.dim %x, %c0 : tensor<?x2xf32>
  %few = arith.cmpi ule, %n, %c8 : index
  cf.assert %few, "more than 8 rows; pass fewer [moe-test-rows]"
  %y = linalg.add ins(%x, %x : tensor<?x2xf32>, tensor<?x2xf32>) outs(%x : tensor<?x2xf32>) -> tensor<?x2xf32>
  return %y : tensor<?x2xf32>
}

func.func @twice(%x: tensor<?x2xf32> {moe.name = "x", moe.shape = ["n", 2]},
                 %past: index {moe.name = "past", moe.symbol = "past"})
    -> (tensor<?x2xf32> {moe.name = "x", moe.tied = 0 : i64}) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %a = call @layer(%x) : (tensor<?x2xf32>) -> tensor<?x2xf32>
  %b = call @layer(%a) : (tensor<?x2xf32>) -> tensor<?x2xf32>
  %bit = arith.andi %past, %c1 : index
  %even = arith.cmpi eq, %bit, %c0 : index
  cf.assert %even, "an odd number of past rows"
  return %b : tensor<?x2xf32>
}

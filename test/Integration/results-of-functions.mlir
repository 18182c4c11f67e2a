// What private functions return has the right values, whether it is in place of
// an argument, new, or something that must not be written to.

// REQUIRES: moe-run

// RUN: python3 %S/../Tools/moe-run/Inputs/write_safetensors.py %t.in a:F32:4:0,0,0,0 seven:F32:4:7,7,7,7 one:F32:4:1,1,1,1 wide:F32:2,4:0,0,0,0,0,0,0,0 long:F32:8:1,1,1,1,1,1,1,1 w:F32:4:2,2,2,2
// RUN: moe-run %s --weights %t.in --entry=both --input a=%t.in:a --expect seven=%t.in:seven --expect exp=%t.in:one --rtol=0 --atol=0
// RUN: moe-run %s --weights %t.in --entry=later --input a=%t.in:a --expect seven=%t.in:seven --expect a=%t.in:a --rtol=0 --atol=0
// RUN: moe-run %s --weights %t.in --entry=sized --input x=%t.in:wide --expect y=%t.in:long --rtol=0 --atol=0
// RUN: moe-run %s --weights %t.in --entry=weight --input a=%t.in:a --expect seven=%t.in:seven --expect w=%t.in:w --rtol=0 --atol=0
// RUN: moe-run %s --weights %t.in --entry=twice --input a=%t.in:a --expect seven=%t.in:seven --expect exp=%t.in:one --rtol=0 --atol=0

moe.weight @w : tensor<4xf32> from ["w"]

// Either result could be computed in place of the argument.
func.func private @g(%a: tensor<4xf32>) -> (tensor<4xf32>, tensor<4xf32>) {
  %seven = arith.constant 7.0 : f32
  %n = linalg.fill ins(%seven : f32) outs(%a : tensor<4xf32>) -> tensor<4xf32>
  %e = linalg.exp ins(%a : tensor<4xf32>) outs(%a : tensor<4xf32>) -> tensor<4xf32>
  return %n, %e : tensor<4xf32>, tensor<4xf32>
}
func.func @both(%a: tensor<4xf32> {moe.name = "a"}) -> (tensor<4xf32> {moe.name = "seven"}, tensor<4xf32> {moe.name = "exp"}) {
  %r:2 = call @g(%a) : (tensor<4xf32>) -> (tensor<4xf32>, tensor<4xf32>)
  return %r#0, %r#1 : tensor<4xf32>, tensor<4xf32>
}

// The argument is read after the call.
func.func private @fill(%a: tensor<4xf32>) -> tensor<4xf32> {
  %seven = arith.constant 7.0 : f32
  %n = linalg.fill ins(%seven : f32) outs(%a : tensor<4xf32>) -> tensor<4xf32>
  return %n : tensor<4xf32>
}
func.func @later(%a: tensor<4xf32> {moe.name = "a"}) -> (tensor<4xf32> {moe.name = "seven"}, tensor<4xf32> {moe.name = "a"}) {
  %r = call @fill(%a) : (tensor<4xf32>) -> tensor<4xf32>
  return %r, %a : tensor<4xf32>, tensor<4xf32>
}

// A size that is the product of two, through two functions.
func.func private @flat(%x: tensor<?x?xf32>) -> tensor<?xf32> {
  %c0 = arith.constant 0 : index
  %flat = tensor.collapse_shape %x [[0, 1]] : tensor<?x?xf32> into tensor<?xf32>
  %n = tensor.dim %flat, %c0 : tensor<?xf32>
  %e = tensor.empty(%n) : tensor<?xf32>
  %y = linalg.exp ins(%flat : tensor<?xf32>) outs(%e : tensor<?xf32>) -> tensor<?xf32>
  return %y : tensor<?xf32>
}
func.func private @flat_again(%x: tensor<?x?xf32>) -> tensor<?xf32> {
  %y = call @flat(%x) : (tensor<?x?xf32>) -> tensor<?xf32>
  return %y : tensor<?xf32>
}
func.func @sized(%x: tensor<?x?xf32> {moe.name = "x", moe.shape = ["m", "n"]}) -> (tensor<?xf32> {moe.name = "y", moe.shape = ["m * n"]}) {
  %y = call @flat_again(%x) : (tensor<?x?xf32>) -> tensor<?xf32>
  return %y : tensor<?xf32>
}

// A weight is never written to, whoever returned it.
func.func private @read() -> tensor<4xf32> {
  %w = moe.get_weight @w : tensor<4xf32>
  return %w : tensor<4xf32>
}
func.func @weight(%a: tensor<4xf32> {moe.name = "a"}) -> (tensor<4xf32> {moe.name = "seven"}, tensor<4xf32> {moe.name = "w"}) {
  %w = call @read() : () -> tensor<4xf32>
  %filled = call @fill(%w) : (tensor<4xf32>) -> tensor<4xf32>
  %again = moe.get_weight @w : tensor<4xf32>
  return %filled, %again : tensor<4xf32>, tensor<4xf32>
}

// One tensor as two results, of which one is overwritten.
func.func private @same(%a: tensor<4xf32>) -> (tensor<4xf32>, tensor<4xf32>) {
  %empty = tensor.empty() : tensor<4xf32>
  %e = linalg.exp ins(%a : tensor<4xf32>) outs(%empty : tensor<4xf32>) -> tensor<4xf32>
  return %e, %e : tensor<4xf32>, tensor<4xf32>
}
func.func @twice(%a: tensor<4xf32> {moe.name = "a"}) -> (tensor<4xf32> {moe.name = "seven"}, tensor<4xf32> {moe.name = "exp"}) {
  %r:2 = call @same(%a) : (tensor<4xf32>) -> (tensor<4xf32>, tensor<4xf32>)
  %filled = call @fill(%r#0) : (tensor<4xf32>) -> tensor<4xf32>
  return %filled, %r#1 : tensor<4xf32>, tensor<4xf32>
}

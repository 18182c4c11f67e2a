// Results that are tied to arguments have the values of the tensors that are
// returned, whatever else the arguments are read for, and are computed in place
// where nothing else is.

// REQUIRES: moe-run

// RUN: moe-opt %s -moe-compile="stop-after=bufferized" | FileCheck %s
// RUN: python3 %S/../Tools/moe-run/Inputs/write_safetensors.py %t.in a:F32:4:1,2,3,4 b:F32:4:5,6,7,8 seven:F32:4:7,7,7,7 rev:F32:4:4,3,2,1 exp0:F32:4:1,1,1,1 zero:F32:4:0,0,0,0
// RUN: moe-run %s --entry=swap --input a=%t.in:a --input b=%t.in:b --expect ra=%t.in:b --expect rb=%t.in:a --rtol=0 --atol=0
// RUN: moe-run %s --entry=rotate --input a=%t.in:a --input b=%t.in:b --input c=%t.in:seven --expect ra=%t.in:seven --expect rb=%t.in:a --expect rc=%t.in:b --rtol=0 --atol=0
// RUN: moe-run %s --entry=old --input c=%t.in:a --expect new=%t.in:seven --expect old=%t.in:a --rtol=0 --atol=0
// RUN: moe-run %s --entry=reverse --input a=%t.in:a --expect ra=%t.in:rev --rtol=0 --atol=0
// RUN: moe-run %s --entry=in_place --input a=%t.in:zero --input b=%t.in:zero --expect ra=%t.in:exp0 --expect rb=%t.in:exp0 --rtol=0 --atol=0
// RUN: moe-run %s --entry=called --input a=%t.in:a --input b=%t.in:b --expect ra=%t.in:b --expect rb=%t.in:a --rtol=0 --atol=0

func.func @swap(%a: tensor<4xf32> {moe.name = "a"}, %b: tensor<4xf32> {moe.name = "b"})
    -> (tensor<4xf32> {moe.name = "ra", moe.tied = 0}, tensor<4xf32> {moe.name = "rb", moe.tied = 1}) {
  return %b, %a : tensor<4xf32>, tensor<4xf32>
}

func.func @rotate(%a: tensor<4xf32> {moe.name = "a"}, %b: tensor<4xf32> {moe.name = "b"}, %c: tensor<4xf32> {moe.name = "c"})
    -> (tensor<4xf32> {moe.name = "ra", moe.tied = 0}, tensor<4xf32> {moe.name = "rb", moe.tied = 1}, tensor<4xf32> {moe.name = "rc", moe.tied = 2}) {
  return %c, %a, %b : tensor<4xf32>, tensor<4xf32>, tensor<4xf32>
}

// The value from before the update.
func.func @old(%c: tensor<4xf32> {moe.name = "c"})
    -> (tensor<4xf32> {moe.name = "new", moe.tied = 0}, tensor<4xf32> {moe.name = "old"}) {
  %seven = arith.constant 7.0 : f32
  %new = linalg.fill ins(%seven : f32) outs(%c : tensor<4xf32>) -> tensor<4xf32>
  return %new, %c : tensor<4xf32>, tensor<4xf32>
}

// Element i is computed from another one.
func.func @reverse(%a: tensor<4xf32> {moe.name = "a"})
    -> (tensor<4xf32> {moe.name = "ra", moe.tied = 0}) {
  %empty = tensor.empty() : tensor<4xf32>
  %reversed = linalg.generic {indexing_maps = [affine_map<(i) -> (i)>], iterator_types = ["parallel"]}
      outs(%empty : tensor<4xf32>) {
  ^bb0(%out: f32):
    %three = arith.constant 3 : index
    %i = linalg.index 0 : index
    %j = arith.subi %three, %i : index
    %element = tensor.extract %a[%j] : tensor<4xf32>
    linalg.yield %element : f32
  } -> tensor<4xf32>
  return %reversed : tensor<4xf32>
}

// CHECK-LABEL: func.func @in_place(
// CHECK-NOT: memref.alloc
// CHECK-NOT: copy
// CHECK: return
func.func @in_place(%a: tensor<4xf32> {moe.name = "a"}, %b: tensor<4xf32> {moe.name = "b"})
    -> (tensor<4xf32> {moe.name = "ra", moe.tied = 0}, tensor<4xf32> {moe.name = "rb", moe.tied = 1}) {
  %x = linalg.exp ins(%a : tensor<4xf32>) outs(%a : tensor<4xf32>) -> tensor<4xf32>
  %y = linalg.exp ins(%b : tensor<4xf32>) outs(%b : tensor<4xf32>) -> tensor<4xf32>
  return %x, %y : tensor<4xf32>, tensor<4xf32>
}

func.func private @swapped(%a: tensor<4xf32>, %b: tensor<4xf32>) -> (tensor<4xf32>, tensor<4xf32>) {
  return %b, %a : tensor<4xf32>, tensor<4xf32>
}
func.func @called(%a: tensor<4xf32> {moe.name = "a"}, %b: tensor<4xf32> {moe.name = "b"})
    -> (tensor<4xf32> {moe.name = "ra", moe.tied = 0}, tensor<4xf32> {moe.name = "rb", moe.tied = 1}) {
  %r:2 = call @swapped(%a, %b) : (tensor<4xf32>, tensor<4xf32>) -> (tensor<4xf32>, tensor<4xf32>)
  return %r#0, %r#1 : tensor<4xf32>, tensor<4xf32>
}

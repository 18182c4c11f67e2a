// Bytes of callers are bytes, up to 255.

// REQUIRES: moe-run

// RUN: python3 %S/../Tools/moe-run/Inputs/write_safetensors.py %t.in a:U8:4:0,1,200,199 large:U8:4:0,1,201,2
// RUN: moe-run %s --input a=%t.in:a --expect y=%t.in:a
// RUN: not moe-run %s --input a=%t.in:large 2>&1 | FileCheck %s
// CHECK: element 2 of input 'a' is 201, expected a number from 0 to 200; correct it [moe-arg-range]

func.func @f(%a: tensor<4xui8> {moe.name = "a", moe.range = [0, 201]}) -> (tensor<4xui8> {moe.name = "y"}) {
  return %a : tensor<4xui8>
}

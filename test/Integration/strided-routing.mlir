// Routing ops on parts of buffers: the oracle writes where compiled code does.

// REQUIRES: moe-run

// RUN: python3 %S/../Tools/moe-run/Inputs/write_safetensors.py %t.in rows:F32:3,4:1,2,9,9,3,4,9,9,5,6,9,9 position:I32:2,2:0,2,1,-1 y:F32:2,3:6,8,7,3,4,7
// RUN: moe-run %s --input rows=%t.in:rows --input position=%t.in:position --expect y=%t.in:y --rtol=0 --atol=0
// RUN: moe-run %s --reference --input rows=%t.in:rows --input position=%t.in:position --expect y=%t.in:y --rtol=0 --atol=0

func.func @f(%rows: memref<3x4xf32>, %position: memref<2x2xi32>, %y: memref<2x3xf32>)
    attributes {moe.entry = {inputs = [{moe.name = "rows"}, {moe.name = "position"}], results = [{moe.name = "y"}]}} {
  %seven = arith.constant 7.0 : f32
  linalg.fill ins(%seven : f32) outs(%y : memref<2x3xf32>)
  %from = memref.subview %rows[0, 0] [3, 2] [1, 1] : memref<3x4xf32> to memref<3x2xf32, strided<[4, 1]>>
  %to = memref.subview %y[0, 0] [2, 2] [1, 1] : memref<2x3xf32> to memref<2x2xf32, strided<[3, 1]>>
  moe.combine %from, %position into(%to) : (memref<3x2xf32, strided<[4, 1]>>, memref<2x2xi32>, memref<2x2xf32, strided<[3, 1]>>) -> ()
  return
}

// Weights and banks inside parallel loops, whose bodies become functions. Each
// iteration has a bank of its own.

// REQUIRES: moe-run

// RUN: python3 %S/../Tools/moe-run/Inputs/write_safetensors.py %t.in w:F32:4:1,2,3,4 b:F32:2,4:5,6,7,8,1,1,1,1 rows:F32:3,4:1,1,1,1,2,2,2,2,3,3,3,3 y:F32:3,4:7,9,11,13,8,10,12,14,9,11,13,15
// RUN: moe-run %s --weights %t.in --input rows=%t.in:rows --expect y=%t.in:y --rtol=0 --atol=0
// RUN: moe-run %s --weights %t.in --input rows=%t.in:rows --expect y=%t.in:y --rtol=0 --atol=0 --threads=4

moe.weight @w : tensor<4xf32> from ["w"]
moe.weight @b : !moe.bank<2x4xf32> from ["b"]

// y[i] = w + b[0] + rows[i], the former two through a bank of both.
func.func @f(%rows: memref<3x4xf32>, %y: memref<3x4xf32>)
    attributes {moe.entry = {inputs = [{moe.name = "rows"}], results = [{moe.name = "y"}]}} {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c3 = arith.constant 3 : index
  %c4 = arith.constant 4 : index
  scf.parallel (%i) = (%c0) to (%c3) step (%c1) {
    %w = moe.get_weight @w : memref<4xf32>
    %b = moe.get_weight @b : !moe.bank<2x4xf32>
    %b0 = moe.bank_slice %b[%c0] : !moe.bank<2x4xf32> -> memref<4xf32>
    %other = func.call @slice(%w, %b0, %i) : (memref<4xf32>, memref<4xf32>, index) -> f32
    scf.for %j = %c0 to %c4 step %c1 {
      %bank = moe.make_bank %w, %b0 : memref<4xf32> -> !moe.bank<2x4xf32>
      %s0 = moe.bank_slice %bank[%c0] : !moe.bank<2x4xf32> -> memref<4xf32>
      %s1 = moe.bank_slice %bank[%c1] : !moe.bank<2x4xf32> -> memref<4xf32>
      %p = memref.load %s0[%j] : memref<4xf32>
      %q = memref.load %s1[%j] : memref<4xf32>
      %r = memref.load %rows[%i, %j] : memref<3x4xf32>
      %pq = arith.addf %p, %q : f32
      %pqr = arith.addf %pq, %r : f32
      %sum = arith.addf %pqr, %other : f32
      memref.store %sum, %y[%i, %j] : memref<3x4xf32>
    }
  }
  return
}

// 0, from a function that reads a weight itself.
func.func private @slice(%a: memref<4xf32>, %b: memref<4xf32>, %i: index) -> f32 {
  %w = moe.get_weight @w : memref<4xf32>
  %x = memref.load %w[%i] : memref<4xf32>
  %y = memref.load %a[%i] : memref<4xf32>
  %difference = arith.subf %x, %y : f32
  return %difference : f32
}

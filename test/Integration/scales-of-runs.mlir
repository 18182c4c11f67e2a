// Codes of rows with a scale for each run of columns: kernels on packed codes,
// and loops where something else reads the bank too, compute the same.

// REQUIRES: moe-run

// RUN: python3 %S/../Tools/moe-run/Inputs/write_safetensors.py %t.in offsets:I32:3:0,2,5 source:I32:5:4,0,3,3,1
// RUN: moe-run %s --random-weights=1 --entry=packed --random-inputs=3 --size tokens=5 --input offsets=%t.in:offsets --input source=%t.in:source --output=%t.out
// RUN: moe-run %s --random-weights=1 --entry=loops --random-inputs=3 --size tokens=5 --input offsets=%t.in:offsets --input source=%t.in:source --expect y=%t.out:y --rtol=1e-5 --atol=1e-6 | FileCheck %s
// CHECK: expect y: match
// RUN: moe-run %s --random-weights=1 --entry=packed --target-cpu=haswell --random-inputs=3 --size tokens=5 --input offsets=%t.in:offsets --input source=%t.in:source --expect y=%t.out:y --rtol=1e-5 --atol=1e-6 | FileCheck %s

!codes = !moe.bank<2x6x20xf32, #moe.quantized<bits = 8, group = 8, scale = bf16>>

moe.weight @packed_codes : !codes from ["w.{e}"]
moe.weight @read_codes : !codes from ["w.{e}"]

func.func private @grouped(%x: tensor<?x20xf32>, %offsets: tensor<3xi32>, %source: tensor<5xi32>, %bank: !codes) -> tensor<5x6xf32> {
  %zero = arith.constant 0.0 : f32
  %e = tensor.empty() : tensor<5x6xf32>
  %init = linalg.fill ins(%zero : f32) outs(%e : tensor<5x6xf32>) -> tensor<5x6xf32>
  %c, %s, %g = moe.quantize_rows %x {group = 8, run_scales} : (tensor<?x20xf32>) -> (tensor<?x20xi8>, tensor<?x3xf32>, tensor<?x3xi32>)
  %y = moe.grouped_matmul %c[%source] row_sums(%g) row_scales(%s) banks(%bank) offsets(%offsets) outs(%init)
      : (tensor<?x20xi8>, tensor<5xi32>, tensor<?x3xi32>, tensor<?x3xf32>, !codes, tensor<3xi32>, tensor<5x6xf32>) -> tensor<5x6xf32>
  return %y : tensor<5x6xf32>
}

func.func @packed(%x: tensor<?x20xf32> {moe.name = "x", moe.shape = ["tokens", 20]},
                  %offsets: tensor<3xi32> {moe.name = "offsets"}, %source: tensor<5xi32> {moe.name = "source"})
    -> (tensor<5x6xf32> {moe.name = "y"}) {
  %bank = moe.get_weight @packed_codes : !codes
  %y = func.call @grouped(%x, %offsets, %source, %bank) : (tensor<?x20xf32>, tensor<3xi32>, tensor<5xi32>, !codes) -> tensor<5x6xf32>
  return %y : tensor<5x6xf32>
}

func.func private @grouped_too(%x: tensor<?x20xf32>, %offsets: tensor<3xi32>, %source: tensor<5xi32>, %bank: !codes) -> tensor<5x6xf32> {
  %zero = arith.constant 0.0 : f32
  %e = tensor.empty() : tensor<5x6xf32>
  %init = linalg.fill ins(%zero : f32) outs(%e : tensor<5x6xf32>) -> tensor<5x6xf32>
  %c, %s, %g = moe.quantize_rows %x {group = 8, run_scales} : (tensor<?x20xf32>) -> (tensor<?x20xi8>, tensor<?x3xf32>, tensor<?x3xi32>)
  %y = moe.grouped_matmul %c[%source] row_sums(%g) row_scales(%s) banks(%bank) offsets(%offsets) outs(%init)
      : (tensor<?x20xi8>, tensor<5xi32>, tensor<?x3xi32>, tensor<?x3xf32>, !codes, tensor<3xi32>, tensor<5x6xf32>) -> tensor<5x6xf32>
  return %y : tensor<5x6xf32>
}

func.func @loops(%x: tensor<?x20xf32> {moe.name = "x", moe.shape = ["tokens", 20]},
                 %offsets: tensor<3xi32> {moe.name = "offsets"}, %source: tensor<5xi32> {moe.name = "source"})
    -> (tensor<5x6xf32> {moe.name = "y"}, tensor<6x20xf32> {moe.name = "first"}) {
  %c0 = arith.constant 0 : index
  %zero = arith.constant 0.0 : f32
  %bank = moe.get_weight @read_codes : !codes
  %y = func.call @grouped_too(%x, %offsets, %source, %bank) : (tensor<?x20xf32>, tensor<3xi32>, tensor<5xi32>, !codes) -> tensor<5x6xf32>
  %w = moe.bank_slice %bank[%c0] : !codes -> tensor<6x20xf32>
  %e = tensor.empty() : tensor<6x20xf32>
  %first = linalg.copy ins(%w : tensor<6x20xf32>) outs(%e : tensor<6x20xf32>) -> tensor<6x20xf32>
  return %y, %first : tensor<5x6xf32>, tensor<6x20xf32>
}

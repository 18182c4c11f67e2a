// log1p and expm1 of small numbers are those numbers, and right in between.
//
// REQUIRES: moe-run
// RUN: python3 %S/../Tools/moe-run/Inputs/write_safetensors.py %t.in x:F32:8:1e-8,1e-6,-1e-6,1e-3,0.5,-0.5,20,-20 l:F32:6:9.9999999e-9,9.999995e-7,-1.0000005e-6,9.9950033e-4,0.40546511,-0.69314718 e:F32:8:1.00000000e-8,1.0000005e-6,-9.999995e-7,1.0005002e-3,0.64872127,-0.39346934,4.8516519e8,-1.0
// RUN: moe-run %s --input x=%t.in:x --expect e=%t.in:e --expect l=%t.in:l --rtol=1e-6 --atol=0 --quiet
// RUN: moe-run %s --input x=%t.in:x --expect e=%t.in:e --expect l=%t.in:l --rtol=1e-6 --atol=0 --quiet --reference

func.func @f(%x: tensor<8xf32> {moe.name = "x"}) -> (tensor<6xf32> {moe.name = "l"}, tensor<8xf32> {moe.name = "e"}) {
  %s = tensor.extract_slice %x[0] [6] [1] : tensor<8xf32> to tensor<6xf32>
  %l = math.log1p %s : tensor<6xf32>
  %e = math.expm1 %x : tensor<8xf32>
  return %l, %e : tensor<6xf32>, tensor<8xf32>
}

// RUN: moe-opt %s -split-input-file -verify-diagnostics -one-shot-bufferize="bufferize-function-boundaries function-boundary-type-conversion=identity-layout-map"

// moe-make-bank-c3: every second element of a tensor is no dense slice
func.func private @strided(%a: tensor<8xf32>, %e: index) -> tensor<4xf32> {
  %s = tensor.extract_slice %a[0] [4] [2] : tensor<8xf32> to tensor<4xf32>
  // expected-error-re@+2 {{expected the slices of a bank to be dense, but got{{.*}}[moe-make-bank-c3]}}
  // expected-error@+1 {{failed to bufferize op}}
  %bank = moe.make_bank %s : tensor<4xf32> -> !moe.bank<1x4xf32>
  %r = moe.bank_slice %bank[%e] : !moe.bank<1x4xf32> -> tensor<4xf32>
  return %r : tensor<4xf32>
}

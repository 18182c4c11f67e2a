// What is only seen of weights is read that way from the checkpoint.

// RUN: moe-opt %s -split-input-file -moe-fold-banks | FileCheck %s

// One weight per expert.
// CHECK: moe.weight @a.bank : !moe.bank<2x4x6xf32> from [#moe.source<"a", shape = [4, 6]{{.*}}>, #moe.source<"b", shape = [4, 6]{{.*}}>]
// CHECK-NOT: moe.weight
// CHECK-LABEL: func.func @separate(
// CHECK-NEXT: %[[BANK:.*]] = moe.get_weight @a.bank
// CHECK-NEXT: moe.bank_slice %[[BANK]]
moe.weight @a : tensor<4x6xf32> from ["a"]
moe.weight @b : tensor<4x6xf32> from ["b"]
func.func @separate(%e: index) -> tensor<4x6xf32> {
  %a = moe.get_weight @a : tensor<4x6xf32>
  %b = moe.get_weight @b : tensor<4x6xf32>
  %bank = moe.make_bank %a, %b : tensor<4x6xf32> -> !moe.bank<2x4x6xf32>
  %s = moe.bank_slice %bank[%e] : !moe.bank<2x4x6xf32> -> tensor<4x6xf32>
  return %s : tensor<4x6xf32>
}

// -----

// Every second matrix of a stacked weight, of which columns are taken: experts
// are the dimension that is not left, whichever that is.
// CHECK: moe.weight @v.bank : !moe.bank<2x4x3xf32, strided<[24, 1]>> from [#moe.source<"v", shape = [4, 4, 6], offsets = [0, 1, 3], strides = [1, 2, 1], permutation = [1, 0, 2]>]
// CHECK-LABEL: func.func @stacked(
moe.weight @v : tensor<4x4x6xf32> from ["v"]
func.func @stacked(%e: index) -> tensor<4x3xf32> {
  %v = moe.get_weight @v : tensor<4x4x6xf32>
  %a = tensor.extract_slice %v[0, 1, 3] [4, 1, 3] [1, 1, 1] : tensor<4x4x6xf32> to tensor<4x3xf32>
  %b = tensor.extract_slice %v[0, 3, 3] [4, 1, 3] [1, 1, 1] : tensor<4x4x6xf32> to tensor<4x3xf32>
  %bank = moe.make_bank %a, %b : tensor<4x3xf32> -> !moe.bank<2x4x3xf32>
  %s = moe.bank_slice %bank[%e] : !moe.bank<2x4x3xf32> -> tensor<4x3xf32>
  return %s : tensor<4x3xf32>
}

// -----

// Distances that differ have no name.
// CHECK: moe.weight @v : tensor<4x4x6xf32> from ["v"]
// CHECK: moe.make_bank
moe.weight @v : tensor<4x4x6xf32> from ["v"]
func.func @uneven(%e: index) -> tensor<4x6xf32> {
  %v = moe.get_weight @v : tensor<4x4x6xf32>
  %a = tensor.extract_slice %v[0, 0, 0] [1, 4, 6] [1, 1, 1] : tensor<4x4x6xf32> to tensor<4x6xf32>
  %b = tensor.extract_slice %v[1, 0, 0] [1, 4, 6] [1, 1, 1] : tensor<4x4x6xf32> to tensor<4x6xf32>
  %c = tensor.extract_slice %v[3, 0, 0] [1, 4, 6] [1, 1, 1] : tensor<4x4x6xf32> to tensor<4x6xf32>
  %bank = moe.make_bank %a, %b, %c : tensor<4x6xf32> -> !moe.bank<3x4x6xf32>
  %s = moe.bank_slice %bank[%e] : !moe.bank<3x4x6xf32> -> tensor<4x6xf32>
  return %s : tensor<4x6xf32>
}

// -----

// A bank that is only read transposed is declared so, through functions too.
// CHECK: moe.weight @w : !moe.bank<2x6x4xf32, strided<[1, 6]>> from [#moe.source<"w.{e}", shape = [4, 6]{{.*}}permutation = [1, 0]>]
// CHECK: moe.weight @s : !moe.bank<2x6x4xf32, strided<[1, 6]>> from [#moe.source<"s", shape = [2, 4, 6]{{.*}}permutation = [0, 2, 1]>]
// CHECK: func.func private @layer(%[[W:.*]]: !moe.bank<2x6x4xf32, strided<[1, 6]>>
// CHECK-NEXT: moe.bank_slice %[[W]]
moe.weight @w : !moe.bank<2x4x6xf32> from ["w.{e}"]
moe.weight @s : !moe.bank<2x4x6xf32> from ["s"]
func.func private @layer(%w: !moe.bank<2x4x6xf32>, %e: index) -> tensor<6x4xf32> {
  %t = moe.transpose_bank %w : !moe.bank<2x4x6xf32> -> !moe.bank<2x6x4xf32, strided<[1, 6]>>
  %s = moe.bank_slice %t[%e] : !moe.bank<2x6x4xf32, strided<[1, 6]>> -> tensor<6x4xf32>
  return %s : tensor<6x4xf32>
}
func.func @forward(%e: index) -> (tensor<6x4xf32>, tensor<6x4xf32>) {
  %w = moe.get_weight @w : !moe.bank<2x4x6xf32>
  %s = moe.get_weight @s : !moe.bank<2x4x6xf32>
  %a = call @layer(%w, %e) : (!moe.bank<2x4x6xf32>, index) -> tensor<6x4xf32>
  %b = call @layer(%s, %e) : (!moe.bank<2x4x6xf32>, index) -> tensor<6x4xf32>
  return %a, %b : tensor<6x4xf32>, tensor<6x4xf32>
}

// -----

// A bank that is read both ways becomes two weights.
// CHECK: moe.weight @w : !moe.bank<2x4x6xf32> from ["w.{e}"]
// CHECK: moe.weight @w.transposed : !moe.bank<2x6x4xf32, strided<[1, 6]>>
// CHECK-LABEL: func.func @both(
// CHECK-DAG: moe.get_weight @w.transposed
// CHECK-DAG: moe.get_weight @w :
// CHECK-NOT: moe.transpose_bank
moe.weight @w : !moe.bank<2x4x6xf32> from ["w.{e}"]
func.func @both(%e: index) -> (tensor<6x4xf32>, tensor<4x6xf32>) {
  %w = moe.get_weight @w : !moe.bank<2x4x6xf32>
  %t = moe.transpose_bank %w : !moe.bank<2x4x6xf32> -> !moe.bank<2x6x4xf32, strided<[1, 6]>>
  %a = moe.bank_slice %t[%e] : !moe.bank<2x6x4xf32, strided<[1, 6]>> -> tensor<6x4xf32>
  %b = moe.bank_slice %w[%e] : !moe.bank<2x4x6xf32> -> tensor<4x6xf32>
  return %a, %b : tensor<6x4xf32>, tensor<4x6xf32>
}

// Bodies of matmuls and elementwise operations, whatever they are, become grouped
// matmuls with kernels, and compute what loops over whole experts do.

// REQUIRES: moe-run

// DEFINE: %{model} = moe-run %s --random-weights=3 --random-inputs=5 --input offsets=%t.in:offsets
// DEFINE: %{reference} = %{model} --reference
// DEFINE: %{run} = %{model} --rtol=1e-5 --atol=1e-6
// RUN: python3 %S/../Tools/moe-run/Inputs/write_safetensors.py %t.in offsets:I32:4:0,9,9,20
// RUN: %{reference} --entry=relu2 --output=%t.relu2
// RUN: %{run} --entry=relu2 --expect y=%t.relu2:y
// RUN: %{run} --entry=relu2 --expect y=%t.relu2:y --target-cpu=haswell
// RUN: %{reference} --entry=gelu --output=%t.gelu
// RUN: %{run} --entry=gelu --expect y=%t.gelu:y
// RUN: %{run} --entry=gelu --expect y=%t.gelu:y --target-cpu=haswell
// RUN: %{reference} --entry=library --output=%t.library
// RUN: %{run} --entry=library --expect y=%t.library:y
// RUN: %{reference} --entry=low_rank --output=%t.low_rank
// RUN: %{run} --entry=low_rank --expect y=%t.low_rank:y
// RUN: %{run} --entry=low_rank --expect y=%t.low_rank:y --target-cpu=haswell

// RUN: moe-opt %s -moe-compile="stop-after=grouped" | FileCheck %s

#rows = affine_map<(r, m, j) -> (r, j)>
#weight = affine_map<(r, m, j) -> (m, j)>
#result = affine_map<(r, m, j) -> (r, m)>
#both = affine_map<(r, m) -> (r, m)>
#column = affine_map<(r, m) -> (m)>

moe.weight @up : !moe.bank<3x40x24xf32> from ["up.{e}"]
moe.weight @up_bias : !moe.bank<3x40xf32> from ["up_bias.{e}"]
moe.weight @down : !moe.bank<3x24x40xf32> from ["down.{e}"]
moe.weight @full : !moe.bank<3x24x24xf32> from ["full.{e}"]
moe.weight @a : !moe.bank<3x4x24xf32> from ["a.{e}"]
moe.weight @b : !moe.bank<3x24x4xf32> from ["b.{e}"]

// max(up x, 0)^2
// CHECK-LABEL: func.func @relu2(
// CHECK: moe.grouped_matmul {{.*}}schedule =
// CHECK: arith.maximumf
// CHECK: moe.grouped_matmul {{.*}}schedule =
// CHECK-NOT: scf.for
func.func @relu2(%rows: tensor<20x24xf32> {moe.name = "rows"}, %offsets: tensor<4xi32> {moe.name = "offsets"}) -> (tensor<20x24xf32> {moe.name = "y"}) {
  %up = moe.get_weight @up : !moe.bank<3x40x24xf32>
  %down = moe.get_weight @down : !moe.bank<3x24x40xf32>
  %c0 = arith.constant 0 : index
  %zero = arith.constant 0.0 : f32
  %y = moe.experts %rows, %offsets banks(%up, %down) : (tensor<20x24xf32>, tensor<4xi32>, !moe.bank<3x40x24xf32>, !moe.bank<3x24x40xf32>) -> tensor<20x24xf32> {
  ^bb0(%r: tensor<?x24xf32>, %e: index, %wu: tensor<40x24xf32>, %wd: tensor<24x40xf32>):
    %n = tensor.dim %r, %c0 : tensor<?x24xf32>
    %e40 = tensor.empty(%n) : tensor<?x40xf32>
    %i40 = linalg.fill ins(%zero : f32) outs(%e40 : tensor<?x40xf32>) -> tensor<?x40xf32>
    %u = linalg.matmul indexing_maps = [#rows, #weight, #result] ins(%r, %wu : tensor<?x24xf32>, tensor<40x24xf32>) outs(%i40 : tensor<?x40xf32>) -> tensor<?x40xf32>
    %h = linalg.generic {indexing_maps = [#both, #both], iterator_types = ["parallel", "parallel"]} ins(%u : tensor<?x40xf32>) outs(%e40 : tensor<?x40xf32>) {
    ^bb0(%x: f32, %o: f32):
      %m = arith.maximumf %x, %zero : f32
      %s = arith.mulf %m, %m : f32
      linalg.yield %s : f32
    } -> tensor<?x40xf32>
    %e24 = tensor.empty(%n) : tensor<?x24xf32>
    %i24 = linalg.fill ins(%zero : f32) outs(%e24 : tensor<?x24xf32>) -> tensor<?x24xf32>
    %d = linalg.matmul indexing_maps = [#rows, #weight, #result] ins(%h, %wd : tensor<?x40xf32>, tensor<24x40xf32>) outs(%i24 : tensor<?x24xf32>) -> tensor<?x24xf32>
    moe.yield %d : tensor<?x24xf32>
  }
  return %y : tensor<20x24xf32>
}

// GELU of up x + bias, by erf.
// CHECK-LABEL: func.func @gelu(
// CHECK: moe.grouped_matmul {{.*}} per_column({{.*}}schedule =
// CHECK: math.erf
// CHECK: moe.grouped_matmul {{.*}}schedule =
// CHECK-NOT: scf.for
func.func @gelu(%rows: tensor<20x24xf32> {moe.name = "rows"}, %offsets: tensor<4xi32> {moe.name = "offsets"}) -> (tensor<20x24xf32> {moe.name = "y"}) {
  %up = moe.get_weight @up : !moe.bank<3x40x24xf32>
  %bias = moe.get_weight @up_bias : !moe.bank<3x40xf32>
  %down = moe.get_weight @down : !moe.bank<3x24x40xf32>
  %c0 = arith.constant 0 : index
  %zero = arith.constant 0.0 : f32
  %half = arith.constant 0.5 : f32
  %one = arith.constant 1.0 : f32
  %root = arith.constant 0.70710678 : f32
  %y = moe.experts %rows, %offsets banks(%up, %bias, %down) : (tensor<20x24xf32>, tensor<4xi32>, !moe.bank<3x40x24xf32>, !moe.bank<3x40xf32>, !moe.bank<3x24x40xf32>) -> tensor<20x24xf32> {
  ^bb0(%r: tensor<?x24xf32>, %e: index, %wu: tensor<40x24xf32>, %bu: tensor<40xf32>, %wd: tensor<24x40xf32>):
    %n = tensor.dim %r, %c0 : tensor<?x24xf32>
    %e40 = tensor.empty(%n) : tensor<?x40xf32>
    %i40 = linalg.fill ins(%zero : f32) outs(%e40 : tensor<?x40xf32>) -> tensor<?x40xf32>
    %u = linalg.matmul indexing_maps = [#rows, #weight, #result] ins(%r, %wu : tensor<?x24xf32>, tensor<40x24xf32>) outs(%i40 : tensor<?x40xf32>) -> tensor<?x40xf32>
    %h = linalg.generic {indexing_maps = [#both, #column, #both], iterator_types = ["parallel", "parallel"]} ins(%u, %bu : tensor<?x40xf32>, tensor<40xf32>) outs(%e40 : tensor<?x40xf32>) {
    ^bb0(%x: f32, %b: f32, %o: f32):
      %v = arith.addf %x, %b : f32
      %s = arith.mulf %v, %root : f32
      %t = math.erf %s : f32
      %p = arith.addf %t, %one : f32
      %q = arith.mulf %v, %half : f32
      %g = arith.mulf %q, %p : f32
      linalg.yield %g : f32
    } -> tensor<?x40xf32>
    %e24 = tensor.empty(%n) : tensor<?x24xf32>
    %i24 = linalg.fill ins(%zero : f32) outs(%e24 : tensor<?x24xf32>) -> tensor<?x24xf32>
    %d = linalg.matmul indexing_maps = [#rows, #weight, #result] ins(%h, %wd : tensor<?x40xf32>, tensor<24x40xf32>) outs(%i24 : tensor<?x24xf32>) -> tensor<?x24xf32>
    moe.yield %d : tensor<?x24xf32>
  }
  return %y : tensor<20x24xf32>
}

// A function that nothing but the C library computes is called for each element.
// CHECK-LABEL: func.func @library(
// CHECK: moe.grouped_matmul {{.*}}schedule =
// CHECK: math.atan
func.func @library(%rows: tensor<20x24xf32> {moe.name = "rows"}, %offsets: tensor<4xi32> {moe.name = "offsets"}) -> (tensor<20x40xf32> {moe.name = "y"}) {
  %up = moe.get_weight @up : !moe.bank<3x40x24xf32>
  %c0 = arith.constant 0 : index
  %zero = arith.constant 0.0 : f32
  %y = moe.experts %rows, %offsets banks(%up) : (tensor<20x24xf32>, tensor<4xi32>, !moe.bank<3x40x24xf32>) -> tensor<20x40xf32> {
  ^bb0(%r: tensor<?x24xf32>, %e: index, %wu: tensor<40x24xf32>):
    %n = tensor.dim %r, %c0 : tensor<?x24xf32>
    %e40 = tensor.empty(%n) : tensor<?x40xf32>
    %i40 = linalg.fill ins(%zero : f32) outs(%e40 : tensor<?x40xf32>) -> tensor<?x40xf32>
    %u = linalg.matmul indexing_maps = [#rows, #weight, #result] ins(%r, %wu : tensor<?x24xf32>, tensor<40x24xf32>) outs(%i40 : tensor<?x40xf32>) -> tensor<?x40xf32>
    %h = linalg.generic {indexing_maps = [#both, #both], iterator_types = ["parallel", "parallel"]} ins(%u : tensor<?x40xf32>) outs(%e40 : tensor<?x40xf32>) {
    ^bb0(%x: f32, %o: f32):
      %c = math.atan %x : f32
      linalg.yield %c : f32
    } -> tensor<?x40xf32>
    moe.yield %h : tensor<?x40xf32>
  }
  return %y : tensor<20x40xf32>
}

// A full matrix and one of low rank, b (a x), meet: what the second gives is read
// as elements.
// CHECK-LABEL: func.func @low_rank(
// CHECK: %[[A:.*]] = moe.grouped_matmul {{.*}}schedule =
// CHECK: %[[B:.*]] = moe.grouped_matmul %[[A]] {{.*}}schedule =
// CHECK: moe.grouped_matmul {{.*}} elements(%[[B]]) {{.*}}schedule =
// CHECK-NOT: scf.for
func.func @low_rank(%rows: tensor<20x24xf32> {moe.name = "rows"}, %offsets: tensor<4xi32> {moe.name = "offsets"}) -> (tensor<20x24xf32> {moe.name = "y"}) {
  %full = moe.get_weight @full : !moe.bank<3x24x24xf32>
  %wa = moe.get_weight @a : !moe.bank<3x4x24xf32>
  %wb = moe.get_weight @b : !moe.bank<3x24x4xf32>
  %c0 = arith.constant 0 : index
  %zero = arith.constant 0.0 : f32
  %y = moe.experts %rows, %offsets banks(%full, %wa, %wb) : (tensor<20x24xf32>, tensor<4xi32>, !moe.bank<3x24x24xf32>, !moe.bank<3x4x24xf32>, !moe.bank<3x24x4xf32>) -> tensor<20x24xf32> {
  ^bb0(%r: tensor<?x24xf32>, %e: index, %w: tensor<24x24xf32>, %a: tensor<4x24xf32>, %b: tensor<24x4xf32>):
    %n = tensor.dim %r, %c0 : tensor<?x24xf32>
    %e24 = tensor.empty(%n) : tensor<?x24xf32>
    %e4 = tensor.empty(%n) : tensor<?x4xf32>
    %i24 = linalg.fill ins(%zero : f32) outs(%e24 : tensor<?x24xf32>) -> tensor<?x24xf32>
    %i4 = linalg.fill ins(%zero : f32) outs(%e4 : tensor<?x4xf32>) -> tensor<?x4xf32>
    %low = linalg.matmul indexing_maps = [#rows, #weight, #result] ins(%r, %a : tensor<?x24xf32>, tensor<4x24xf32>) outs(%i4 : tensor<?x4xf32>) -> tensor<?x4xf32>
    %lifted = linalg.matmul indexing_maps = [#rows, #weight, #result] ins(%low, %b : tensor<?x4xf32>, tensor<24x4xf32>) outs(%i24 : tensor<?x24xf32>) -> tensor<?x24xf32>
    %plain = linalg.matmul indexing_maps = [#rows, #weight, #result] ins(%r, %w : tensor<?x24xf32>, tensor<24x24xf32>) outs(%i24 : tensor<?x24xf32>) -> tensor<?x24xf32>
    %s = linalg.generic {indexing_maps = [#both, #both, #both], iterator_types = ["parallel", "parallel"]} ins(%plain, %lifted : tensor<?x24xf32>, tensor<?x24xf32>) outs(%e24 : tensor<?x24xf32>) {
    ^bb0(%p: f32, %q: f32, %o: f32):
      %t = arith.addf %p, %q : f32
      linalg.yield %t : f32
    } -> tensor<?x24xf32>
    moe.yield %s : tensor<?x24xf32>
  }
  return %y : tensor<20x24xf32>
}

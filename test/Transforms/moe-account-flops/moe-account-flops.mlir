// What matmuls compute for a row, beside what they need.

// RUN: moe-opt %s -moe-account-flops --remarks-filter="moe-account-flops" --remark-format=emitRemark -o /dev/null 2>&1 | FileCheck %s
// RUN: moe-opt %s -moe-account-flops=fail-above=1.4 -o /dev/null

#rows = affine_map<(m, n, k) -> (m, k)>
#weight = affine_map<(m, n, k) -> (n, k)>
#result = affine_map<(m, n, k) -> (m, n)>

// Two banks of 6 x 5 in panels of 8 rows, and steps of 1.
// CHECK: remark: {{.*}}moe.grouped_matmul: 160 FLOPs done per row, 120 needed (1.33)
func.func @packed(%x: tensor<?x5xf32>, %a: !moe.bank<2x6x5xf32, #moe.packed<panel = 8, depth = 1>>, %b: !moe.bank<2x6x5xf32, #moe.packed<panel = 8, depth = 1>>, %o: tensor<3xi32>, %i: tensor<?x6xf32>) -> tensor<?x6xf32> {
  %y = moe.grouped_matmul %x banks(%a, %b) offsets(%o) outs(%i) {schedule = #moe.cpu_schedule<row_block = 2, lanes = 4, dot = fma>}
      : (tensor<?x5xf32>, !moe.bank<2x6x5xf32, #moe.packed<panel = 8, depth = 1>>, !moe.bank<2x6x5xf32, #moe.packed<panel = 8, depth = 1>>, tensor<3xi32>, tensor<?x6xf32>) -> tensor<?x6xf32> {
  ^bb0(%s: f32, %t: f32, %old: f32):
    %p = arith.mulf %s, %t : f32
    moe.yield %p : f32
  }
  return %y : tensor<?x6xf32>
}

// Loops do what is needed, for any number of experts.
// CHECK: remark: {{.*}}moe.grouped_matmul: 60 FLOPs done per row, 60 needed (1.00)
func.func @loops(%x: tensor<?x5xf32>, %a: !moe.bank<128x6x5xf32>, %o: tensor<129xi32>, %i: tensor<?x6xf32>) -> tensor<?x6xf32> {
  %y = moe.grouped_matmul %x banks(%a) offsets(%o) outs(%i) : (tensor<?x5xf32>, !moe.bank<128x6x5xf32>, tensor<129xi32>, tensor<?x6xf32>) -> tensor<?x6xf32>
  return %y : tensor<?x6xf32>
}

// CHECK: remark: {{.*}}linalg.matmul: 60 FLOPs done per row, 60 needed (1.00)
func.func @dense(%x: tensor<?x5xf32>, %w: tensor<6x5xf32>, %i: tensor<?x6xf32>) -> tensor<?x6xf32> {
  %y = linalg.matmul indexing_maps = [#rows, #weight, #result] ins(%x, %w : tensor<?x5xf32>, tensor<6x5xf32>) outs(%i : tensor<?x6xf32>) -> tensor<?x6xf32>
  return %y : tensor<?x6xf32>
}

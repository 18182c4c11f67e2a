// One layer of 8 experts, 2 for each token, as `moe-bench --shape=8,2,32,24`
// measures it.
#nt = [affine_map<(m, n, k) -> (m, k)>, affine_map<(m, n, k) -> (n, k)>, affine_map<(m, n, k) -> (m, n)>]
#id = affine_map<(a, b) -> (a, b)>

moe.weight @gate : !moe.bank<8x24x32xf32> from ["gate"]
moe.weight @up : !moe.bank<8x24x32xf32> from ["up"]
moe.weight @down : !moe.bank<8x32x24xf32> from ["down"]

func.func @layer(%x: tensor<?x32xf32> {moe.name = "x", moe.shape = ["tokens", 32]},
                 %router: tensor<8x32xf32> {moe.name = "router"})
    -> (tensor<?x32xf32> {moe.name = "y", moe.shape = ["tokens", 32]}) {
  %c0 = arith.constant 0 : index
  %zero = arith.constant 0.0 : f32
  %one = arith.constant 1.0 : f32
  %t = tensor.dim %x, %c0 : tensor<?x32xf32>
  %z0 = tensor.empty(%t) : tensor<?x8xf32>
  %z1 = linalg.fill ins(%zero : f32) outs(%z0 : tensor<?x8xf32>) -> tensor<?x8xf32>
  %z = linalg.matmul indexing_maps = #nt ins(%x, %router : tensor<?x32xf32>, tensor<8x32xf32>) outs(%z1 : tensor<?x8xf32>) -> tensor<?x8xf32>
  %w, %ids = moe.router %z {top_k = 2 : i64, score = #moe.score<softmax>, normalize = #moe.normalize<p = 1.0>} : (tensor<?x8xf32>) -> (tensor<?x2xf32>, tensor<?x2xi32>)
  %counts, %offsets, %source, %position, %kept = moe.plan %w, %ids : (tensor<?x2xf32>, tensor<?x2xi32>) -> (tensor<8xi32>, tensor<9xi32>, tensor<?xi32>, tensor<?x2xi32>, tensor<?x2xf32>)
  %rows = moe.dispatch %x, %source, %offsets : (tensor<?x32xf32>, tensor<?xi32>, tensor<9xi32>) -> tensor<?x32xf32>
  %gates = moe.get_weight @gate : !moe.bank<8x24x32xf32>
  %ups = moe.get_weight @up : !moe.bank<8x24x32xf32>
  %downs = moe.get_weight @down : !moe.bank<8x32x24xf32>
  %out = moe.experts %rows, %offsets banks(%gates, %ups, %downs) : (tensor<?x32xf32>, tensor<9xi32>, !moe.bank<8x24x32xf32>, !moe.bank<8x24x32xf32>, !moe.bank<8x32x24xf32>) -> tensor<?x32xf32> {
  ^bb0(%r: tensor<?x32xf32>, %e: index, %gate: tensor<24x32xf32>, %up: tensor<24x32xf32>, %down: tensor<32x24xf32>):
    %n = tensor.dim %r, %c0 : tensor<?x32xf32>
    %wide = tensor.empty(%n) : tensor<?x24xf32>
    %wide0 = linalg.fill ins(%zero : f32) outs(%wide : tensor<?x24xf32>) -> tensor<?x24xf32>
    %a = linalg.matmul indexing_maps = #nt ins(%r, %gate : tensor<?x32xf32>, tensor<24x32xf32>) outs(%wide0 : tensor<?x24xf32>) -> tensor<?x24xf32>
    %b = linalg.matmul indexing_maps = #nt ins(%r, %up : tensor<?x32xf32>, tensor<24x32xf32>) outs(%wide0 : tensor<?x24xf32>) -> tensor<?x24xf32>
    %h = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel", "parallel"]} ins(%b : tensor<?x24xf32>) outs(%a : tensor<?x24xf32>) {
    ^bb0(%p: f32, %q: f32):
      %negative = arith.negf %q : f32
      %exp = math.exp %negative : f32
      %denominator = arith.addf %one, %exp : f32
      %silu = arith.divf %q, %denominator : f32
      %product = arith.mulf %silu, %p : f32
      linalg.yield %product : f32
    } -> tensor<?x24xf32>
    %narrow = tensor.empty(%n) : tensor<?x32xf32>
    %narrow0 = linalg.fill ins(%zero : f32) outs(%narrow : tensor<?x32xf32>) -> tensor<?x32xf32>
    %y = linalg.matmul indexing_maps = #nt ins(%h, %down : tensor<?x24xf32>, tensor<32x24xf32>) outs(%narrow0 : tensor<?x32xf32>) -> tensor<?x32xf32>
    moe.yield %y : tensor<?x32xf32>
  }
  %result = moe.combine %out, %position weights(%kept) : (tensor<?x32xf32>, tensor<?x2xi32>, tensor<?x2xf32>) -> tensor<?x32xf32>
  return %result : tensor<?x32xf32>
}

moe.weight @experts : !moe.bank<8x64x64xf32> from ["experts.{e}.weight"]

func.func @layer(%x: tensor<?x64xf32> {moe.name = "x", moe.shape = ["tokens", 64]},
                 %logits: tensor<?x8xf32> {moe.name = "logits", moe.shape = ["tokens", 8]})
    -> (tensor<?x64xf32> {moe.name = "y", moe.shape = ["tokens", 64]}) {
  %bank = moe.get_weight @experts : !moe.bank<8x64x64xf32>
  %w, %ids = moe.router %logits {top_k = 2 : i64, score = #moe.score<softmax>} : (tensor<?x8xf32>) -> (tensor<?x2xf32>, tensor<?x2xi32>)
  %counts, %offsets, %source, %position, %kept = moe.plan %w, %ids : (tensor<?x2xf32>, tensor<?x2xi32>) -> (tensor<8xi32>, tensor<9xi32>, tensor<?xi32>, tensor<?x2xi32>, tensor<?x2xf32>)
  %rows = moe.dispatch %x, %source, %offsets : (tensor<?x64xf32>, tensor<?xi32>, tensor<9xi32>) -> tensor<?x64xf32>
  %y = moe.experts %rows, %offsets banks(%bank) : (tensor<?x64xf32>, tensor<9xi32>, !moe.bank<8x64x64xf32>) -> tensor<?x64xf32> {
  ^bb0(%r: tensor<?x64xf32>, %expert: index, %weight: tensor<64x64xf32>):
    %h = linalg.matmul ins(%r, %weight : tensor<?x64xf32>, tensor<64x64xf32>) outs(%r : tensor<?x64xf32>) -> tensor<?x64xf32>
    moe.yield %h : tensor<?x64xf32>
  }
  %out = moe.combine %y, %position weights(%kept) : (tensor<?x64xf32>, tensor<?x2xi32>, tensor<?x2xf32>) -> tensor<?x64xf32>
  return %out : tensor<?x64xf32>
}

// RUN: moe-opt %s -split-input-file -verify-diagnostics -moe-bufferize-entries

// expected-error-re@+1 {{expected a public function to be an entry that nothing calls; make it private{{.*}}[moe-bufferize-entries-called]}}
func.func @called(%x: tensor<4xf32>) -> tensor<4xf32> {
  return %x : tensor<4xf32>
}
func.func private @caller(%x: tensor<4xf32>) -> tensor<4xf32> {
  %y = call @called(%x) : (tensor<4xf32>) -> tensor<4xf32>
  return %y : tensor<4xf32>
}

// -----

// expected-error-re@+1 {{expected the arguments of an entry to be ranked tensors or indices, but got 'f32'{{.*}}[moe-bufferize-entries-argument]}}
func.func @scalar_argument(%x: tensor<4xf32>, %s: f32) {
  return
}

// -----

// expected-error-re@+1 {{but got 'tensor<*xf32>'{{.*}}[moe-bufferize-entries-argument]}}
func.func @unranked(%x: tensor<*xf32>) {
  return
}

// -----

// expected-error-re@+1 {{but got '!moe.bank<2x4xf32>'{{.*}}[moe-bufferize-entries-argument]}}
func.func @bank(%x: tensor<4xf32>, %b: !moe.bank<2x4xf32>) {
  return
}

// -----

// expected-error-re@+1 {{expected the results of an entry to be ranked tensors, but got 'index'{{.*}}[moe-bufferize-entries-result]}}
func.func @index_result(%x: tensor<4xf32>, %i: index) -> index {
  return %i : index
}

// -----

// expected-error-re@+1 {{expected an entry of one block{{.*}}[moe-bufferize-entries-blocks]}}
func.func @blocks(%x: tensor<4xf32>) -> tensor<4xf32> {
  cf.br ^next
^next:
  return %x : tensor<4xf32>
}

// -----

// Nothing says whether the sizes agree.
// expected-error-re@+1 {{expected 'moe.shape' on argument 1 of type 'tensor<?x4xf32>', since the entry has 2 dynamic sizes; name them, equal ones alike{{.*}}[moe-bufferize-entries-shape]}}
func.func @sizes(%a: tensor<?x4xf32> {moe.shape = ["n", 4]}, %b: tensor<?x4xf32>) {
  return
}

// -----

// expected-error-re@+1 {{on argument 1 of type 'tensor<?x?xf32>', since the entry has 2 dynamic sizes{{.*}}[moe-bufferize-entries-shape]}}
func.func @sizes_of_one(%i: index, %a: tensor<?x?xf32>) {
  return
}

// RUN: moe-opt %s -split-input-file -verify-diagnostics -convert-moe-to-llvm

// Banks stay on tensors only until bufferization; nothing lowers this later.
func.func private @unlowered(%x: memref<?x4xf32>, %b: !moe.bank<2x6x4xf32>, %o: memref<3xi32>, %y: memref<?x6xf32>) {
  // expected-error-re@+1 {{expected to be lowered before{{.*}}[moe-to-llvm-unlowered]}}
  moe.grouped_matmul %x banks(%b) offsets(%o) outs(%y) : (memref<?x4xf32>, !moe.bank<2x6x4xf32>, memref<3xi32>, memref<?x6xf32>) -> ()
  return
}

// -----

// An assertion would end the process.
func.func private @assertion(%c: i1) {
  // expected-error-re@+1 {{expected to be lowered before{{.*}}[moe-to-llvm-unlowered]}}
  cf.assert %c, "no"
  return
}

// -----

// expected-error-re@+1 {{expected 'arg0' to have a type of the ABI and at most 8 dimensions, but got 'memref<4xcomplex<f32>>'{{.*}}[moe-to-llvm-argument]}}
func.func @element_type(%x: memref<4xcomplex<f32>>) attributes {moe.entry = {inputs = [{}], results = []}} {
  return
}

// -----

// Signs matter: only 8 bits may be unsigned.
// expected-error-re@+1 {{expected 'arg0' to have a type of the ABI{{.*}}'memref<4xui32>'{{.*}}[moe-to-llvm-argument]}}
func.func @unsigned(%x: memref<4xui32>) attributes {moe.entry = {inputs = [{}], results = []}} {
  return
}

// -----

// expected-error-re@+1 {{expected 'deep' to have a type of the ABI and at most 8 dimensions{{.*}}[moe-to-llvm-argument]}}
func.func @rank(%x: memref<1x1x1x1x1x1x1x1x1xf32>) attributes {moe.entry = {inputs = [{moe.name = "deep"}], results = []}} {
  return
}

// -----

// Callers allocate results, so they must know how large they are.
// expected-error-re@+1 {{expected 'moe.shape' on result 'result0', whose size is dynamic: callers allocate results{{.*}}[moe-to-llvm-result-shape]}}
func.func @result_shape(%x: memref<?xf32>, %y: memref<?xf32>) attributes {moe.entry = {inputs = [{}], results = [{}]}} {
  return
}

// -----

module {
  moe.weight @outer : tensor<4xf32> from ["a"]
  module {
    // expected-error-re@+1 {{expected to be in the outermost module{{.*}}[moe-to-llvm-nested]}}
    moe.weight @inner : tensor<4xf32> from ["b"]
  }
}

// -----

moe.weight @w : tensor<4xf32> from ["a"]
// expected-error-re@+1 {{expected to be inside a function{{.*}}[moe-to-llvm-outside]}}
%0 = moe.get_weight @w : memref<4xf32>

// -----

// expected-error-re@+1 {{expected to be inside a function{{.*}}[moe-to-llvm-outside]}}
%0 = moe.num_threads : index

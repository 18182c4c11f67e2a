//===- Passes.td - Passes between dialects -*- tablegen -*-
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef MOE_TRANSFORMS_PASSES
#define MOE_TRANSFORMS_PASSES

include "mlir/Pass/PassBase.td"

def AccountFlopsPass : Pass<"moe-account-flops"> {
  let summary = "says how many FLOPs matmuls do, and how many are needed";
  let description = [{
    For each matmul a remark with the floating-point operations of one row: what
    its weight asks for, and what its kernel does, which also multiplies the
    columns and steps that fill up its tiles. Rows are those that a router keeps;
    no op of the grouped level computes others. With `fail-above`, an op that
    does more than so many times what it needs is an error.

    *Expects* the grouped level, before experts are tiled.
  }];
  let options = [
    Option<"failAbove", "fail-above", "double", /*default=*/"0",
           "largest ratio of FLOPs done to FLOPs needed; 0: any">
  ];
  let statistics = [
    Statistic<"numAccounted", "accounted", "matmuls that were looked at">];
}

def ExpandMathPass : Pass<"moe-expand-math", "::mlir::ModuleOp"> {
  let summary = "expresses functions that no later pass lowers by others";
  let description = [{
    Functions of bf16 and f16 are computed in f32. A clamp becomes a maximum and a
    minimum, a power with an integer exponent one with a real exponent, and
    `log1p` and `expm1`, which upstream computes as log(1 + x) and exp(x) - 1, a
    form that is accurate near 0 (W. Kahan): with u = 1 + x, log1p(x) is
    log(u) * x / (u - 1), and with u = exp(x), expm1(x) is (u - 1) * x / log(u).
    With `library` these two become calls of the C library.

    *Expects* any level. *Never fails.*
  }];
  let options = [
    Option<"library", "library", "bool", /*default=*/"false",
           "call the C library for log1p and expm1">];
  let dependentDialects = ["::mlir::arith::ArithDialect",
                           "::mlir::func::FuncDialect",
                           "::mlir::math::MathDialect"];
}

def ApproximateMathPass : Pass<"moe-approximate-math"> {
  let summary = "computes functions of activations by polynomials";
  let description = [{
    `math.exp`, `math.tanh` and `math.erf` of f32 become the polynomials of
    upstream's approximations, a few units in the last place from the true value:
    LLVM vectorizes them, which it cannot do with a call of the C library.
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect",
                           "::mlir::math::MathDialect",
                           "::mlir::vector::VectorDialect"];
}

def AssignDestinationsPass : Pass<"moe-assign-destinations"> {
  let summary = "gives tensors that leave branches and loops one place";
  let description = [{
    Every tensor that an `scf.if` or `scf.index_switch` yields is copied to a
    tensor that is made before it, and every tensor that an `scf.for` or
    `scf.while` carries to what it was before: then bufferization finds one buffer for it. A copy costs
    nothing where the value is computed in place.

    *Expects* tensors. *Fails when* a size is not the same in all branches or
    iterations, or cannot be told, and when the condition of an `scf.while` does
    not hand on what it carries, each at its place.
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect",
                           "::mlir::linalg::LinalgDialect",
                           "::mlir::tensor::TensorDialect"];
}

def BufferizeEntriesPass : Pass<"moe-bufferize-entries", "::mlir::ModuleOp"> {
  let summary = "gives entry functions buffers for arguments and results";
  let description = [{
    Every public function that has tensors in its signature takes memrefs
    instead. A result that is tied to an argument (`moe.tied`) is written to that
    argument's buffer, every other result to a new argument at the end. The
    function has no results afterwards; what it was is kept in the attribute
    `moe.entry` for the ABI. An argument that holds expert ids gets the range of
    ids (`moe.range`). A `cf.assert` compares each dynamic size of a result with
    that of its buffer.

    *Expects* tensors at the boundary. *Fails when* a public function has a
    result that is not a tensor, a type without a place in the ABI, or several
    dynamic sizes that `moe.shape` does not name.
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect",
                           "::mlir::bufferization::BufferizationDialect",
                           "::mlir::cf::ControlFlowDialect",
                           "::mlir::linalg::LinalgDialect",
                           "::mlir::memref::MemRefDialect",
                           "::mlir::tensor::TensorDialect"];
}

def ConvertMoEToLoopsPass : Pass<"convert-moe-to-loops"> {
  let summary = "lowers routing ops on memrefs to loops";
  let description = [{
    *Expects* the ops in their form on memrefs, *produces* `scf`, `memref` and
    arithmetic, and a `cf.assert` on the number of slots of a `moe.plan` where
    that is dynamic. *Fails when* an op is still on tensors, or a `moe.plan` has
    a rule instead of a capacity.
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect",
                           "::mlir::cf::ControlFlowDialect",
                           "::mlir::math::MathDialect",
                           "::mlir::memref::MemRefDialect",
                           "::mlir::scf::SCFDialect"];
}

def PackWeightsPass : Pass<"moe-pack-weights", "::mlir::ModuleOp"> {
  let summary = "chooses schedules of grouped matmuls and layouts of their banks";
  let description = [{
    Each `moe.grouped_matmul` whose banks are weights that nothing else reads gets
    a `#moe.cpu_schedule`, derived from a model of the processor, and its banks
    the layout `#moe.packed` that its kernel streams. Banks that are multiplied
    with the same rows share memory, step by step. The elements are copied into
    that layout once, when a module is loaded.

    *Expects* the grouped level on tensors.
  }];
  let options = [
    Option<"targetFeatures", "target-features", "std::string", /*default=*/"",
           "features of the processor, as LLVM names them: +avx2,+fma">,
    Option<"l1Ways", "target-l1-ways", "int64_t", /*default=*/"0",
           "ways of its first-level data cache; 0: as its features suggest">,
    Option<"l2Bytes", "target-l2-bytes", "int64_t", /*default=*/"0",
           "bytes of its second-level cache; 0: as its features suggest">
  ];
  let statistics = [
    Statistic<"numPacked", "packed", "weights packed">,
    Statistic<"numMissed", "missed", "grouped matmuls without packed banks">];
  let dependentDialects = ["::mlir::moe::MoEDialect"];
}

def QuantizeExpertsPass : Pass<"moe-quantize-experts", "::mlir::ModuleOp"> {
  let summary = "turns the matrices of experts into small integers";
  let description = [{
    Banks of matrices that nothing reads but the matmuls of `moe.experts` become
    `#moe.quantized`. Their weights are rounded when they are loaded; `stored`
    says which type they have in the checkpoint. A row of a matrix has one f32
    scale, or, with `group`, a bf16 scale for each run of so many columns.

    *Expects* the planned level. Banks that something else reads stay as they
    are, with a remark that says why.
  }];
  let options = [
    Option<"bits", "bits", "int64_t", /*default=*/"8", "4 or 8">,
    Option<"group", "group", "int64_t", /*default=*/"0",
           "columns that share a scale, a multiple of 8; 0: all of a row">,
    Option<"zeroPoints", "zero-points", "bool", /*default=*/"false",
           "give each scale a zero of its own, for values that are not "
           "symmetric around 0">
  ];
  let statistics = [
    Statistic<"numQuantized", "quantized", "weights that became integers">,
    Statistic<"numMissed", "missed", "weights of experts that did not">];
  let dependentDialects = ["::mlir::moe::MoEDialect"];
}

def ConvertMoEToVectorPass : Pass<"convert-moe-to-vector"> {
  let summary = "lowers grouped matmuls with a schedule to vector kernels";
  let description = [{
    Each `moe.grouped_matmul` becomes one parallel loop over ranges of equal
    cost, whose units are a panel of the banks times some rows of a group: all
    of them, if they are few. The sums of a block of rows and a panel stay in
    registers over all of K, and the body is applied to them before they are
    stored. With `targets`, threads share panels, each with all groups in their
    order, and, where panels cannot be shared evenly, the targets too. With
    `order = rows`, a row loop (`moe-fuse-row-loops`) does the same for each few
    rows, and the loop over panels has nothing to do, if there are enough rows.

    *Expects* memrefs, packed banks and a `#moe.cpu_schedule`. *Produces* `scf`,
    `memref`, `vector` and arithmetic.
  }];
  let options = [
    Option<"maxRanges", "max-ranges", "int64_t", /*default=*/"256",
           "most ranges that the work of one op is cut into">
  ];
  let statistics = [
    Statistic<"numKernels", "num-kernels", "grouped matmuls lowered">
  ];
  let dependentDialects = ["::mlir::LLVM::LLVMDialect",
                           "::mlir::arith::ArithDialect",
                           "::mlir::math::MathDialect",
                           "::mlir::memref::MemRefDialect",
                           "::mlir::scf::SCFDialect",
                           "::mlir::vector::VectorDialect"];
}

def ConvertMoEToReferencePass
    : Pass<"convert-moe-to-reference", "::mlir::ModuleOp"> {
  let summary = "lowers routing ops on memrefs to calls of the oracle";
  let description = [{
    Used by `moe-run --reference`: what routing means is then computed by the
    plain C++ of runtime/reference/, through the functions `moe_reference_*`
    of MoE/Runtime/Abi.h, instead of by generated code.

    *Expects* the ops in their form on memrefs; *produces*, besides the calls,
    a `cf.assert` on the number of slots of a `moe.plan` where that is dynamic.
    *Fails when* an op is still on tensors, or a `moe.plan` has a rule instead of
    a capacity.
  }];
  let dependentDialects = ["::mlir::LLVM::LLVMDialect",
                           "::mlir::arith::ArithDialect",
                           "::mlir::cf::ControlFlowDialect",
                           "::mlir::memref::MemRefDialect"];
}

def LowerBF16Pass : Pass<"moe-lower-bf16", "::mlir::ModuleOp"> {
  let summary = "moves bf16 as integers where the processor has no bf16";
  let description = [{
    In the LLVM dialect, bf16 becomes i16 in types and constants, unless
    `target-features` has avx512bf16. Nothing but moving is left of bf16 there:
    arithmetic is f32, and conversions are integer operations. What LLVM makes
    of moving vectors of bf16 where they are no type of the processor calls
    functions that Debian's libgcc lacks.
  }];
  let options = [
    Option<"targetFeatures", "target-features", "std::string", /*default=*/"",
           "features the processor has, as \"+avx2,+fma\"">
  ];
}

def RoundToBF16Pass : Pass<"moe-round-to-bf16"> {
  let summary = "rounds f32 to bf16 by integer arithmetic";
  let description = [{
    `arith.truncf` from f32 to bf16, of scalars and of vectors, becomes the same
    rounding (to nearest, ties to even; NaNs become quiet) on integers, which
    every processor has. Upstream's expansion ends in a select of bf16 values,
    which LLVM lowers to a library call where the processor has no bf16.
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect"];
}

def ScheduleContractionsPass : Pass<"moe-schedule-contractions"> {
  let summary = "orders the loops of contractions for the CPU";
  let description = [{
    Contractions on memrefs become `linalg.generic` whose innermost loop runs
    along contiguous memory of both operands, with the rows inside the columns
    so that a row of weights is read once per tile. Their sums may be
    reassociated (`fastmath<reassoc,contract>`): the specification leaves the order of
    summation open, and this lets LLVM vectorize it.
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect",
                           "::mlir::linalg::LinalgDialect"];
  let statistics = [
    Statistic<"numScheduled", "scheduled", "contractions scheduled">];
}

def BlockContractionsPass : Pass<"moe-block-contractions"> {
  let summary = "keeps blocks of the results of contractions in registers";
  let description = [{
    A contraction of f32 on memrefs whose result and second operand run along the
    same contiguous, static dimension becomes loops over blocks of rows, whose
    sums stay in vector registers while the reduction passes by: the sum of
    values weighted by attention is one. Each element is added up in the order of
    the reduction. What block fits follows from `target-features`.

    So does one whose second operand runs along the reduction, of a static number
    of elements: the scores of attention. Tiles of it are transposed into a buffer
    of at most 16 KB on the stack, which all rows share. Where that is fewer than
    8 rows, as for a single token, it remains a linalg operation.

    *Expects* memrefs. *Leaves alone* what has another form, more than 512 columns
    or a number of them that is no multiple of a vector, and a reduction over so
    many elements that a vector of columns does not fit the buffer (256 with
    AVX-512).
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect",
                           "::mlir::memref::MemRefDialect",
                           "::mlir::scf::SCFDialect",
                           "::mlir::vector::VectorDialect"];
  let options = [
    Option<"targetFeatures", "target-features", "std::string", /*default=*/"",
           "features of the processor, as LLVM names them: +avx2,+fma">];
  let statistics = [
    Statistic<"numBlocked", "blocked", "contractions blocked">];
}

def VectorizeReductionsPass : Pass<"moe-vectorize-reductions"> {
  let summary = "reduces rows to sums or maxima in vectors";
  let description = [{
    A linalg operation on memrefs that adds up, or takes the maximum of, something
    elementwise along the contiguous dimension of its operands becomes loops over
    everything else, with several vectors of partial results inside: the largest
    score and the sum of weights of attention, and the sum of squares of a norm.
    LLVM keeps such loops scalar, since it may not change the order of floats. The
    order depends on the length of a row and on `target-features`, not on threads.

    *Expects* memrefs. *Leaves alone* contractions, results that are not f32, more
    than one loop that reduces, and bodies that have no form on vectors.
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect",
                           "::mlir::memref::MemRefDialect",
                           "::mlir::scf::SCFDialect",
                           "::mlir::vector::VectorDialect"];
  let options = [
    Option<"targetFeatures", "target-features", "std::string", /*default=*/"",
           "features of the processor, as LLVM names them: +avx2,+fma">];
  let statistics = [
    Statistic<"numVectorized", "vectorized", "reductions vectorized">];
}

def ParallelizePass : Pass<"moe-parallelize"> {
  let summary = "splits large linalg operations over threads";
  let description = [{
    A linalg operation on memrefs whose outermost loop is parallel becomes an
    `scf.parallel` over chunks of that loop, and of the next one where it has too
    few iterations, as many as its work is worth: with little work there is one
    chunk, which runs without any synchronisation. Each element of a result is
    computed by one chunk in the same order whatever the number of threads, so
    results do not depend on it.

    *Expects* memrefs. *Leaves alone* operations whose outermost loop is a
    reduction.
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect",
                           "::mlir::linalg::LinalgDialect",
                           "::mlir::memref::MemRefDialect",
                           "::mlir::scf::SCFDialect"];
  let options = [
    Option<"grain", "grain", "int64_t", /*default=*/"131072",
           "loop iterations that make a chunk worth its while">,
    Option<"maxChunks", "max-chunks", "int64_t", /*default=*/"64",
           "the most chunks of one operation">];
  let statistics = [
    Statistic<"numParallelized", "parallelized", "operations split">];
}

def FuseRowLoopsPass : Pass<"moe-fuse-row-loops"> {
  let summary = "runs loops over the same rows as one";
  let description = [{
    Loops that `convert-moe-to-loops` and `convert-moe-to-vector` mark with
    `moe.row_loop` keep to their rows of the matrices that they write: the product
    with the router's matrix, score and top-k, and the rounding of rows. Where two
    follow each other, one loop does both for some rows at a time, which are then
    in a cache, and threads meet once less. A loop moves down to the next if
    nothing between them can tell the difference.

    *Leaves alone* loops over different rows, loops that share a vector which one
    of them writes, and loops inside of others.
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect",
                           "::mlir::scf::SCFDialect"];
  let statistics = [Statistic<"numFused", "fused", "loops that joined another">];
}

def HoistResultsPass : Pass<"moe-hoist-results", "::mlir::ModuleOp"> {
  let summary = "has callers provide the buffers of results";
  let description = [{
    A buffer that a private function returns goes: if it is an argument, callers
    use their own; if not, they allocate it and pass it as a new argument, in
    which the result is computed, or to which it is copied where the function
    does not allocate it itself. Callers compute its size from the arguments as
    the function did.

    *Expects* functions on memrefs, after bufferization. *Leaves alone* public
    functions, recursion, functions that are used other than by calls and results
    that are not dense. *Fails when* the size of a result depends on more than
    the arguments.
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect",
                           "::mlir::func::FuncDialect",
                           "::mlir::memref::MemRefDialect"];
  let statistics = [
    Statistic<"numDropped", "dropped", "results that are an argument">,
    Statistic<"numHoisted", "hoisted", "results that callers allocate">];
}

def LowerMemRefsPass : Pass<"moe-lower-memrefs"> {
  let summary = "lowers strided copies and reshapes into dynamic sizes";
  let description = [{
    A `memref.copy` becomes a `linalg.generic`: upstream's lowering of strided
    copies calls a support library. A `memref.expand_shape` of one dimension into
    more than one dynamic size, such as tokens into batch and sequence, becomes a
    `memref.reinterpret_cast` with the strides of the dense result: upstream's
    expansion of strided metadata handles one dynamic size only.

    *Leaves alone* all other reshapes. *Fails when* the source of such a reshape
    is not dense, or a copy is between memrefs of unknown rank, for which there is
    no loop nest.
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect",
                           "::mlir::linalg::LinalgDialect",
                           "::mlir::memref::MemRefDialect"];
}

def FoldBanksPass : Pass<"moe-fold-banks", "::mlir::ModuleOp"> {
  let summary = "turns views of weights into windows of checkpoint tensors";
  let description = [{
    A `moe.make_bank` of weights, or of slices of one stacked weight with equal
    distances, becomes a `moe.weight` of its own, whose sources are the windows
    that the slices are. A bank that is only read by `moe.transpose_bank` is
    declared transposed, wherever it is passed to; one that is also read as it is
    becomes two weights. Nothing is copied or computed for it: the loader reads
    elements where they lie.

    *Expects* the graph level. *Leaves alone* banks of other values. *Never
    fails.*
  }];
  let dependentDialects = ["::mlir::moe::MoEDialect"];
  let statistics = [
    Statistic<"numFolded", "folded", "banks that became weights">,
    Statistic<"numMade", "made", "banks of other values">,
    Statistic<"numTransposed", "transposed", "weights that are declared "
              "transposed">];
}

def GroupDensePass : Pass<"moe-group-dense", "::mlir::ModuleOp"> {
  let summary = "turns dense matmuls into grouped matmuls of one group";
  let description = [{
    A matrix that is a `moe.weight`, and that nothing reads but matmuls of rows
    with it or its transpose, becomes a bank of one expert, wherever it is passed
    to, and its matmuls `moe.grouped_matmul` without offsets: they get the packed
    layout and the kernels of experts. What a sum starts from becomes `elements`.
    A matrix that something else reads too, as a tied embedding, stays as it is.
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect",
                           "::mlir::moe::MoEDialect",
                           "::mlir::tensor::TensorDialect"];
  let statistics = [
    Statistic<"numGrouped", "grouped", "weights that became banks of one">,
    Statistic<"numMissed", "missed", "matrices that stayed as they are">];
}

def HoistAssertionsPass : Pass<"moe-hoist-assertions", "::mlir::ModuleOp"> {
  let summary = "checks assertions on entry";
  let description = [{
    Every `cf.assert` disappears from its function f and is checked by
    `@f.checks` instead, a function of the argument sizes and index values that
    returns the number of the first message that applies, 0 if none does. It
    includes the checks of callees. The C function of an entry calls it before
    it computes, so a failing assertion refuses the call instead of ending the
    process.

    *Expects* functions on memrefs, before memory planning. *Leaves alone*
    functions that were hoisted before. *Fails when* an assertion, or a call of a
    function with assertions, is in a loop or a branch, when a condition depends
    on data, and when a function with assertions calls itself or could run
    without its checks.
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect",
                           "::mlir::func::FuncDialect"];
  let statistics = [
    Statistic<"numHoisted", "hoisted", "assertions that are checked on entry">];
}

def PlanMemoryPass : Pass<"moe-plan-memory", "::mlir::ModuleOp"> {
  let summary = "places all allocations in one workspace per call";
  let description = [{
    Every `memref.alloc` becomes a view into a workspace that the caller
    provides; how many bytes it needs is a function of the argument sizes,
    `@NAME.workspace`. So an entry reserves its memory once, before it computes,
    and nothing fails afterwards. An allocation in a loop has one place that all
    iterations use.

    *Expects* functions without results of type memref, after bufferization, and
    no recursion. *Fails when* the size of an allocation is not bounded by
    values known at the function's entry.
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect",
                           "::mlir::func::FuncDialect",
                           "::mlir::memref::MemRefDialect"];
  let statistics = [
    Statistic<"numPlaced", "placed", "allocations placed in the workspace">];
}

def ConvertMoEToLLVMPass : Pass<"convert-moe-to-llvm", "::mlir::ModuleOp"> {
  let summary = "lowers weights and entries to the ABI";
  let description = [{
    Banks become tables of pointers, weights are read from the table that the
    runtime fills, and every entry gets a C function and a description in the
    module table (MoE/Runtime/Abi.h).

    *Expects* functions on memrefs after the hoisting of assertions and memory
    planning.
  }];
  let dependentDialects = ["::mlir::LLVM::LLVMDialect",
                           "::mlir::arith::ArithDialect",
                           "::mlir::func::FuncDialect",
                           "::mlir::memref::MemRefDialect"];
  let options = [
    Option<"targetCPU", "target-cpu", "std::string", /*default=*/"",
           "processor that the module is stamped for">,
    Option<"targetFeatures", "target-features", "std::string", /*default=*/"",
           "features that the processor must have">];
}

#endif // MOE_TRANSFORMS_PASSES

//===- Pipelines.cpp - The compilation pipeline
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "MoE/Transforms/Pipelines.h"
#include "MoE/Dialect/MoE/Transforms/Passes.h"
#include "MoE/Transforms/PassFailures.h"
#include "MoE/Transforms/Passes.h"
#include "mlir/Conversion/Passes.h"
#include "mlir/Dialect/Arith/Transforms/Passes.h"
#include "mlir/Dialect/Bufferization/Transforms/OneShotAnalysis.h"
#include "mlir/Dialect/Bufferization/Transforms/Passes.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Linalg/Passes.h"
#include "mlir/Dialect/MemRef/Transforms/Passes.h"
#include "mlir/Pass/PassRegistry.h"
#include "mlir/Transforms/Passes.h"
#include "llvm/ADT/StringSet.h"

using namespace mlir;
using namespace mlir::moe;

namespace {

/// Refuses operations that no later pass lowers, while users still know them.
struct CheckDialectsPass
    : public PassWrapper<CheckDialectsPass, OperationPass<ModuleOp>> {
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(CheckDialectsPass)

  StringRef getArgument() const override { return "moe-check-dialects"; }
  StringRef getDescription() const override {
    return "refuses operations that no later pass lowers";
  }
  void runOnOperation() override {
    static const llvm::StringSet<> lowered = {
        "affine", "arith", "bufferization", "builtin", "cf",  "func", "index",
        "linalg", "llvm",  "math",          "memref",  "moe", "scf",  "tensor",
        "ub",     "vector"};
    WalkResult result = getOperation().walk([](Operation *op) {
      if (lowered.contains(op->getName().getDialectNamespace()))
        return WalkResult::advance();
      op->emitOpError("is of a dialect that is not lowered here; expected "
                      "func, linalg, tensor, arith, math, scf, cf, index, "
                      "memref, vector and moe, so lower it to those first "
                      "[moe-compile-dialect]");
      return WalkResult::interrupt();
    });
    if (result.wasInterrupted())
      return signalPassFailure();
    markAllAnalysesPreserved();
  }
};

} // namespace

/// Upstream's canonicalization without a pattern that changes what a program
/// computes: where the condition of an scf.while hands on the result of an
/// scf.if twice, WhileMoveIfDown replaces both in the second region by what the
/// other branch yields.
static std::unique_ptr<Pass> createSimplifyPass() {
  return createCanonicalizerPass(GreedyRewriteConfig(),
                                 {"(anonymous namespace)::WhileMoveIfDown"});
}

/// Tensors become memrefs, in place wherever the analysis allows.
static void addBufferization(OpPassManager &pm) {
  pm.addPass(createBufferizeEntriesPass());
  pm.addNestedPass<func::FuncOp>(createAssignDestinationsPass());
  // Sizes are computed from what has them before a result's place replaces it:
  // the place has the size that is expected.
  pm.addPass(memref::createResolveRankedShapeTypeResultDimsPass());
  // Results are computed where they belong instead of copied there.
  pm.addPass(bufferization::createEmptyTensorEliminationPass());
  bufferization::OneShotBufferizePassOptions options;
  options.bufferizeFunctionBoundaries = true;
  options.functionBoundaryTypeConversion =
      bufferization::LayoutMapOption::IdentityLayoutMap;
  pm.addPass(bufferization::createOneShotBufferizePass(options));
  // Loops stop carrying buffers that they update in place; only then do results
  // that are arguments show as such.
  pm.addPass(createSimplifyPass());
  pm.addPass(createHoistResultsPass());
  // Copies of a buffer to itself fold only once the views agree.
  pm.addPass(createSimplifyPass());
  pm.addPass(createCSEPass());
  pm.addPass(memref::createFoldMemRefAliasOpsPass());
  pm.addPass(createSimplifyPass());
}

static void addQuantization(OpPassManager &pm, const CompileOptions &options) {
  ExpertQuantization wanted = options.getQuantization();
  if (wanted.format == ExpertFormat::Stored)
    return;
  QuantizeExpertsPassOptions quantize;
  quantize.bits = wanted.getBits();
  quantize.group = wanted.getGroup();
  quantize.zeroPoints = wanted.zeroPoints;
  pm.addPass(createQuantizeExpertsPass(quantize));
}

static void addLoweringToLLVM(OpPassManager &pm,
                              const CompileOptions &options) {
  pm.addNestedPass<func::FuncOp>(createConvertMoEToVectorPass());
  ExpandMathPassOptions expandMath;
  expandMath.library = options.reference;
  pm.addPass(createExpandMathPass(expandMath));
  if (options.reference) {
    pm.addPass(createConvertMoEToReferencePass());
  } else {
    pm.addNestedPass<func::FuncOp>(createConvertMoEToLoopsPass());
    pm.addNestedPass<func::FuncOp>(createFuseRowLoopsPass());
    pm.addNestedPass<func::FuncOp>(createScheduleContractionsPass());
    pm.addNestedPass<func::FuncOp>(createParallelizePass());
    BlockContractionsPassOptions block;
    block.targetFeatures = options.targetFeatures;
    pm.addNestedPass<func::FuncOp>(createBlockContractionsPass(block));
    VectorizeReductionsPassOptions vectorize;
    vectorize.targetFeatures = options.targetFeatures;
    pm.addNestedPass<func::FuncOp>(createVectorizeReductionsPass(vectorize));
    pm.addNestedPass<func::FuncOp>(createApproximateMathPass());
  }
  pm.addNestedPass<func::FuncOp>(createLowerMemRefsPass());
  pm.addNestedPass<func::FuncOp>(createConvertLinalgToLoopsPass());
  pm.addPass(createSimplifyPass());
  pm.addPass(createCSEPass());
  // A call either fails before it computes or not at all.
  pm.addPass(createHoistAssertionsPass());
  pm.addPass(createPlanMemoryPass());

  ConvertMoEToLLVMPassOptions toLLVM;
  toLLVM.targetCPU = options.targetCPU;
  toLLVM.targetFeatures = options.targetFeatures;
  pm.addPass(createConvertMoEToLLVMPass(toLLVM));
  // Where a pass allows it, threads share the functions.
  OpPassManager &structured = pm.nestAny();
  structured.addPass(memref::createExpandStridedMetadataPass());
  structured.addPass(createLowerAffinePass());
  structured.addPass(createSCFToControlFlowPass());
  // Arithmetic on bf16 is f32; bf16 <-> f32 without the library calls that
  // Debian's libgcc lacks.
  arith::ArithEmulateUnsupportedFloatsOptions emulate;
  emulate.sourceTypeStrs = {"bf16"};
  emulate.targetTypeStr = "f32";
  structured.addPass(arith::createArithEmulateUnsupportedFloats(emulate));
  structured.addPass(createRoundToBF16Pass());
  arith::ArithExpandOpsPassOptions expand;
  expand.includeBf16 = true;
  structured.addPass(arith::createArithExpandOpsPass(expand));
  structured.addPass(createConvertMathToLLVMPass());
  // Integer powers have functions of their own.
  pm.addPass(createConvertMathToFuncs());
  // Of vectors it calls the library for each element, which it extracts.
  pm.addPass(createConvertMathToLibmPass());
  pm.nestAny().addPass(createConvertVectorToLLVMPass());
  pm.addPass(createFinalizeMemRefToLLVMConversionPass());
  OpPassManager &scalar = pm.nestAny();
  scalar.addPass(createArithToLLVMConversionPass());
  scalar.addPass(createConvertIndexToLLVMPass());
  pm.addPass(createConvertControlFlowToLLVMPass());
  pm.addPass(createConvertFuncToLLVMPass());
  pm.nestAny().addPass(createReconcileUnrealizedCastsPass());
  LowerBF16PassOptions integers;
  integers.targetFeatures = options.targetFeatures;
  pm.addPass(createLowerBF16Pass(integers));
  OpPassManager &done = pm.nestAny();
  done.addPass(createSimplifyPass());
  done.addPass(createCSEPass());
}

void moe::buildCompilePipeline(OpPassManager &pm,
                               const CompileOptions &options) {
  pm.addPass(std::make_unique<CheckDialectsPass>());
  // graph: routing is explicit, weights are named, nothing is decided. No
  // common subexpressions on tensors: two uses of one filled tensor would
  // bufferize to a copy.
  pm.addPass(createSimplifyPass());
  pm.addPass(createVerifyLevelPass());
  if (options.stopAfter == Stage::Graph)
    return;

  // planned: every dispatch has a bound on its rows. Elementwise operations of
  // any dialect are linalg from here on, which is what is tiled and bufferized.
  pm.addPass(createConvertElementwiseToLinalgPass());
  pm.addPass(createFuseExpertsPass());
  pm.addNestedPass<func::FuncOp>(createNormalizeProductsPass());
  pm.addPass(createFoldBanksPass());
  addQuantization(pm, options);
  pm.addPass(createPlanCapacityPass());
  pm.addPass(createSimplifyPass());
  pm.addPass(createVerifyLevelPass());
  if (options.stopAfter == Stage::Planned)
    return;

  // grouped: loops over (group, row tile), no code per expert.
  if (!options.reference) {
    pm.addNestedPass<func::FuncOp>(createGroupMatmulsPass());
    pm.addPass(createGroupDensePass());
    pm.addPass(createFoldBanksPass());
    NarrowRowsPassOptions narrow;
    narrow.activations = options.activations;
    pm.addNestedPass<func::FuncOp>(createNarrowRowsPass(narrow));
    PackWeightsPassOptions pack;
    pack.targetFeatures = options.targetFeatures;
    pack.l1Ways = options.targetL1Ways;
    pack.l2Bytes = options.targetL2Bytes;
    pm.addPass(createPackWeightsPass(pack));
    pm.addNestedPass<func::FuncOp>(createFuseCombinePass());
    AccountFlopsPassOptions account;
    account.failAbove = options.failOnDensify;
    pm.addNestedPass<func::FuncOp>(createAccountFlopsPass(account));
  }
  TileExpertsPassOptions tile;
  tile.rowTile = options.reference ? 0 : options.rowTile.getValue();
  pm.addPass(createTileExpertsPass(tile));
  pm.addPass(createSimplifyPass());
  pm.addPass(createVerifyLevelPass());
  if (options.stopAfter == Stage::Grouped)
    return;

  // bufferized: memrefs, no copy of a cache or a weight.
  addBufferization(pm);
  pm.addPass(createVerifyLevelPass());
  if (options.stopAfter == Stage::Bufferized)
    return;

  addLoweringToLLVM(pm, options);
  pm.addPass(createVerifyLevelPass());
}

void moe::registerPipelines() {
  PassPipelineRegistration<CompileOptions>(
      "moe-compile", "Lowers a module from any level to the LLVM dialect",
      buildCompilePipeline);
}

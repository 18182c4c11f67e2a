//===- Pipelines.h - The compilation pipeline -*- C++ -*-
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef MOE_TRANSFORMS_PIPELINES_H
#define MOE_TRANSFORMS_PIPELINES_H

#include "MoE/Dialect/MoE/Transforms/Precision.h"
#include "MoE/Dialect/MoE/Transforms/RowTile.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Pass/PassOptions.h"
#include <string>

namespace mlir::moe {

/// The levels of IR, in order. Each can be printed, stopped at and run.
enum class Stage { Graph, Planned, Grouped, Bufferized, LLVM };

/// Options of --moe-compile.
struct CompileOptions : public PassPipelineOptions<CompileOptions> {
  Option<Stage> stopAfter{
      *this, "stop-after", llvm::cl::desc("the level to stop at"),
      llvm::cl::init(Stage::LLVM),
      llvm::cl::values(
          clEnumValN(Stage::Graph, "graph", "as imported, simplified"),
          clEnumValN(Stage::Planned, "planned", "capacities decided"),
          clEnumValN(Stage::Grouped, "grouped", "experts tiled by rows"),
          clEnumValN(Stage::Bufferized, "bufferized", "on memrefs"),
          clEnumValN(Stage::LLVM, "llvm", "the LLVM dialect"))};
  Option<int64_t> rowTile{*this, "row-tile",
                          llvm::cl::desc("most rows of a tile of an expert"),
                          llvm::cl::init(kDefaultRowTile)};
  Option<Activations> activations{
      *this, "activations",
      llvm::cl::desc("the narrowest type that rows of matmuls get"),
      llvm::cl::init(Activations::F32),
      llvm::cl::values(
          clEnumValN(Activations::F32, "f32", "as the graph has them"),
          clEnumValN(Activations::BF16, "bf16",
                     "bf16 where they meet bf16 weights"),
          clEnumValN(Activations::Int8, "int8",
                     "8-bit codes where they meet quantized weights, else as "
                     "bf16"),
          clEnumValN(Activations::Int8Grouped, "int8-grouped",
                     "as int8, with a scale for each run of columns that share "
                     "one of the weights"))};
  Option<ExpertFormat> quantizeExperts{
      *this, "quantize-experts",
      llvm::cl::desc("what the matrices of experts become when loaded"),
      llvm::cl::init(ExpertFormat::Stored),
      llvm::cl::values(
          clEnumValN(ExpertFormat::Stored, "none", "as they are stored"),
          clEnumValN(ExpertFormat::Int8, "int8", "codes of 8 bits"),
          clEnumValN(ExpertFormat::Int4, "int4", "codes of 4 bits"))};
  Option<int64_t> quantizeGroup{
      *this, "quantize-group",
      llvm::cl::desc("columns of a quantized matrix that share a scale; 0: all "
                     "of a row; -1: 0 for int8, 32 for int4"),
      llvm::cl::init(ExpertQuantization::kDefaultGroup)};
  Option<bool> quantizeZeroPoints{
      *this, "quantize-zero-points",
      llvm::cl::desc("each scale has a zero of its own"),
      llvm::cl::init(false)};
  ExpertQuantization getQuantization() const {
    return {quantizeExperts, quantizeGroup, quantizeZeroPoints};
  }
  Option<double> failOnDensify{
      *this, "fail-on-densify",
      llvm::cl::desc(
          "fail when a matmul does more than so many times the FLOPs "
          "it needs; 0: never"),
      llvm::cl::init(0)};
  Option<bool> reference{
      *this, "reference",
      llvm::cl::desc("routing by the oracle, experts whole and in plain order"),
      llvm::cl::init(false)};
  Option<std::string> targetCPU{
      *this, "target-cpu",
      llvm::cl::desc("processor to compile for; empty: none is stamped"),
      llvm::cl::init("")};
  Option<std::string> targetFeatures{
      *this, "target-features",
      llvm::cl::desc("features the processor must have"), llvm::cl::init("")};
  Option<int64_t> targetL1Ways{
      *this, "target-l1-ways",
      llvm::cl::desc("ways of its first-level data cache; 0: as its features "
                     "suggest"),
      llvm::cl::init(0)};
  Option<int64_t> targetL2Bytes{
      *this, "target-l2-bytes",
      llvm::cl::desc("bytes of its second-level cache; 0: as its features "
                     "suggest"),
      llvm::cl::init(0)};
};

/// Appends the passes from the graph level to `options.stopAfter`. Each pass
/// leaves IR alone that is past its level, so a module of any level will do.
void buildCompilePipeline(OpPassManager &pm, const CompileOptions &options);

/// Registers --moe-compile.
void registerPipelines();

} // namespace mlir::moe

#endif // MOE_TRANSFORMS_PIPELINES_H

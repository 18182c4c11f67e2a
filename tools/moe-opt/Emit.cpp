//===- Emit.cpp - Modules as files that other programs link
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Emit.h"
#include "MoE/Runtime/Abi.h"
#include "MoE/Target/Header.h"
#include "MoE/Target/Object.h"
#include "MoE/Transforms/PassFailures.h"
#include "MoE/Transforms/Pipelines.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/IR/MLIRContext.h"
#include "mlir/Parser/Parser.h"
#include "support/ExitCode.h"
#include "support/Outputs.h"
#include "support/StatusError.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/FileUtilities.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/Program.h"
#include "llvm/Support/SourceMgr.h"

using namespace llvm;
using namespace moe;

//===----------------------------------------------------------------------===//
// Options
//===----------------------------------------------------------------------===//

static bool isIdentifier(StringRef name) {
  return !name.empty() && !isDigit(name.front()) &&
         all_of(name, [](char c) { return isAlnum(c) || c == '_'; });
}

Error moe::checkEmitOptions(const EmitOptions &options) {
  if (!isIdentifier(options.name))
    return invalidInput("--module-name is '" + options.name +
                        "', expected a name that C allows; correct it "
                        "[moe-emit-name]");
  bool isText = options.kind == EmitKind::LLVM;
  if (!isText && (options.output.empty() || options.output == "-"))
    return invalidInput("--emit=obj and --emit=so write a file, but there is "
                        "no -o; name one [moe-emit-output]");
  return Error::success();
}

Error moe::makeDefectError() {
  return makeError(MOE_INTERNAL,
                   "the passes failed because of a defect of moe-mlir, as said "
                   "above; report it [moe-internal-passes]");
}

static Expected<mlir::moe::CPUTarget> chooseTarget(const std::string &cpu) {
  if (cpu.empty())
    return mlir::moe::CPUTarget::host();
  std::string error;
  auto target = mlir::moe::CPUTarget::get(cpu, error);
  if (!target)
    return invalidInput(error);
  return *target;
}

//===----------------------------------------------------------------------===//
// Compiling
//===----------------------------------------------------------------------===//

/// Lowers `module` to the LLVM dialect. False if a diagnostic said what failed.
static Expected<bool> compile(mlir::ModuleOp module, const EmitOptions &options,
                              const mlir::moe::CPUTarget &target) {
  mlir::moe::CompileOptions compileOptions;
  std::string complaints;
  raw_string_ostream os(complaints);
  if (failed(compileOptions.parseFromString(options.compileOptions, os)) ||
      compileOptions.stopAfter != mlir::moe::Stage::LLVM ||
      compileOptions.reference || !compileOptions.targetCPU.empty() ||
      !compileOptions.targetFeatures.empty())
    return invalidInput("--compile-options are '" + options.compileOptions +
                        "', expected options of --moe-compile other than "
                        "stop-after, reference, target-cpu and "
                        "target-features" +
                        (complaints.empty() ? "" : ": ") +
                        StringRef(complaints).trim() +
                        "; see moe-opt --help [moe-emit-options]");
  compileOptions.targetCPU = target.cpu;
  compileOptions.targetFeatures = target.features;
  if (compileOptions.targetL1Ways == 0)
    compileOptions.targetL1Ways = target.l1Ways;
  if (compileOptions.targetL2Bytes == 0)
    compileOptions.targetL2Bytes = target.l2Bytes;
  mlir::PassManager passes(module.getContext());
  std::atomic<bool> isDefect = false;
  passes.addInstrumentation(
      std::make_unique<mlir::moe::PassFailures>(isDefect));
  mlir::moe::buildCompilePipeline(passes, compileOptions);
  if (succeeded(passes.run(module)))
    return true;
  if (isDefect)
    return makeDefectError();
  return false;
}

/// Lets no other symbol of `module` have `name`.
static Error freeName(mlir::ModuleOp module, StringRef name) {
  mlir::SymbolTable symbols(module);
  mlir::Operation *other = symbols.lookup(name);
  if (!other)
    return Error::success();
  auto function = dyn_cast<mlir::LLVM::LLVMFuncOp>(other);
  bool isCalled = function && function.isExternal();
  if (isCalled || failed(symbols.renameToUnique(other, {})))
    return invalidInput("--module-name is '" + name +
                        "', expected another name than those of functions that "
                        "the module calls; choose another one "
                        "[moe-emit-name-taken]");
  return Error::success();
}

/// Gives the table its name and hides everything else, so that a program can
/// have several modules.
static Error nameTable(mlir::ModuleOp module, StringRef name) {
  auto table = module.lookupSymbol<mlir::LLVM::GlobalOp>(MOE_MODULE_SYMBOL);
  if (!table)
    return makeError(MOE_INVALID_DATA,
                     "expected a module with an entry, a public function on "
                     "tensors, but found none; make one public "
                     "[moe-emit-entry]");
  if (name != MOE_MODULE_SYMBOL)
    if (Error error = freeName(module, name))
      return error;
  table.setSymName(name);
  for (auto function : module.getOps<mlir::LLVM::LLVMFuncOp>())
    if (!function.isExternal())
      function.setLinkage(mlir::LLVM::Linkage::Internal);
  return Error::success();
}

//===----------------------------------------------------------------------===//
// Linking
//===----------------------------------------------------------------------===//

/// The runtime as an archive, where the build and the installation have it.
static std::string findRuntime() {
  static int anchor;
  SmallString<256> path(sys::fs::getMainExecutable(nullptr, &anchor));
  sys::path::remove_filename(path);
  sys::path::append(path, "..", "lib", "libmoe_rt.a");
  return path.str().str();
}

/// A C++ compiler, which knows how to link with its library; empty if there is
/// none.
static std::string findCompiler() {
  for (StringRef name : {"c++", "clang++", "clang++-22", "g++"}) {
    ErrorOr<std::string> found = sys::findProgramByName(name);
    if (found)
      return *found;
  }
  return "";
}

/// Links `object`, whose table is `name`, and the runtime into a library that
/// needs only the C++ library; returns its bytes.
static Expected<std::unique_ptr<MemoryBuffer>>
linkLibrary(const MemoryBuffer &object, const std::string &name) {
  auto refuse = [](const Twine &why) {
    return makeError(MOE_UNSUPPORTED,
                     "no shared library can be linked: " + why +
                         "; install what is missing, or link the object of "
                         "--emit=obj yourself [moe-emit-link]");
  };
  std::string linker = findCompiler();
  if (linker.empty())
    return refuse("there is no C++ compiler on PATH");
  std::string runtime = findRuntime();
  if (!sys::fs::exists(runtime))
    return refuse("there is no '" + runtime + "'");

  SmallString<128> objectPath, libraryPath, exports, messages;
  for (auto [suffix, path] : {std::pair("o", &objectPath),
                              {"so", &libraryPath},
                              {"map", &exports},
                              {"txt", &messages}})
    if (std::error_code code =
            sys::fs::createTemporaryFile("moe-emit", suffix, *path))
      return refuse("no temporary file can be made (" + code.message() + ")");
  FileRemover removers[] = {FileRemover(objectPath), FileRemover(libraryPath),
                            FileRemover(exports), FileRemover(messages)};
  if (Error error = writeText(objectPath, object.getBuffer()))
    return std::move(error);
  // The table and the C interface of the runtime.
  if (Error error =
          writeText(exports, "{ global: " + name + "; moe_*; local: *; };\n"))
    return std::move(error);
  std::string script = ("-Wl,--version-script=" + exports).str();
  StringRef arguments[] = {linker,     "-shared",
                           "-o",       libraryPath,
                           objectPath, "-Wl,--whole-archive",
                           runtime,    "-Wl,--no-whole-archive",
                           script,     "-pthread",
                           "-lm"};
  std::optional<StringRef> redirects[] = {StringRef(""), StringRef(messages),
                                          StringRef(messages)};
  constexpr unsigned seconds = 120;
  if (sys::ExecuteAndWait(linker, arguments, /*Env=*/std::nullopt, redirects,
                          seconds) != 0) {
    auto said = MemoryBuffer::getFile(messages);
    return refuse(linker + " failed" +
                  (said ? ": " + (*said)->getBuffer().trim().str() : ""));
  }
  auto library = MemoryBuffer::getFile(libraryPath);
  if (!library)
    return refuse("its file cannot be read");
  return std::move(*library);
}

//===----------------------------------------------------------------------===//
// All of it
//===----------------------------------------------------------------------===//

/// Writes the lowered `module`. False if a diagnostic said what failed.
static Expected<bool> writeModule(mlir::ModuleOp module,
                                  const EmitOptions &options,
                                  const mlir::moe::CPUTarget &target) {
  if (options.kind == EmitKind::LLVM) {
    std::optional<std::string> text = mlir::moe::emitLLVMIR(module, target);
    if (!text)
      return false;
    if (Error error = writeTextOrStdout(options.output, *text))
      return std::move(error);
    return true;
  }
  std::unique_ptr<MemoryBuffer> bytes = mlir::moe::emitObject(module, target);
  if (!bytes)
    return false;
  if (options.kind == EmitKind::SharedLibrary) {
    auto library = linkLibrary(*bytes, options.name);
    if (!library)
      return library.takeError();
    bytes = std::move(*library);
  }
  if (Error error = writeText(options.output, bytes->getBuffer()))
    return std::move(error);
  return true;
}

Expected<bool> moe::emitModule(StringRef text, const EmitOptions &options,
                               const mlir::DialectRegistry &registry,
                               mlir::moe::Report *report) {
  Expected<mlir::moe::CPUTarget> target = chooseTarget(options.targetCPU);
  if (!target)
    return target.takeError();
  mlir::MLIRContext context(registry);
  context.printOpOnDiagnostic(false);
  if (report)
    report->collectFrom(context);
  SourceMgr sources;
  sources.AddNewSourceBuffer(MemoryBuffer::getMemBuffer(text, "<module>"),
                             SMLoc());
  mlir::SourceMgrDiagnosticHandler diagnostics(sources, &context);
  auto module = mlir::parseSourceString<mlir::ModuleOp>(text, &context);
  if (!module)
    return false;
  if (!module->getOps<mlir::LLVM::LLVMFuncOp>().empty())
    return makeError(MOE_INVALID_DATA,
                     "expected a module above the LLVM dialect, which --emit "
                     "compiles for its target; leave passes that lower to it "
                     "out [moe-emit-level]");
  std::string header = mlir::moe::emitHeader(*module, options.name);
  Expected<bool> compiled = compile(*module, options, *target);
  if (!compiled || !*compiled)
    return compiled;
  if (Error error = nameTable(*module, options.name))
    return std::move(error);
  Expected<bool> written = writeModule(*module, options, *target);
  if (!written || !*written)
    return written;
  if (!options.header.empty())
    if (Error error = writeText(options.header, header))
      return std::move(error);
  return true;
}

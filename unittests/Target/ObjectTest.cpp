//===- ObjectTest.cpp - Tests of the way to machine code ------------------===//
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "MoE/Target/Object.h"
#include "MoE/InitAllDialects.h"
#include "mlir/IR/Diagnostics.h"
#include "mlir/Parser/Parser.h"
#include "llvm/Object/ObjectFile.h"
#include "llvm/TargetParser/Host.h"
#include <gtest/gtest.h>

using namespace mlir;
using namespace mlir::moe;

namespace {

constexpr char kAdd[] = R"mlir(
  llvm.func @add(%a: i64, %b: i64) -> i64 {
    %0 = llvm.add %a, %b : i64
    llvm.return %0 : i64
  }
)mlir";

// What only the module sees: a function and a variable.
constexpr char kLocals[] = R"mlir(
  llvm.mlir.global internal @count(7 : i64) : i64
  llvm.func internal @next(%a: i64) -> i64 attributes {no_inline} {
    %p = llvm.mlir.addressof @count : !llvm.ptr
    %c = llvm.load %p : !llvm.ptr -> i64
    %0 = llvm.add %a, %c : i64
    llvm.store %0, %p : i64, !llvm.ptr
    llvm.return %0 : i64
  }
  llvm.func @first(%a: i64) -> i64 {
    %0 = llvm.call @next(%a) : (i64) -> i64
    llvm.return %0 : i64
  }
  llvm.func @second(%a: i64) -> i64 {
    %0 = llvm.call @next(%a) : (i64) -> i64
    llvm.return %0 : i64
  }
)mlir";

constexpr char kNotLowered[] = R"mlir(
  func.func @id(%a: i64) -> i64 {
    return %a : i64
  }
)mlir";

/// Parses modules and keeps the errors that compiling them emits.
class ObjectTest : public testing::Test {
protected:
  ObjectTest()
      : context(makeRegistry()), handler(&context, [this](Diagnostic &error) {
          errors.push_back(error.str());
        }) {}

  std::unique_ptr<llvm::MemoryBuffer> emit(StringRef text,
                                           const CPUTarget &target) {
    module = parseSourceString<ModuleOp>(text, &context);
    if (!module) {
      ADD_FAILURE() << "the module could not be parsed";
      return nullptr;
    }
    return emitObject(*module, target);
  }

  Objects emitSome(StringRef text, const CPUTarget &target, unsigned most) {
    module = parseSourceString<ModuleOp>(text, &context);
    if (!module) {
      ADD_FAILURE() << "the module could not be parsed";
      return {};
    }
    return emitObjects(*module, target, most);
  }

  /// Expects no object and an error that ends in `tag`.
  void expectRefused(StringRef text, const CPUTarget &target, StringRef tag) {
    EXPECT_EQ(emit(text, target), nullptr);
    ASSERT_FALSE(errors.empty()) << "expected " << tag.str();
    EXPECT_TRUE(StringRef(errors.back()).ends_with(tag)) << errors.back();
  }

  std::vector<std::string> errors;

private:
  static DialectRegistry makeRegistry() {
    DialectRegistry registry;
    mlir::moe::registerAllDialects(registry);
    return registry;
  }

  MLIRContext context;
  ScopedDiagnosticHandler handler;
  OwningOpRef<ModuleOp> module;
};

/// The names of the symbols that an object defines.
std::vector<std::string> definedSymbols(const llvm::MemoryBuffer &buffer) {
  std::vector<std::string> names;
  auto object =
      llvm::object::ObjectFile::createObjectFile(buffer.getMemBufferRef());
  if (!object) {
    ADD_FAILURE() << llvm::toString(object.takeError());
    return names;
  }
  for (const llvm::object::SymbolRef &symbol : (*object)->symbols()) {
    llvm::Expected<uint32_t> flags = symbol.getFlags();
    llvm::Expected<StringRef> name = symbol.getName();
    if (!flags || !name) {
      ADD_FAILURE() << llvm::toString(flags.takeError())
                    << llvm::toString(name.takeError());
      return names;
    }
    if (!(*flags & llvm::object::SymbolRef::SF_Undefined))
      names.push_back(name->str());
  }
  return names;
}

TEST_F(ObjectTest, EmitsTheFunctionsOfAModule) {
  auto object = emit(kAdd, CPUTarget::host());
  ASSERT_TRUE(object);
  EXPECT_TRUE(errors.empty());
  EXPECT_TRUE(llvm::is_contained(definedSymbols(*object), "add"));
}

TEST_F(ObjectTest, EmitsForANamedProcessor) {
  std::string error;
  std::optional<CPUTarget> target = CPUTarget::get("haswell", error);
  ASSERT_TRUE(target) << error;
  EXPECT_NE(target->features.find("+avx2"), std::string::npos);
  EXPECT_EQ(target->features.find("+avx512f"), std::string::npos);
  EXPECT_TRUE(emit(kAdd, *target));
}

TEST_F(ObjectTest, NeedsNothingThatGeneratedCodeDoesNotUse) {
  // Virtual machines on such processors lack some of these.
  std::string error;
  std::optional<CPUTarget> target = CPUTarget::get("znver4", error);
  ASSERT_TRUE(target) << error;
  EXPECT_NE(target->features.find("+avx512vnni"), std::string::npos);
  for (const char *feature : {"+mwaitx", "+clzero", "+rdpru", "+wbnoinvd"})
    EXPECT_EQ(target->features.find(feature), std::string::npos) << feature;
}

TEST_F(ObjectTest, DoesNotUseWhatTheHostLacks) {
  CPUTarget host = CPUTarget::host();
  SmallVector<StringRef> features;
  StringRef(host.features).split(features, ',');
  for (const auto &feature : llvm::sys::getHostCPUFeatures())
    if (!feature.getValue())
      EXPECT_TRUE(llvm::is_contained(features, "-" + feature.getKey().str()))
          << feature.getKey().str();
}

TEST_F(ObjectTest, SameModuleSameBytes) {
  auto first = emit(kAdd, CPUTarget::host());
  auto second = emit(kAdd, CPUTarget::host());
  ASSERT_TRUE(first && second);
  EXPECT_EQ(first->getBuffer(), second->getBuffer());
}

TEST_F(ObjectTest, SeveralObjectsDefineEverythingOnce) {
  for (unsigned most : {1, 2, 3, 64}) {
    SCOPED_TRACE(most);
    Objects objects = emitSome(kLocals, CPUTarget::host(), most);
    EXPECT_EQ(objects.size(), std::min(most, 3u));
    std::vector<std::string> names;
    for (const std::unique_ptr<llvm::MemoryBuffer> &object : objects)
      llvm::append_range(names, definedSymbols(*object));
    for (const char *name : {"first", "second"})
      EXPECT_EQ(llvm::count(names, name), 1) << name;
    // A name that the C library may have is not taken from it.
    for (const char *name : {"next", "count"})
      EXPECT_EQ(llvm::count(names,
                            most == 1 ? name : "moe.part." + std::string(name)),
                1)
          << name;
  }
}

TEST_F(ObjectTest, SeveralObjectsOfAModuleThatIsNotLowered) {
  EXPECT_TRUE(emitSome(kNotLowered, CPUTarget::host(), 2).empty());
  ASSERT_FALSE(errors.empty());
  EXPECT_TRUE(StringRef(errors.back()).ends_with("[moe-target-translate]"));
}

TEST_F(ObjectTest, RefusesProcessorsWithoutThisCode) {
  // The last ones are known, but have no 64-bit instructions.
  for (StringRef cpu :
       {"nonsense", "", "haswell ", "x86_64", "i386", "pentium4"}) {
    std::string error;
    EXPECT_FALSE(CPUTarget::get(cpu, error)) << cpu.str();
    EXPECT_TRUE(StringRef(error).ends_with("[moe-target-cpu]")) << error;
    CPUTarget target = CPUTarget::host();
    target.cpu = cpu.str();
    expectRefused(kAdd, target, "[moe-target-cpu]");
  }
}

TEST_F(ObjectTest, RefusesTriplesWithoutACodeGenerator) {
  for (const char *triple : {"", "nonsense", "riscv64-unknown-linux-gnu"}) {
    CPUTarget target = CPUTarget::host();
    target.triple = triple;
    expectRefused(kAdd, target, "[moe-target-triple]");
  }
}

TEST_F(ObjectTest, RefusesModulesThatAreNotLowered) {
  expectRefused(kNotLowered, CPUTarget::host(), "[moe-target-translate]");
}

} // namespace

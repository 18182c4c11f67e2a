//===- Entry.cpp - Entries and tables of the ABI
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Entry.h"
#include "MoE/Runtime/Abi.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/ControlFlow/IR/ControlFlowOps.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"
#include "llvm/ADT/StringMap.h"

using namespace mlir;
using namespace mlir::moe;

//===----------------------------------------------------------------------===//
// Constant data
//===----------------------------------------------------------------------===//

namespace {

/// A constant: an integer, a null pointer, the address of a symbol, or an
/// aggregate of constants.
struct Constant {
  enum Kind { Integer, Null, Address, Struct, Array } kind;
  unsigned bits = 0;
  int64_t value = 0;
  std::string symbol;
  std::vector<Constant> elements;

  static Constant i8(int64_t value) { return {Integer, 8, value, {}, {}}; }
  static Constant i32(int64_t value) { return {Integer, 32, value, {}, {}}; }
  static Constant i64(int64_t value) { return {Integer, 64, value, {}, {}}; }
  static Constant null() { return {Null, 0, 0, {}, {}}; }
  static Constant address(StringRef symbol) {
    return {Address, 0, 0, symbol.str(), {}};
  }
  static Constant record(std::vector<Constant> elements) {
    return {Struct, 0, 0, {}, std::move(elements)};
  }
  static Constant array(std::vector<Constant> elements) {
    return {Array, 0, 0, {}, std::move(elements)};
  }
  /// MOE_MAX_RANK integers of 64 bits: `values`, then zeros.
  static Constant sizes(ArrayRef<int64_t> values) {
    std::vector<Constant> elements;
    for (size_t i = 0; i < MOE_MAX_RANK; ++i)
      elements.push_back(i64(i < values.size() ? values[i] : 0));
    return array(std::move(elements));
  }
};

/// Puts constants into the module.
class ConstantPool {
public:
  explicit ConstantPool(ModuleOp module)
      : module(module), context(module.getContext()),
        pointer(LLVM::LLVMPointerType::get(context)) {}

  /// A constant with the symbol `name`; returns its type.
  Type define(StringRef name, const Constant &constant,
              LLVM::Linkage linkage = LLVM::Linkage::Private) {
    OpBuilder builder = OpBuilder::atBlockEnd(module.getBody());
    Location loc = module.getLoc();
    Type type = typeOf(constant);
    auto global = LLVM::GlobalOp::create(builder, loc, type,
                                         /*isConstant=*/true, linkage, name,
                                         Attribute(), /*alignment=*/8);
    Block *block = builder.createBlock(&global.getInitializerRegion());
    builder.setInsertionPointToStart(block);
    LLVM::ReturnOp::create(builder, loc, emit(builder, constant));
    return type;
  }

  /// The address of a null-terminated string.
  Constant string(StringRef text) {
    auto [it, inserted] = strings.try_emplace(text, "");
    if (inserted) {
      it->second = "moe.string." + std::to_string(strings.size());
      OpBuilder builder = OpBuilder::atBlockEnd(module.getBody());
      std::string bytes = text.str() + '\0';
      auto type = LLVM::LLVMArrayType::get(builder.getI8Type(), bytes.size());
      LLVM::GlobalOp::create(builder, module.getLoc(), type, true,
                             LLVM::Linkage::Private, it->second,
                             builder.getStringAttr(bytes));
    }
    return Constant::address(it->second);
  }

  /// The address of a table; null if it is empty.
  Constant table(StringRef name, std::vector<Constant> elements) {
    if (elements.empty())
      return Constant::null();
    define(name, Constant::array(std::move(elements)));
    return Constant::address(name);
  }

private:
  Type typeOf(const Constant &constant) {
    switch (constant.kind) {
    case Constant::Integer:
      return IntegerType::get(context, constant.bits);
    case Constant::Null:
    case Constant::Address:
      return pointer;
    case Constant::Struct:
      return LLVM::LLVMStructType::getLiteral(
          context,
          llvm::map_to_vector(constant.elements,
                              [&](const Constant &c) { return typeOf(c); }));
    case Constant::Array:
      return LLVM::LLVMArrayType::get(typeOf(constant.elements.front()),
                                      constant.elements.size());
    }
    llvm_unreachable("all kinds are handled");
  }

  Value emit(OpBuilder &builder, const Constant &constant) {
    Location loc = module.getLoc();
    Type type = typeOf(constant);
    switch (constant.kind) {
    case Constant::Integer:
      return LLVM::ConstantOp::create(
          builder, loc, type, builder.getIntegerAttr(type, constant.value));
    case Constant::Null:
      return LLVM::ZeroOp::create(builder, loc, type);
    case Constant::Address:
      return LLVM::AddressOfOp::create(builder, loc, pointer, constant.symbol);
    case Constant::Struct:
    case Constant::Array: {
      Value aggregate = LLVM::UndefOp::create(builder, loc, type);
      for (auto [i, element] : llvm::enumerate(constant.elements))
        aggregate = LLVM::InsertValueOp::create(
            builder, loc, aggregate, emit(builder, element),
            ArrayRef<int64_t>{static_cast<int64_t>(i)});
      return aggregate;
    }
    }
    llvm_unreachable("all kinds are handled");
  }

  ModuleOp module;
  MLIRContext *context;
  Type pointer;
  llvm::StringMap<std::string> strings;
};

} // namespace

//===----------------------------------------------------------------------===//
// Description of an entry
//===----------------------------------------------------------------------===//

namespace {

/// Collects the symbols of an entry and describes its arguments with them.
class Signature {
public:
  Signature(func::FuncOp function, ConstantPool &pool)
      : function(function), pool(pool) {}

  /// An input or output of `type` with the attributes it had at graph level.
  FailureOr<Constant> describe(Type type, DictionaryAttr attributes,
                               StringRef role, unsigned index, bool isOutput) {
    auto shaped = dyn_cast<MemRefType>(type);
    Type element = shaped ? shaped.getElementType() : type;
    int32_t dtype = getDType(element);
    int64_t rank = shaped ? shaped.getRank() : 0;
    std::string name = (role + Twine(index)).str();
    if (auto attribute = attributes.getAs<StringAttr>(attr::kName))
      name = attribute.str();
    if (dtype == 0 || rank > MOE_MAX_RANK)
      return function.emitError("expected '")
             << name << "' to have a type of the ABI and at most "
             << MOE_MAX_RANK << " dimensions, but got " << type
             << " [moe-to-llvm-argument]";

    auto sizes = attributes.getAs<ArrayAttr>(attr::kShape);
    std::vector<Constant> dims;
    for (int64_t i = 0; i < MOE_MAX_RANK; ++i) {
      if (i >= rank) {
        dims.push_back(dimension(0, {}));
      } else if (!shaped.isDynamicDim(i)) {
        dims.push_back(dimension(shaped.getDimSize(i), {}));
      } else if (sizes) {
        SmallVector<StringRef> factors;
        cast<StringAttr>(sizes[i]).getValue().split(factors, '*');
        dims.push_back(dimension(1, factors));
      } else if (!isOutput) {
        std::string symbol = name + ".dim" + std::to_string(i);
        dims.push_back(dimension(1, StringRef(symbol)));
      } else {
        return function.emitError("expected 'moe.shape' on result '")
               << name
               << "', whose size is dynamic: callers allocate results "
                  "[moe-to-llvm-result-shape]";
      }
    }

    int64_t valueSymbol = -1;
    if (auto symbol = attributes.getAs<StringAttr>(attr::kSymbol))
      valueSymbol = lookup(symbol);
    int64_t tied = -1;
    if (auto attribute = attributes.getAs<IntegerAttr>(attr::kTied))
      tied = attribute.getInt();
    int64_t lower = 0, upper = 0;
    auto range = attributes.getAs<ArrayAttr>(attr::kRange);
    if (range) {
      lower = cast<IntegerAttr>(range[0]).getInt();
      upper = cast<IntegerAttr>(range[1]).getInt();
    }
    return Constant::record(
        {pool.string(name), Constant::i32(dtype), Constant::i32(rank),
         Constant::array(std::move(dims)), Constant::i32(valueSymbol),
         Constant::i32(tied), Constant::i32(range ? 1 : 0), Constant::i32(0),
         Constant::i64(lower), Constant::i64(upper)});
  }

  std::vector<Constant> describeLimits() {
    std::vector<Constant> limits;
    auto attribute = function->getAttrOfType<ArrayAttr>(attr::kLimits);
    if (!attribute)
      return limits;
    for (auto limit : attribute.getAsRange<ArrayAttr>()) {
      auto terms = cast<ArrayAttr>(limit[0]);
      std::vector<Constant> indices;
      for (size_t i = 0; i < 4; ++i)
        indices.push_back(Constant::i32(
            i < terms.size() ? lookup(cast<StringAttr>(terms[i])) : -1));
      auto symbol = dyn_cast<StringAttr>(limit[1]);
      auto bound = dyn_cast<IntegerAttr>(limit[1]);
      limits.push_back(Constant::record(
          {Constant::i32(terms.size()), Constant::array(std::move(indices)),
           Constant::i32(symbol ? lookup(symbol) : -1),
           Constant::i64(bound ? bound.getInt() : 0)}));
    }
    return limits;
  }

  std::vector<Constant> getSymbols() {
    std::vector<Constant> names;
    for (const std::string &symbol : symbols)
      names.push_back(pool.string(symbol));
    return names;
  }

private:
  int32_t lookup(StringRef symbol) {
    symbol = symbol.trim();
    auto *it = llvm::find(symbols, symbol);
    if (it == symbols.end()) {
      symbols.push_back(symbol.str());
      return symbols.size() - 1;
    }
    return it - symbols.begin();
  }

  Constant dimension(int64_t extent, ArrayRef<StringRef> factors) {
    std::vector<Constant> indices;
    for (size_t i = 0; i < 2; ++i)
      indices.push_back(
          Constant::i32(i < factors.size() ? lookup(factors[i]) : -1));
    return Constant::record(
        {Constant::i64(extent), Constant::array(std::move(indices))});
  }

  func::FuncOp function;
  ConstantPool &pool;
  SmallVector<std::string> symbols;
};

//===----------------------------------------------------------------------===//
// The C function of an entry
//===----------------------------------------------------------------------===//

/// The table of all entries.
constexpr StringLiteral kFunctions = "moe.functions";
/// The table of the messages of assertions, by number.
constexpr StringLiteral kMessageTable = "moe.messages";

/// int32_t moe_entry.NAME(moe_ctx *, const moe_tensor *in, size_t n_in,
///                        moe_tensor *out, size_t n_out)
class EntryFunction {
public:
  EntryFunction(ModuleOp module, func::FuncOp function, bool takesContext)
      : b(function.getLoc(), function), module(module), function(function),
        takesContext(takesContext),
        pointer(LLVM::LLVMPointerType::get(b.getContext())) {
    entry = function->getAttrOfType<DictionaryAttr>(attr::kEntry);
  }

  /// `description` is element `index` of the table `functions`.
  void emit(StringRef name, Type functionsType, int32_t index) {
    Type i64 = b.getI64Type(), i32 = b.getI32Type();
    auto wrapper = LLVM::LLVMFuncOp::create(
        b, name,
        LLVM::LLVMFunctionType::get(i32,
                                    {pointer, pointer, i64, pointer, i64}));
    Block *start = wrapper.addEntryBlock(b);
    Block *failed = b.createBlock(&wrapper.getBody(), wrapper.getBody().end(),
                                  i32, b.getLoc());
    LLVM::ReturnOp::create(b, failed->getArgument(0));

    b.setInsertionPointToStart(start);
    context = start->getArgument(0);
    Value table = LLVM::AddressOfOp::create(b, pointer, kFunctions);
    Value description = LLVM::GEPOp::create(b, pointer, functionsType, table,
                                            ArrayRef<LLVM::GEPArg>{0, index});
    SmallVector<Value> arguments = {context, description};
    llvm::append_range(arguments, start->getArguments().drop_front());
    Value status =
        callRuntime(b, b.getLoc(), module, "moe_rt_enter", i32, arguments);
    branchIf(arith::CmpIOp::create(b, arith::CmpIPredicate::ne, status,
                                   constant(i32, MOE_OK)),
             failed, status);

    SmallVector<Value> operands, sizes;
    loadArguments(start->getArgument(1), start->getArgument(3), operands,
                  sizes);
    if (auto checks = function->getAttrOfType<FlatSymbolRefAttr>(attr::kChecks))
      checkAssertions(checks, description, sizes, failed);
    if (auto size =
            function->getAttrOfType<FlatSymbolRefAttr>(attr::kWorkspace))
      operands.push_back(reserveWorkspace(size, sizes, failed));
    if (takesContext)
      operands.push_back(context);
    func::CallOp::create(b, function, operands);
    LLVM::ReturnOp::create(b, constant(i32, MOE_OK));
  }

private:
  Value constant(Type type, int64_t value) {
    return arith::ConstantOp::create(b, b.getIntegerAttr(type, value));
  }

  /// Goes to `target` with `values` if `condition`; continues otherwise.
  void branchIf(Value condition, Block *target, ValueRange values) {
    Block *next = b.createBlock(target->getParent());
    b.setInsertionPointToEnd(condition.getDefiningOp()->getBlock());
    cf::CondBranchOp::create(b, condition, target, values, next, ValueRange{});
    b.setInsertionPointToStart(next);
  }

  Type tensorType() {
    Type i32 = b.getI32Type();
    return LLVM::LLVMStructType::getLiteral(
        b.getContext(),
        {pointer, i32, i32,
         LLVM::LLVMArrayType::get(b.getI64Type(), MOE_MAX_RANK)});
  }

  /// Field `path` of the i-th moe_tensor of `array`.
  Value loadField(Value array, int32_t i, Type type,
                  ArrayRef<LLVM::GEPArg> path) {
    SmallVector<LLVM::GEPArg> indices = {i};
    llvm::append_range(indices, path);
    Value address =
        LLVM::GEPOp::create(b, pointer, tensorType(), array, indices);
    return LLVM::LoadOp::create(b, type, address);
  }

  /// The operands of the function from the arrays of moe_tensor, and their
  /// dynamic sizes and values in the order @f.workspace takes them.
  void loadArguments(Value in, Value out, SmallVectorImpl<Value> &operands,
                     SmallVectorImpl<Value> &sizes) {
    size_t numInputs = entry.getAs<ArrayAttr>("inputs").size();
    size_t numBuffers = function.getNumArguments() - (takesContext ? 1 : 0) -
                        (function->hasAttr(attr::kWorkspace) ? 1 : 0);
    for (size_t i = 0; i < numBuffers; ++i) {
      Value array = i < numInputs ? in : out;
      int32_t position = i < numInputs ? i : i - numInputs;
      Type type = function.getArgumentTypes()[i];
      Value data = loadField(array, position, pointer, {0});
      if (type.isIndex()) {
        Value value = LLVM::LoadOp::create(b, b.getI64Type(), data);
        operands.push_back(
            arith::IndexCastOp::create(b, b.getIndexType(), value));
        sizes.push_back(operands.back());
        continue;
      }
      auto memref = cast<MemRefType>(type);
      SmallVector<Value> dynamic;
      for (int32_t dim = 0; dim < memref.getRank(); ++dim)
        if (memref.isDynamicDim(dim)) {
          dynamic.push_back(
              loadField(array, position, b.getI64Type(), {3, dim}));
          sizes.push_back(
              arith::IndexCastOp::create(b, b.getIndexType(), dynamic.back()));
        }
      operands.push_back(createMemRef(b, b.getLoc(), memref, data, dynamic));
    }
  }

  /// Ends the call with the message that @f.checks chooses, if it does.
  void checkAssertions(FlatSymbolRefAttr checks, Value description,
                       ValueRange sizes, Block *failed) {
    Value number =
        func::CallOp::create(b, checks.getValue(), b.getIndexType(), sizes)
            .getResult(0);
    Value none = arith::ConstantIndexOp::create(b, 0);
    Value applies =
        arith::CmpIOp::create(b, arith::CmpIPredicate::ne, number, none);
    Block *refused = b.createBlock(failed->getParent());
    branchIf(applies, refused, {});

    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(refused);
    Value index = arith::IndexCastOp::create(b, b.getI64Type(), number);
    Value table = LLVM::AddressOfOp::create(b, pointer, kMessageTable);
    Value place = LLVM::GEPOp::create(b, pointer, pointer, table, index);
    Value message = LLVM::LoadOp::create(b, pointer, place);
    Value status = callRuntime(b, b.getLoc(), module, "moe_rt_refuse",
                               b.getI32Type(), {context, description, message});
    cf::BranchOp::create(b, failed, status);
  }

  Value reserveWorkspace(FlatSymbolRefAttr sizeFunction, ValueRange sizes,
                         Block *failed) {
    Value bytes = func::CallOp::create(b, sizeFunction.getValue(),
                                       b.getIndexType(), sizes)
                      .getResult(0);
    Value count = arith::IndexCastOp::create(b, b.getI64Type(), bytes);
    Value memory = callRuntime(b, b.getLoc(), module, "moe_rt_workspace",
                               pointer, {context, count});
    Value null = LLVM::ZeroOp::create(b, pointer);
    branchIf(LLVM::ICmpOp::create(b, LLVM::ICmpPredicate::eq, memory, null),
             failed, constant(b.getI32Type(), MOE_OUT_OF_MEMORY));
    auto type = MemRefType::get({ShapedType::kDynamic}, b.getI8Type());
    return createMemRef(b, b.getLoc(), type, memory, count);
  }

  ImplicitLocOpBuilder b;
  ModuleOp module;
  func::FuncOp function;
  bool takesContext;
  DictionaryAttr entry;
  Type pointer;
  Value context;
};

} // namespace

Value moe::callRuntime(OpBuilder &builder, Location loc, ModuleOp module,
                       StringRef name, Type result, ValueRange arguments) {
  auto function = module.lookupSymbol<LLVM::LLVMFuncOp>(name);
  if (!function) {
    OpBuilder::InsertionGuard guard(builder);
    builder.setInsertionPointToStart(module.getBody());
    function = LLVM::LLVMFuncOp::create(
        builder, loc, name,
        LLVM::LLVMFunctionType::get(result,
                                    llvm::to_vector(arguments.getTypes())));
  }
  auto call = LLVM::CallOp::create(builder, loc, function, arguments);
  return call.getNumResults() ? call.getResult() : Value();
}

//===----------------------------------------------------------------------===//
// The module table
//===----------------------------------------------------------------------===//

/// Where packed weights lie among those of the module; see moe_packing.
static Constant describePacking(WeightOp weight, int64_t index,
                                function_ref<int64_t(StringAttr)> indexOf) {
  auto bank = dyn_cast<BankType>(weight.getType());
  PackedAttr packed = bank ? bank.getPacked() : PackedAttr();
  if (!packed)
    return Constant::record({Constant::i32(0), Constant::i32(0),
                             Constant::i32(0), Constant::i32(0),
                             Constant::i64(0)});
  FlatSymbolRefAttr owner = weight.getBesideAttr();
  return Constant::record(
      {Constant::i32(packed.getPanel()), Constant::i32(packed.getDepth()),
       Constant::i32(packed.getWays()), Constant::i32(weight.getWay()),
       Constant::i64(owner ? indexOf(owner.getAttr()) : index)});
}

/// What becomes of the elements when they are bound; see moe_quantization.
static Constant describeQuantization(WeightOp weight) {
  auto bank = dyn_cast<BankType>(weight.getType());
  QuantizedAttr format = bank ? bank.getQuantized() : QuantizedAttr();
  if (!format)
    return Constant::record({Constant::i32(0), Constant::i32(0),
                             Constant::i64(0), Constant::i32(0),
                             Constant::i32(0)});
  static_assert(static_cast<int>(Codes::E2M1) == MOE_CODES_E2M1);
  return Constant::record(
      {Constant::i32(format.getBits()),
       Constant::i32(getDType(format.getScale())),
       Constant::i64(format.getGroupSize(bank.getSliceShape()[1])),
       Constant::i32(format.getZeroPoints() ? 1 : 0),
       Constant::i32(static_cast<int64_t>(format.getCodes()))});
}

/// Where codes come from that a checkpoint has; see moe_encoding.
static Constant describeEncoding(WeightOp weight,
                                 function_ref<int64_t(StringAttr)> indexOf) {
  EncodedAttr encoded = weight.getEncodedAttr();
  auto index = [&](FlatSymbolRefAttr part) {
    return Constant::i64(part ? indexOf(part.getAttr()) : -1);
  };
  auto places = [](ArrayRef<int64_t> order) {
    std::vector<Constant> codes;
    for (size_t i = 0; i < sizeof(moe_encoding::order); ++i)
      codes.push_back(Constant::i8(i < order.size() ? order[i] : 0));
    return Constant::array(std::move(codes));
  };
  if (!encoded)
    return Constant::record({Constant::i32(0), Constant::i32(0),
                             Constant::i64(0), Constant::i64(0),
                             Constant::i64(0), Constant::i64(0), places({})});
  return Constant::record(
      {Constant::i32(1), Constant::i32(encoded.getZeroOffset()),
       index(encoded.getCodes()), index(encoded.getScales()),
       index(encoded.getZeros()), index(encoded.getGroups()),
       places(encoded.getOrder() ? encoded.getOrder().asArrayRef()
                                 : ArrayRef<int64_t>{0, 1, 2, 3, 4, 5, 6, 7})});
}

static Constant describeWeight(ConstantPool &pool, WeightOp weight,
                               Constant packing, Constant encoding) {
  Type type = weight.getType();
  auto bank = dyn_cast<BankType>(type);
  ArrayRef<int64_t> shape =
      bank ? bank.getSliceShape() : cast<ShapedType>(type).getShape();

  unsigned numSources = weight.getSources().size();
  std::vector<Constant> sources;
  SmallVector<int64_t> strides;
  for (auto source : weight.getSources().getAsRange<SourceAttr>()) {
    // The verifier has shown that this succeeds.
    FailureOr<ResolvedSource> resolved = resolveSource(
        source, type, numSources, [&]() { return weight.emitOpError(); });
    sources.push_back(Constant::record(
        {pool.string(source.getTensor()),
         Constant::i32(resolved->fileShape.size()),
         Constant::i32(source.isPerExpert() ? 1 : 0),
         Constant::sizes(resolved->fileShape), Constant::i64(resolved->offset),
         Constant::i64(resolved->expertStride)}));
    strides = resolved->strides; // those of all sources are equal
  }
  Constant table =
      pool.table(("moe.sources." + weight.getSymName()).str(), sources);
  return Constant::record({pool.string(weight.getSymName()),
                           Constant::i32(getDType(weight.getStoredType())),
                           Constant::i32(shape.size()),
                           Constant::i64(bank ? bank.getNumExperts() : 0),
                           Constant::sizes(shape), Constant::sizes(strides),
                           Constant::i64(numSources), table, std::move(packing),
                           describeQuantization(weight), std::move(encoding)});
}

/// The table from which entries take the messages of assertions; number 0 is
/// none.
static void defineMessages(ModuleOp module, ConstantPool &pool) {
  auto messages = module->getAttrOfType<ArrayAttr>(attr::kMessages);
  if (!messages)
    return;
  std::vector<Constant> table = {Constant::null()};
  for (auto message : messages.getAsRange<StringAttr>())
    table.push_back(pool.string(message.getValue()));
  pool.define(kMessageTable, Constant::array(std::move(table)));
  module->removeAttr(attr::kMessages);
}

static FailureOr<Constant> describeFunction(ConstantPool &pool,
                                            func::FuncOp function,
                                            StringRef entryName) {
  auto entry = function->getAttrOfType<DictionaryAttr>(attr::kEntry);
  auto inputs = entry.getAs<ArrayAttr>("inputs");
  auto results = entry.getAs<ArrayAttr>("results");
  std::string name = function.getName().str();
  Signature signature(function, pool);
  std::vector<Constant> in, out;
  for (auto [i, attributes] : llvm::enumerate(inputs)) {
    FailureOr<Constant> argument =
        signature.describe(function.getArgumentTypes()[i],
                           cast<DictionaryAttr>(attributes), "arg", i, false);
    if (failed(argument))
      return failure();
    in.push_back(*argument);
  }
  size_t next = inputs.size();
  for (auto [i, attribute] : llvm::enumerate(results)) {
    auto attributes = cast<DictionaryAttr>(attribute);
    auto tied = attributes.getAs<IntegerAttr>(attr::kTied);
    Type type = function.getArgumentTypes()[tied ? tied.getInt() : next++];
    if (tied && !attributes.contains(attr::kShape)) {
      // The shape of a tied result is that of its argument.
      NamedAttrList list(attributes);
      if (auto shape =
              cast<DictionaryAttr>(inputs[tied.getInt()]).get(attr::kShape))
        list.set(attr::kShape, shape);
      attributes = list.getDictionary(function.getContext());
    }
    FailureOr<Constant> argument =
        signature.describe(type, attributes, "result", i, !tied);
    if (failed(argument))
      return failure();
    out.push_back(*argument);
  }
  std::vector<Constant> limits = signature.describeLimits();
  std::vector<Constant> symbols = signature.getSymbols();
  int64_t numIn = in.size(), numOut = out.size(), numSymbols = symbols.size(),
          numLimits = limits.size();
  return Constant::record(
      {pool.string(name), Constant::address(entryName),
       pool.table("moe.inputs." + name, std::move(in)),
       pool.table("moe.outputs." + name, std::move(out)),
       pool.table("moe.symbols." + name, std::move(symbols)),
       pool.table("moe.limits." + name, std::move(limits)),
       Constant::i64(numIn), Constant::i64(numOut), Constant::i64(numSymbols),
       Constant::i64(numLimits)});
}

LogicalResult moe::emitEntries(ModuleOp module, ArrayRef<WeightOp> weights,
                               const TargetStamp &stamp,
                               function_ref<bool(func::FuncOp)> takesContext) {
  SmallVector<func::FuncOp> entries;
  for (auto function : module.getOps<func::FuncOp>())
    if (function->hasAttr(attr::kEntry))
      entries.push_back(function);
  if (entries.empty())
    return success(); // a library of functions, or lowered before

  ConstantPool pool(module);
  auto nameOf = [](func::FuncOp function) {
    return ("moe_entry." + function.getName()).str();
  };
  std::vector<Constant> functions;
  for (func::FuncOp function : entries) {
    FailureOr<Constant> description =
        describeFunction(pool, function, nameOf(function));
    if (failed(description))
      return failure();
    functions.push_back(std::move(*description));
  }
  defineMessages(module, pool);
  int64_t numFunctions = functions.size();
  Type functionsType = pool.define(kFunctions, Constant::array(functions));
  for (auto [i, function] : llvm::enumerate(entries)) {
    EntryFunction(module, function, takesContext(function))
        .emit(nameOf(function), functionsType, i);
    function.setPrivate();
    function->removeAttr(attr::kEntry);
    function->removeAttr(attr::kLimits);
  }

  std::vector<Constant> table;
  auto indexOf = [&](StringAttr name) -> int64_t {
    return llvm::find_if(
               weights,
               [&](WeightOp w) { return w.getSymNameAttr() == name; }) -
           weights.begin();
  };
  for (auto [i, weight] : llvm::enumerate(weights))
    table.push_back(describeWeight(pool, weight,
                                   describePacking(weight, i, indexOf),
                                   describeEncoding(weight, indexOf)));
  int64_t numWeights = table.size();
  pool.define(MOE_MODULE_SYMBOL,
              Constant::record(
                  {Constant::i32(MOE_ABI_VERSION),
                   Constant::i32(sizeof(moe_module)), pool.string(stamp.cpu),
                   pool.string(stamp.features), Constant::address(kFunctions),
                   pool.table("moe.weights", std::move(table)),
                   Constant::i64(numFunctions), Constant::i64(numWeights)}),
              LLVM::Linkage::External);
  return success();
}

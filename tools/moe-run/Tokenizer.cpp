//===- Tokenizer.cpp - Text to token ids and back -------------------------===//
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Tokenizer.h"
#include "support/ExitCode.h"
#include "llvm/ADT/SmallString.h"
#include "llvm/ADT/Twine.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"
#include <map>
#include <nlohmann/json.hpp>
#include <sentencepiece_processor.h>

using namespace llvm;
using namespace moe;
using namespace moe::run;
using sentencepiece::SentencePieceProcessor;

/// The largest published ones have about 5 MB.
static constexpr uint64_t maxTokenizerBytes = uint64_t(64) << 20;

static constexpr StringLiteral modelFile = "tokenizer.model";
static constexpr StringLiteral addedFile = "added_tokens.json";
static constexpr StringLiteral configFile = "tokenizer_config.json";

struct Tokenizer::Impl {
  SentencePieceProcessor processor;
  /// Texts that are tokens, whatever is around them; the longest first.
  std::vector<std::pair<std::string, int64_t>> special;
  std::map<int64_t, std::string> added; ///< tokens that the model has not
  bool addsBeginOfText = true;

  void findControlTokens();
  Error readAdded(StringRef directory);
  Error readConfig(StringRef directory);
};

Tokenizer::Tokenizer(std::unique_ptr<Impl> impl) : impl(std::move(impl)) {}
Tokenizer::Tokenizer(Tokenizer &&) noexcept = default;
Tokenizer::~Tokenizer() = default;

//===----------------------------------------------------------------------===//
// Loading
//===----------------------------------------------------------------------===//

static std::string join(StringRef directory, StringRef file) {
  SmallString<128> path(directory);
  sys::path::append(path, file);
  return path.str().str();
}

bool Tokenizer::isIn(StringRef directory) {
  return sys::fs::exists(join(directory, modelFile));
}

static Error missingTokenizer(StringRef directory) {
  for (StringRef other :
       {"tokenizer.json", "vocab.json", "vocab.txt", "tekken.json"})
    if (sys::fs::exists(join(directory, other)))
      return makeError(MOE_UNSUPPORTED,
                       "'" + directory + "' has the tokenizer '" + other +
                           "', but only SentencePiece (tokenizer.model) can be "
                           "read; pass ids with --prompt-ids "
                           "[moe-run-tokenizer-kind]");
  return makeError(MOE_NOT_FOUND,
                   "'" + directory +
                       "' has no tokenizer.model; add it, or pass ids with "
                       "--prompt-ids [moe-run-tokenizer-missing]");
}

static Error unusableFile(moe_status status, StringRef path,
                          const Twine &reason) {
  return makeError(status,
                   "'" + path + "' cannot be used (" + reason +
                       "), expected a readable file of at most 64 MiB; replace "
                       "it [moe-run-tokenizer-file]");
}

static Expected<std::unique_ptr<MemoryBuffer>> readFile(StringRef path) {
  sys::fs::file_status status;
  if (std::error_code code = sys::fs::status(path, status))
    return unusableFile(statusOf(code), path, code.message());
  if (!sys::fs::is_regular_file(status))
    return unusableFile(MOE_INVALID_DATA, path, "not a file");
  if (status.getSize() > maxTokenizerBytes)
    return unusableFile(MOE_INVALID_DATA, path,
                        Twine(status.getSize()) + " bytes");
  auto buffer = MemoryBuffer::getFile(path, /*IsText=*/false,
                                      /*RequiresNullTerminator=*/false);
  if (std::error_code code = buffer.getError())
    return unusableFile(statusOf(code), path, code.message());
  return std::move(*buffer);
}

/// The tokenizer's answer to a file or a prompt.
static Error refused(StringRef what,
                     const sentencepiece::util::Status &status) {
  return makeError(MOE_INVALID_DATA,
                   "SentencePiece refuses " + what + " (" + status.message() +
                       "); replace it, or pass ids with --prompt-ids "
                       "[moe-run-tokenizer-invalid]");
}

/// Runs `body`. SentencePiece reports by status, but what it is made of may
/// throw.
template <typename Body> static sentencepiece::util::Status guarded(Body body) {
  using namespace sentencepiece::util;
  try {
    return body();
  } catch (const std::exception &exception) {
    return Status(StatusCode::kInternal, exception.what());
  }
}

Expected<Tokenizer> Tokenizer::load(StringRef directory) {
  if (!isIn(directory))
    return missingTokenizer(directory);
  std::string path = join(directory, modelFile);
  auto buffer = readFile(path);
  if (!buffer)
    return buffer.takeError();
  auto impl = std::make_unique<Impl>();
  StringRef bytes = (*buffer)->getBuffer();
  auto status = guarded([&] {
    return impl->processor.LoadFromSerializedProto(
        {bytes.data(), bytes.size()});
  });
  if (!status.ok())
    return refused("'" + path + "'", status);
  impl->findControlTokens();
  if (Error error = impl->readAdded(directory))
    return std::move(error);
  if (Error error = impl->readConfig(directory))
    return std::move(error);
  stable_sort(impl->special, [](const auto &a, const auto &b) {
    return a.first.size() > b.first.size();
  });
  return Tokenizer(std::move(impl));
}

void Tokenizer::Impl::findControlTokens() {
  for (int id = 0, size = processor.GetPieceSize(); id < size; ++id)
    if (processor.IsControl(id))
      special.emplace_back(processor.IdToPiece(id), id);
}

/// The object in a file that need not be there; null where it is not.
static Expected<nlohmann::json> readObject(StringRef directory,
                                           StringRef file) {
  std::string path = join(directory, file);
  if (!sys::fs::exists(path))
    return nlohmann::json();
  auto buffer = readFile(path);
  if (!buffer)
    return buffer.takeError();
  StringRef text = (*buffer)->getBuffer();
  auto json = nlohmann::json::parse(text.begin(), text.end(), nullptr,
                                    /*allow_exceptions=*/false);
  if (!json.is_object())
    return unusableFile(MOE_INVALID_DATA, path, "no JSON object");
  return json;
}

/// {"<|im_end|>": 32000, ...}
Error Tokenizer::Impl::readAdded(StringRef directory) {
  Expected<nlohmann::json> tokens = readObject(directory, addedFile);
  if (!tokens)
    return tokens.takeError();
  for (const auto &[text, id] : tokens->items()) {
    if (!id.is_number_integer() || id.get<int64_t>() < 0 || text.empty())
      return unusableFile(MOE_INVALID_DATA, join(directory, addedFile),
                          "a token that is no text with an id");
    special.emplace_back(text, id.get<int64_t>());
    if (id.get<int64_t>() >= processor.GetPieceSize())
      added[id.get<int64_t>()] = text;
  }
  return Error::success();
}

Error Tokenizer::Impl::readConfig(StringRef directory) {
  Expected<nlohmann::json> config = readObject(directory, configFile);
  if (!config)
    return config.takeError();
  auto adds = config->find("add_bos_token");
  if (adds != config->end() && adds->is_boolean())
    addsBeginOfText = adds->get<bool>();
  return Error::success();
}

//===----------------------------------------------------------------------===//
// Use
//===----------------------------------------------------------------------===//

Expected<std::vector<int64_t>> Tokenizer::encode(StringRef text) const {
  std::vector<int64_t> all;
  auto encodePart = [&](StringRef part) {
    std::vector<int> ids;
    auto status = guarded([&] {
      return impl->processor.Encode({part.data(), part.size()}, &ids);
    });
    all.insert(all.end(), ids.begin(), ids.end());
    return status;
  };
  size_t begin = 0;
  for (size_t at = 0; at < text.size();) {
    auto token = find_if(impl->special, [&](const auto &candidate) {
      return text.substr(at).starts_with(candidate.first);
    });
    if (token == impl->special.end()) {
      ++at;
      continue;
    }
    if (auto status = encodePart(text.slice(begin, at)); !status.ok())
      return refused("the prompt", status);
    all.push_back(token->second);
    begin = at += token->first.size();
  }
  if (auto status = encodePart(text.substr(begin)); !status.ok())
    return refused("the prompt", status);
  return all;
}

bool Tokenizer::addsBeginOfText() const { return impl->addsBeginOfText; }

int64_t Tokenizer::size() const { return impl->processor.GetPieceSize(); }

std::string Tokenizer::decode(ArrayRef<int64_t> ids) const {
  // Pieces instead of ids, because an id out of range ends the library's
  // decoding; a piece it does not know is passed on as it is.
  std::vector<std::string> pieces;
  for (int64_t id : ids) {
    auto added = impl->added.find(id);
    if (id >= 0 && id < size())
      pieces.push_back(impl->processor.IdToPiece(int(id)));
    else
      pieces.push_back(added == impl->added.end() ? "\uFFFD" : added->second);
  }
  std::string text;
  auto status = guarded([&] { return impl->processor.Decode(pieces, &text); });
  status.IgnoreError(); // what was decoded before is still the best answer
  return text;
}

std::optional<int64_t> Tokenizer::getBeginOfText() const {
  int id = impl->processor.bos_id();
  return id < 0 ? std::nullopt : std::optional<int64_t>(id);
}

std::optional<char> Tokenizer::getByte(int64_t id) const {
  if (id < 0 || id >= size() || !impl->processor.IsByte(int(id)))
    return std::nullopt;
  // "<0xE2>"
  unsigned byte;
  StringRef piece = impl->processor.IdToPiece(int(id));
  if (!piece.consume_front("<0x") || !piece.consume_back(">") ||
      piece.getAsInteger(16, byte) || byte > 0xFF)
    return std::nullopt;
  return char(byte);
}

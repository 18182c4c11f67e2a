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
#include <sentencepiece_processor.h>

using namespace llvm;
using namespace moe;
using namespace moe::run;
using sentencepiece::SentencePieceProcessor;

/// The largest published ones have about 5 MB.
static constexpr uint64_t maxTokenizerBytes = uint64_t(64) << 20;

static constexpr StringLiteral modelFile = "tokenizer.model";

struct Tokenizer::Impl {
  SentencePieceProcessor processor;
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

static Expected<std::unique_ptr<MemoryBuffer>> readModel(StringRef path) {
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
  auto buffer = readModel(path);
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
  return Tokenizer(std::move(impl));
}

//===----------------------------------------------------------------------===//
// Use
//===----------------------------------------------------------------------===//

Expected<std::vector<int64_t>> Tokenizer::encode(StringRef text) const {
  std::vector<int> ids;
  auto status = guarded(
      [&] { return impl->processor.Encode({text.data(), text.size()}, &ids); });
  if (!status.ok())
    return refused("the prompt", status);
  return std::vector<int64_t>(ids.begin(), ids.end());
}

int64_t Tokenizer::size() const { return impl->processor.GetPieceSize(); }

std::string Tokenizer::decode(ArrayRef<int64_t> ids) const {
  // Pieces instead of ids, because an id out of range ends the library's
  // decoding; a piece it does not know is passed on as it is.
  std::vector<std::string> pieces;
  for (int64_t id : ids)
    pieces.push_back(id >= 0 && id < size() ? impl->processor.IdToPiece(int(id))
                                            : std::string("\uFFFD"));
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

//===- Outputs.cpp - Files that the tools write ---------------------------===//
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "support/Outputs.h"
#include "moe_rt/file.h"
#include "moe_rt/safetensors.h"
#include "support/ExitCode.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/Twine.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/raw_ostream.h"

using namespace llvm;
using namespace moe;

//===----------------------------------------------------------------------===//
// Checks
//===----------------------------------------------------------------------===//

/// A device or pipe cannot be replaced by a file, and need not be.
static bool isStream(StringRef path) {
  sys::fs::file_status status;
  return !sys::fs::status(path, status) && sys::fs::exists(status) &&
         !sys::fs::is_regular_file(status) && !sys::fs::is_directory(status);
}

static bool isSame(const std::string &path, StringRef other) {
  return moe_file_is_same(path.c_str(), other.str().c_str());
}

static Error checkTarget(const Output &output) {
  moe_error error = {};
  if ((output.isText && isStream(output.path)) ||
      moe_file_check_target(output.path.c_str(), &error) == MOE_OK)
    return Error::success();
  return makeError(error);
}

/// A file that the shell opened for the tool.
static Error checkStreams(const Output &output) {
  struct Stream {
    StringLiteral path, name;
  };
  static constexpr Stream streams[] = {
      {"/dev/fd/0", "stdin"}, {"/dev/fd/1", "stdout"}, {"/dev/fd/2", "stderr"}};
  for (const Stream &stream : streams)
    if (isSame(output.path, stream.path))
      return invalidInput(Twine(output.option) + " names '" + output.path +
                          "', which is " + stream.name +
                          ", expected a file of its own; choose another name "
                          "[moe-output-stream]");
  return Error::success();
}

static Error checkInputs(const Output &output, ArrayRef<std::string> inputs) {
  for (const std::string &input : inputs)
    if (isSame(output.path, input))
      return invalidInput(Twine(output.option) + " would overwrite '" + input +
                          "', which is read; choose another name "
                          "[moe-output-input]");
  return Error::success();
}

static Error checkOthers(const Output &output, ArrayRef<Output> others) {
  for (const Output &other : others)
    if (isSame(output.path, other.path))
      return invalidInput(Twine(other.option) + " and " + output.option +
                          " both name '" + output.path +
                          "', expected a file each; choose another name "
                          "[moe-output-twice]");
  return Error::success();
}

Error moe::checkOutputs(ArrayRef<Output> outputs,
                        ArrayRef<std::string> inputs) {
  std::vector<Output> seen;
  for (const Output &output : outputs) {
    if (output.path.empty() || output.path == "-")
      continue;
    if (Error error = checkStreams(output))
      return error;
    if (Error error = checkTarget(output))
      return error;
    if (Error error = checkInputs(output, inputs))
      return error;
    if (Error error = checkOthers(output, seen))
      return error;
    seen.push_back(output);
  }
  return Error::success();
}

std::vector<std::string> moe::listCheckpointFiles(StringRef path) {
  if (!sys::fs::is_directory(path))
    return {path.str()};
  moe_checkpoint *checkpoint = nullptr;
  if (moe_checkpoint_open(path.str().c_str(), /*headers_only=*/1, &checkpoint,
                          nullptr) != MOE_OK)
    return {};
  std::vector<std::string> files = {
      (path + "/model.safetensors.index.json").str()};
  for (size_t i = 0, e = moe_checkpoint_size(checkpoint); i < e; ++i) {
    StringRef file = moe_checkpoint_at(checkpoint, i)->file;
    if (!is_contained(files, file))
      files.push_back(file.str());
  }
  moe_checkpoint_close(checkpoint);
  return files;
}

//===----------------------------------------------------------------------===//
// Text
//===----------------------------------------------------------------------===//

static Error writeToStream(StringRef path, StringRef text) {
  int descriptor;
  std::error_code code =
      sys::fs::openFileForWrite(path, descriptor, sys::fs::CD_OpenExisting);
  if (!code) {
    raw_fd_ostream os(descriptor, /*shouldClose=*/true);
    os << text;
    os.close();
    code = os.error();
    os.clear_error();
  }
  if (!code)
    return Error::success();
  return makeError(MOE_IO_ERROR, "'" + path + "' cannot be written (" +
                                     code.message() +
                                     "); choose another place or make room "
                                     "[moe-output-write]");
}

Error moe::writeText(StringRef path, StringRef text) {
  if (isStream(path))
    return writeToStream(path, text);
  moe_error error = {};
  if (moe_file_write(path.str().c_str(), text.data(), text.size(), &error) !=
      MOE_OK)
    return makeError(error);
  return Error::success();
}

Error moe::writeTextOrStdout(StringRef path, StringRef text) {
  if (path != "-")
    return writeText(path, text);
  outs() << text;
  return flushStdout();
}

Error moe::flushStdout() {
  outs().flush();
  std::error_code code = outs().error();
  if (!code)
    return Error::success();
  outs().clear_error();
  return makeError(MOE_IO_ERROR,
                   "stdout cannot be written (" + code.message() +
                       "); make room or write elsewhere [moe-output-stdout]");
}

//===- Support.h - What the tests of libMoE share -*- C++ -*-
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef MOE_UNITTESTS_CAPI_SUPPORT_H
#define MOE_UNITTESTS_CAPI_SUPPORT_H

#include "moe-c/Model.h"
#include <gtest/gtest.h>
#include <memory>
#include <string>
#include <vector>

extern "C" moe_model_options default_options(void); // HeaderTest.c

namespace moe::test {

/// A file with that text, until the object dies.
class TextFile {
public:
  explicit TextFile(const std::string &text);
  ~TextFile();
  const char *path() const { return name.c_str(); }

private:
  std::string name;
};

struct CloseModel {
  void operator()(moe_model *model) const { moe_model_close(model); }
};
using ModelPtr = std::unique_ptr<moe_model, CloseModel>;

/// The opened model, or a failed test and null.
ModelPtr open(const char *path, const moe_model_options &options);
/// The opened module.
ModelPtr openText(const std::string &text,
                  const moe_model_options &options = default_options());

/// Expects opening to fail with that status and tag, "[moe-...]".
void expectRefused(const char *path, const moe_model_options *options,
                   int32_t status, const std::string &tag);

/// Expects a failure with that status and a message that ends in that tag.
void expectError(const moe_error &error, int32_t status,
                 const std::string &tag);

/// A dense tensor over `data`.
moe_tensor tensorOf(void *data, int32_t dtype, std::vector<int64_t> shape);

/// y = x + x, and a sum that grows by 1 in place. No weights.
extern const char *const statefulModule;
/// y = w, a weight of 4 elements.
extern const char *const weightModule;

} // namespace moe::test

#endif // MOE_UNITTESTS_CAPI_SUPPORT_H

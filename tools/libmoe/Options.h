//===- Options.h - Options as a C caller passes them -*- C++ -*-
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef MOE_TOOLS_LIBMOE_OPTIONS_H
#define MOE_TOOLS_LIBMOE_OPTIONS_H

#include "moe-c/Model.h"
#include "session/Session.h"

namespace moe::capi {

/// Checks `options` (null: the defaults) and copies them to `read`. The caller
/// may be older or newer than this library (moe_rt/options.h).
int32_t readOptions(const moe_model_options *options, SessionOptions &read,
                    moe_error *error);

} // namespace moe::capi

#endif // MOE_TOOLS_LIBMOE_OPTIONS_H

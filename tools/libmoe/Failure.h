//===- Failure.h - How libMoE reports -*- C++ -*-
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef MOE_TOOLS_LIBMOE_FAILURE_H
#define MOE_TOOLS_LIBMOE_FAILURE_H

#include "moe_rt/error.h"
#include <string>

namespace moe::capi {

/// Reports what compiler or runtime said. Diagnostics of MLIR lose their source
/// lines and notes; a text that is too long loses its middle, never its tag; a
/// text of MLIR's own, without a tag, gets one.
int32_t report(moe_error *error, int32_t status, const std::string &message);

} // namespace moe::capi

#endif // MOE_TOOLS_LIBMOE_FAILURE_H

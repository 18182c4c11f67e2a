//===- Reference.h - The oracle as compiled code calls it -*- C++ -*-
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef MOE_TOOLS_SESSION_REFERENCE_H
#define MOE_TOOLS_SESSION_REFERENCE_H

#include "moe_rt/error.h"

namespace moe {

/// The first failure of the oracle on this thread since the last call of this
/// function; its status is MOE_OK when there was none.
moe_error takeReferenceFailure();

} // namespace moe

#endif // MOE_TOOLS_SESSION_REFERENCE_H

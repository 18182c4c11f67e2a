//===- ReadProbe.h - How fast memory can be read -------------- -*- C++ -*-===//
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef MOE_BENCHMARKS_READPROBE_H
#define MOE_BENCHMARKS_READPROBE_H

#include "Pages.h"
#include "Team.h"

namespace moe::bench {

/// Reads memory in one linear stream per thread, going on in a buffer where the
/// last measurement ended, so that no cache has what is read.
class ReadProbe {
public:
  /// `bufferBytes` should be several times the last cache.
  static llvm::Expected<ReadProbe> create(Team &team, int64_t bufferBytes);
  /// Reads `bytes`, rounded up to a line per thread. 10^9 bytes per second.
  double measure(int64_t bytes);

private:
  /// The part of the buffer that one thread reads.
  struct Stream {
    int64_t begin, end, next;
    void read(const char *buffer, int64_t bytes);
  };

  explicit ReadProbe(Team &team) : team(team) {}

  Team &team;
  Pages buffer;
  std::vector<Stream> streams;
};

} // namespace moe::bench

#endif // MOE_BENCHMARKS_READPROBE_H

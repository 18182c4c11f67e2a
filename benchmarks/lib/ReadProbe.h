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

/// Memory that begins at a line of the cache.
using Span = llvm::ArrayRef<char>;

/// Reads memory in one linear stream per thread, going on where the last
/// measurement ended, so that no cache has what is read if there is several
/// times as much as the last one holds.
class ReadProbe {
public:
  /// Reads the whole lines of `spans`, which outlive the probe; of each, every
  /// thread has a part, or all if there are too few. What is measured with the
  /// probe is best measured on the same memory: one part of a virtual machine's
  /// can be twice as fast as another.
  static ReadProbe ofMemory(Team &team, llvm::ArrayRef<Span> spans);
  /// Reads memory of its own.
  static llvm::Expected<ReadProbe> ofBuffer(Team &team, int64_t bytes);
  /// Reads `bytes`, rounded up to a line per thread. 10^9 bytes per second.
  double measure(int64_t bytes);

private:
  /// What one thread reads: parts of all spans, again and again.
  class Stream {
  public:
    void add(Span part) { parts.push_back(part); }
    void read(int64_t bytes);

  private:
    llvm::SmallVector<Span> parts;
    size_t current = 0; ///< part
    int64_t next = 0;   ///< byte in it
  };

  explicit ReadProbe(Team &team) : team(team), streams(team.size()) {}

  Team &team;
  Pages buffer;
  std::vector<Stream> streams;
};

} // namespace moe::bench

#endif // MOE_BENCHMARKS_READPROBE_H

//===- ReadProbe.cpp - How fast memory can be read ------------------------===//
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ReadProbe.h"
#include "llvm/Support/MathExtras.h"
#include <algorithm>
#include <cstring>

using namespace llvm;
using namespace moe::bench;

static constexpr int64_t lineBytes = 64;

/// A line of a cache, as one value.
using Line = uint64_t __attribute__((vector_size(lineBytes)));

/// Uses every byte of `lines` lines; several sums, so that none is waited for.
static void readLines(const char *at, int64_t lines) {
  const auto *line = reinterpret_cast<const Line *>(at);
  Line sums[4] = {};
  int64_t i = 0;
  for (; i + 4 <= lines; i += 4)
    for (int64_t j = 0; j < 4; ++j)
      sums[j] ^= line[i + j];
  for (; i < lines; ++i)
    sums[0] ^= line[i];
  __asm__ volatile("" : : "m"(sums)); // the sums are needed
}

void ReadProbe::Stream::read(int64_t bytes) {
  while (bytes > 0 && !parts.empty()) {
    Span part = parts[current];
    int64_t piece = std::min<int64_t>(bytes, part.size() - next);
    readLines(part.data() + next, piece / lineBytes);
    bytes -= piece;
    next += piece;
    if (next == int64_t(part.size())) {
      current = (current + 1) % parts.size();
      next = 0;
    }
  }
}

ReadProbe ReadProbe::ofMemory(Team &team, ArrayRef<Span> spans) {
  ReadProbe probe(team);
  int64_t threads = team.size();
  for (Span span : spans) {
    int64_t lines = int64_t(span.size()) / lineBytes;
    for (int64_t i = 0; i < threads; ++i) {
      int64_t first = lines * i / threads, end = lines * (i + 1) / threads;
      if (lines < threads)
        first = 0, end = lines;
      if (first < end)
        probe.streams[i].add(
            span.slice(first * lineBytes, (end - first) * lineBytes));
    }
  }
  return probe;
}

Expected<ReadProbe> ReadProbe::ofBuffer(Team &team, int64_t bytes) {
  int64_t share =
      divideCeil(std::max<int64_t>(bytes, 1), lineBytes * team.size()) *
      lineBytes;
  Expected<Pages> buffer = Pages::allocate(share * team.size());
  if (!buffer)
    return buffer.takeError();
  // Pages exist when written. Who reads them writes them first, so that they
  // are near.
  team.run(
      [&](int32_t i) { std::memset(buffer->data() + i * share, 1, share); });
  ReadProbe probe =
      ofMemory(team, Span(buffer->data(), size_t(share * team.size())));
  probe.buffer = std::move(*buffer);
  return probe;
}

double ReadProbe::measure(int64_t bytes) {
  int64_t share = divideCeil(bytes, lineBytes * team.size()) * lineBytes;
  double seconds = team.run([&](int32_t i) { streams[i].read(share); });
  return double(share * team.size()) / seconds / 1e9;
}

// The one rule for where chunks begin and end (SPEC "Chunks").
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>

#include "formats/imp/writer.h"

namespace imp::artifact {

/// Calls fn(offset, size) for each chunk in order; stops when it returns false.
/// REQUIRES: extents sorted and disjoint.
template <class Fn>
void for_each_chunk(std::span<const PayloadExtent> extents, Fn&& fn) {
  uint64_t pool_start = 0;  // the open chunk of small extents is [pool_start, pool_end)
  uint64_t pool_end = 0;
  const auto close_pool = [&] {
    const bool go_on = pool_start == pool_end || fn(pool_start, pool_end - pool_start);
    pool_start = pool_end = 0;
    return go_on;
  };
  for (const PayloadExtent& e : extents) {
    if (e.size_bytes == 0) continue;
    if (e.size_bytes >= kSmallComponentBytes) {
      if (!close_pool()) return;
      for (uint64_t done = 0; done < e.size_bytes; done += kChunkBytes)
        if (!fn(e.offset_bytes + done, std::min(kChunkBytes, e.size_bytes - done))) return;
      continue;
    }
    const bool joins = pool_start != pool_end && e.offset_bytes - pool_end < kPoolAlignmentBytes &&
                       e.offset_bytes + e.size_bytes - pool_start <= kChunkBytes;
    if (!joins) {
      if (!close_pool()) return;
      pool_start = e.offset_bytes;
    }
    pool_end = e.offset_bytes + e.size_bytes;
  }
  close_pool();
}

/// The same for the exceptions section: chunks start at its start, whatever lies in it.
template <class Fn>
void for_each_exceptions_chunk(uint64_t offset_bytes, uint64_t size_bytes, Fn&& fn) {
  for (uint64_t done = 0; done < size_bytes; done += kChunkBytes)
    if (!fn(offset_bytes + done, std::min(kChunkBytes, size_bytes - done))) return;
}

}  // namespace imp::artifact

// Time a call takes: each contender is a captured graph of calls over its pool; a round replays the
// graphs of all contenders one after the other, so that clocks and heat are the same for all; the
// median over rounds counts.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "kernels/cuda/runtime.h"
#include "src/base/result.h"

namespace imp::bench {

struct Contender {
  std::string name;
  /// Put call number `call` on the stream: launches only.
  std::function<Status(uint64_t call, cuda::StreamHandle stream)> enqueue;
  /// Calls in the graph, at least once round the pool.
  uint64_t calls = 1;
  /// Put on the stream before the last replay, outside the timed part; may be empty. The gate marks
  /// outputs here, so that it sees what the last replay wrote.
  std::function<Status(cuda::StreamHandle stream)> before_last;
};

/// Calls that a graph needs so that each slot is used equally often and the start of a graph, one
/// to two us, is a small part.
uint64_t graph_calls(uint64_t slots, uint64_t least);

double median(std::vector<double> values);

/// us a call of each contender. The first of a round is preceded by an untimed replay of the last
/// contender: the host then runs ahead of the device, and no launch is waited for.
/// REQUIRES: at least one contender; replays > 0.
Result<std::vector<double>> time_contenders(const std::vector<Contender>& contenders,
                                            uint64_t replays, const cuda::Stream& stream);

}  // namespace imp::bench

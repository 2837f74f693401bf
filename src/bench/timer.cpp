#include "src/bench/timer.h"

#include <algorithm>

#include "src/base/checked.h"
#include "src/base/interrupt.h"

namespace imp::bench {
namespace {

constexpr uint64_t kWarmRounds = 2;

Result<cuda::Graph> capture(const Contender& contender, const cuda::Stream& stream) {
  IMP_TRY(cuda::Graph::begin(stream.handle()));
  Status status;
  for (uint64_t call = 0; call < contender.calls && status.ok(); ++call)
    status = contender.enqueue(call, stream.handle());
  // A capture that was begun must be ended, also after an error.
  Result<cuda::Graph> graph = cuda::Graph::end(stream.handle());
  IMP_TRY(status);
  return graph;
}

/// Round of replays; us of each graph.
Result<std::vector<double>> run_round(const std::vector<Contender>& contenders,
                                      const std::vector<cuda::Graph>& graphs,
                                      const std::vector<cuda::Event>& events, bool last,
                                      const cuda::Stream& stream) {
  IMP_TRY(graphs.back().replay(stream.handle()));
  for (size_t i = 0; i < graphs.size(); ++i) {
    if (last && contenders[i].before_last) IMP_TRY(contenders[i].before_last(stream.handle()));
    IMP_TRY(events[2 * i].record(stream.handle()));
    IMP_TRY(graphs[i].replay(stream.handle()));
    IMP_TRY(events[2 * i + 1].record(stream.handle()));
  }
  IMP_TRY(stream.synchronize());
  std::vector<double> us;
  for (size_t i = 0; i < graphs.size(); ++i) {
    IMP_ASSIGN(const float ms, events[2 * i + 1].elapsed_ms(events[2 * i]));
    us.push_back(1e3 * static_cast<double>(ms) / static_cast<double>(contenders[i].calls));
  }
  return us;
}

}  // namespace

uint64_t graph_calls(uint64_t slots, uint64_t least) {
  return std::max<uint64_t>(1, div_up(least, slots)) * slots;
}

double median(std::vector<double> values) {
  if (values.empty()) return 0;
  std::sort(values.begin(), values.end());
  const size_t half = values.size() / 2;
  return values.size() % 2 != 0 ? values[half] : (values[half - 1] + values[half]) / 2;
}

Result<std::vector<double>> time_contenders(const std::vector<Contender>& contenders,
                                            uint64_t replays, const cuda::Stream& stream) {
  std::vector<cuda::Graph> graphs;
  std::vector<cuda::Event> events;
  for (const Contender& contender : contenders) {
    IMP_ASSIGN(cuda::Graph graph, capture(contender, stream));
    graphs.push_back(std::move(graph));
    for (int i = 0; i < 2; ++i) {
      IMP_ASSIGN(cuda::Event event, cuda::Event::create(true));
      events.push_back(std::move(event));
    }
  }
  std::vector<std::vector<double>> times(contenders.size());
  for (uint64_t round = 0; round < kWarmRounds + replays; ++round) {
    IMP_TRY(check_interrupted());
    const bool last = round + 1 == kWarmRounds + replays;
    IMP_ASSIGN(const std::vector<double> us, run_round(contenders, graphs, events, last, stream));
    if (round < kWarmRounds) continue;
    for (size_t i = 0; i < us.size(); ++i) times[i].push_back(us[i]);
  }
  std::vector<double> medians;
  medians.reserve(times.size());
  for (const std::vector<double>& t : times) medians.push_back(median(t));
  return medians;
}

}  // namespace imp::bench

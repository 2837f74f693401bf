#include "src/bench/repack_bench.h"

#include <algorithm>
#include <functional>
#include <memory>

#include "src/bench/repack_operations.h"
#include "src/bench/timer.h"

namespace imp::bench {
namespace {

using kernels::RepackPath;

constexpr uint64_t kLeastCalls = 24;
constexpr uint64_t kRowUnit = 128;  // rows at which every layout may be cut
constexpr uint64_t kCellBytes = 64;

/// One operation measured in both directions, with a copy of the same traffic beside it.
class Run {
 public:
  Run(const Operation& operation, const RepackPlanes& planes, const cuda::Stream& stream,
      uint64_t slots)
      : op_(operation), planes_(planes), stream_(stream), slots_(slots) {}

  Result<std::vector<RepackRow>> go(uint64_t replays) {
    IMP_ASSIGN(packed_, SlotPool::create(op_.packed_bytes, slots_));
    for (const PooledPlane* plane : op_.canonical) {
      IMP_ASSIGN(SlotPool out, SlotPool::create(plane->pool.slot_bytes(), slots_));
      back_.push_back(std::move(out));
    }
    IMP_ASSIGN(wrong_, cuda::DeviceBuffer::allocate(kCellBytes));
    IMP_TRY(cuda::fill(wrong_.data(), 0xFF, kCellBytes, stream_.handle()));
    const uint64_t half = (op_.canonical_bytes() + op_.packed_bytes) / 2;
    IMP_ASSIGN(from_, SlotPool::create(half, slots_));
    IMP_ASSIGN(to_, SlotPool::create(half, slots_));
    IMP_TRY(pack_all());
    IMP_ASSIGN(const std::vector<double> us, time_contenders(contenders(), replays, stream_));
    RepackRow row = empty_row("pack " + op_.layout);
    row.us = us[0];
    row.copy_us = us[2];
    IMP_TRY(judge(row));
    RepackRow inverse = row;
    inverse.operation = "unpack " + op_.layout;
    inverse.us = us[1];
    return std::vector<RepackRow>{row, inverse};
  }

 private:
  RepackRow empty_row(std::string name) const {
    RepackRow row;
    row.operation = std::move(name);
    row.rows = planes_.rows();
    row.k = planes_.k();
    row.traffic_bytes = op_.canonical_bytes() + op_.packed_bytes;
    return row;
  }

  Status pack_all() {
    for (uint64_t s = 0; s < slots_; ++s) IMP_TRY(op_.pack(s, packed_.slot(s), stream_.handle()));
    return stream_.synchronize();
  }

  Status unpack(uint64_t call, cuda::StreamHandle stream) const {
    std::vector<void*> out;
    for (const SlotPool& pool : back_) out.push_back(pool.slot(call));
    return op_.unpack(packed_.slot(call), out, wrong_.as<uint64_t>(), stream);
  }

  std::vector<Contender> contenders() const {
    const uint64_t calls = graph_calls(slots_, kLeastCalls);
    return {
        {"pack",
         [this](uint64_t call, cuda::StreamHandle stream) {
           return op_.pack(call, packed_.slot(call), stream);
         },
         calls,
         // What the last replay leaves is what is judged.
         [this](cuda::StreamHandle stream) {
           return cuda::fill(packed_.slot(0), 0xA5, op_.packed_bytes, stream);
         }},
        {"unpack",
         [this](uint64_t call, cuda::StreamHandle stream) { return unpack(call, stream); }, calls,
         [this](cuda::StreamHandle stream) -> Status {
           for (const SlotPool& pool : back_)
             IMP_TRY(cuda::fill(pool.slot(0), 0xA5, pool.slot_bytes(), stream));
           return {};
         }},
        {"copy",
         [this](uint64_t call, cuda::StreamHandle stream) {
           return cuda::copy_on_device(to_.slot(call), from_.slot(call), from_.slot_bytes(),
                                       stream);
         },
         calls,
         {}}};
  }

  /// Slot 0 went through pack and inverse in the last replay: the planes must be back.
  Status judge(RepackRow& row) const {
    uint64_t wrong = 0;
    IMP_TRY(cuda::copy_to_host(std::as_writable_bytes(std::span(&wrong, 1)), wrong_.data(),
                               stream_.handle()));
    row.good = true;
    row.check = "ok";
    for (size_t p = 0; p < op_.canonical.size(); ++p) {
      const Bytes want = op_.canonical[p]->host;
      std::vector<std::byte> got(want.size());
      IMP_TRY(cuda::copy_to_host(got, back_[p].slot(0), stream_.handle()));
      IMP_TRY(stream_.synchronize());
      const auto differ = std::mismatch(got.begin(), got.end(), want.begin());
      if (differ.first == got.end()) continue;
      row.good = false;
      row.check = "byte " + std::to_string(differ.first - got.begin()) + " of plane " +
                  std::to_string(p) + " does not come back";
    }
    if (wrong == kernels::kNothingWrong) return {};
    row.good = false;
    row.check = "the inverse finds place " + std::to_string(wrong) + " wrong";
    return {};
  }

  const Operation& op_;
  const RepackPlanes& planes_;
  const cuda::Stream& stream_;
  const uint64_t slots_;
  SlotPool packed_, from_, to_;
  std::vector<SlotPool> back_;
  cuda::DeviceBuffer wrong_;
};

Status run_size(uint64_t mib, const RepackOptions& options, const cuda::Stream& stream,
                RepackReport& report) {
  const uint64_t row_bytes = options.k / 2 + options.k / 16;
  const uint64_t rows = std::max(kRowUnit, (mib << 20) / row_bytes / kRowUnit * kRowUnit);
  RepackPlanes planes{CanonicalWeights::random({rows, options.k, 1}, 20261121), {}, {}, {}};
  const uint64_t pool_bytes =
      options.pool_bytes != 0 ? options.pool_bytes : cold_pool_bytes(report.device.l2_bytes);
  IMP_TRY(planes.fill(pool_bytes, stream));
  IMP_ASSIGN(const cuda::DeviceBuffer cells, cuda::DeviceBuffer::allocate(kCellBytes));
  IMP_TRY(cuda::fill(cells.data(), 0, kCellBytes, stream.handle()));
  const RepackPath path = options.path == "map" ? RepackPath::kMap : RepackPath::kWord;
  for (const Operation& operation : repack_operations(planes, path, cells.data())) {
    // Every plane's pool is cold; the packed one is with as many slots as the larger plane has.
    Run run(operation, planes, stream, operation.canonical.front()->pool.slots());
    IMP_ASSIGN(const std::vector<RepackRow> rows_of_it, run.go(options.replays));
    report.rows.insert(report.rows.end(), rows_of_it.begin(), rows_of_it.end());
  }
  return {};
}

}  // namespace

Result<RepackReport> run_repack(const RepackOptions& options, Log& log) {
  if (options.k < 16 || options.k % 16 != 0 || options.replays == 0)
    return Error{ErrorKind::kUsage, "K must be a multiple of 16, replays at least 1", "", ""};
  const std::vector<uint64_t> sizes =
      options.mib.empty() ? std::vector<uint64_t>{32, 64, 256} : options.mib;
  RepackReport report;
  report.path = options.path;
  report.replays = options.replays;
  IMP_ASSIGN(report.device, cuda::current_device());
  IMP_ASSIGN(const cuda::Stream stream, cuda::Stream::create());
  for (const uint64_t mib : sizes) {
    log.note(std::to_string(mib) + " MiB");
    IMP_TRY(run_size(mib, options, stream, report));
  }
  return report;
}

}  // namespace imp::bench

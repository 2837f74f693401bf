#include "src/bench/repack_bench.h"

#include <algorithm>
#include <functional>
#include <memory>

#include "kernels/repack/repack.h"
#include "src/base/checked.h"
#include "src/bench/pool.h"
#include "src/bench/timer.h"
#include "src/bench/weights.h"

namespace imp::bench {
namespace {

using kernels::RepackPath;

constexpr uint64_t kLeastCalls = 24;
constexpr uint64_t kRowUnit = 128;  // rows at which every layout may be cut
constexpr uint64_t kCellBytes = 64;

/// Canonical planes on the host, and pools of them on the device.
struct Planes {
  CanonicalWeights host;
  SlotPool codes;
  SlotPool scales;
  uint64_t rows() const { return host.shape.n; }
  uint64_t k() const { return host.shape.k; }
};

Status fill_pool(Bytes host, uint64_t slots, const cuda::Stream& stream, SlotPool& pool) {
  IMP_ASSIGN(pool, SlotPool::create(host.size(), slots));
  IMP_TRY(cuda::copy_to_device(pool.slot(0), host, stream.handle()));
  IMP_TRY(pool.copy_first_to_all(stream.handle()));
  return stream.synchronize();
}

/// What a layout takes, what it makes, and both directions.
struct Operation {
  std::string layout;
  std::vector<const SlotPool*> canonical;
  uint64_t packed_bytes = 0;
  std::function<Status(uint64_t call, void* packed, cuda::StreamHandle)> pack;
  std::function<Status(const void* packed, const std::vector<void*>& canonical, uint64_t* wrong,
                       cuda::StreamHandle)>
      unpack;
  uint64_t canonical_bytes() const {
    uint64_t bytes = 0;
    for (const SlotPool* pool : canonical) bytes += pool->slot_bytes();
    return bytes;
  }
};

Operation mma64(const Planes& planes, RepackPath path, std::byte* cells) {
  const uint64_t rows = planes.rows(), k = planes.k();
  // No scale is zero, so no group is lost and the list may be empty.
  const kernels::LostGroups lost{reinterpret_cast<kernels::LostGroup*>(cells + 16), 0,
                                 reinterpret_cast<uint64_t*>(cells)};
  return {"mma64",
          {&planes.codes, &planes.scales},
          kernels::mma64_nvfp4_packed_bytes(rows, k),
          [=, &planes](uint64_t call, void* packed, cuda::StreamHandle stream) {
            return kernels::pack_mma64_nvfp4(
                {planes.codes.slot(call), planes.scales.slot(call), rows, k}, path, packed, lost,
                stream);
          },
          [=](const void* packed, const std::vector<void*>& out, uint64_t* wrong,
              cuda::StreamHandle stream) {
            return kernels::unpack_mma64_nvfp4(packed, rows, k, path, out[0], out[1], wrong,
                                               stream);
          }};
}

Operation native_rows(const Planes& planes, RepackPath path) {
  const uint64_t rows = planes.rows(), k = planes.k();
  return {"native rows",
          {&planes.codes},
          rows * 16 * div_up(k, 32),
          [=, &planes](uint64_t call, void* packed, cuda::StreamHandle stream) {
            return kernels::pack_native_rows(planes.codes.slot(call), rows, k, path, packed,
                                             stream);
          },
          [=](const void* packed, const std::vector<void*>& out, uint64_t* wrong,
              cuda::StreamHandle stream) {
            return kernels::unpack_native_rows(packed, rows, k, path, out[0], wrong, stream);
          }};
}

Operation sf128x4(const Planes& planes, RepackPath path) {
  const uint64_t rows = planes.rows(), groups = planes.k() / 16;
  return {"sf128x4",
          {&planes.scales},
          div_up(rows, 128) * div_up(groups, 4) * 512,
          [=, &planes](uint64_t call, void* packed, cuda::StreamHandle stream) {
            return kernels::pack_sf128x4(planes.scales.slot(call), rows, groups, path, packed,
                                         stream);
          },
          [=](const void* packed, const std::vector<void*>& out, uint64_t* wrong,
              cuda::StreamHandle stream) {
            return kernels::unpack_sf128x4(packed, rows, groups, path, out[0], wrong, stream);
          }};
}

/// One operation measured in both directions, with a copy of the same traffic beside it.
class Run {
 public:
  Run(const Operation& operation, const Planes& planes, const cuda::Stream& stream, uint64_t slots)
      : op_(operation), planes_(planes), stream_(stream), slots_(slots) {}

  Result<std::vector<RepackRow>> go(uint64_t replays) {
    IMP_ASSIGN(packed_, SlotPool::create(op_.packed_bytes, slots_));
    for (const SlotPool* pool : op_.canonical) {
      IMP_ASSIGN(SlotPool out, SlotPool::create(pool->slot_bytes(), slots_));
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
      const std::vector<std::byte>& want =
          op_.canonical[p] == &planes_.codes ? planes_.host.codes : planes_.host.scales;
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
  const Planes& planes_;
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
  Planes planes{CanonicalWeights::random({rows, options.k, 1}, 20261121), {}, {}};
  // The pool of the smallest plane decides: each must be cold.
  const uint64_t pool_bytes =
      options.pool_bytes != 0 ? options.pool_bytes : cold_pool_bytes(report.device.l2_bytes);
  const uint64_t slots = pool_slots(planes.host.codes.size(), pool_bytes);
  const uint64_t scale_slots = pool_slots(planes.host.scales.size(), pool_bytes);
  IMP_TRY(fill_pool(planes.host.codes, slots, stream, planes.codes));
  IMP_TRY(fill_pool(planes.host.scales, scale_slots, stream, planes.scales));
  IMP_ASSIGN(const cuda::DeviceBuffer cells, cuda::DeviceBuffer::allocate(kCellBytes));
  IMP_TRY(cuda::fill(cells.data(), 0, kCellBytes, stream.handle()));
  const RepackPath path = options.path == "map" ? RepackPath::kMap : RepackPath::kWord;
  const Operation operations[] = {mma64(planes, path, cells.data()), native_rows(planes, path),
                                  sf128x4(planes, path)};
  for (const Operation& operation : operations) {
    const bool small = operation.canonical.front() == &planes.scales;
    Run run(operation, planes, stream, small ? scale_slots : slots);
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

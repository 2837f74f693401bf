#include "src/convert/stream.h"

#include <algorithm>

#include "src/base/interrupt.h"
#include "src/base/work_queue.h"
#include "src/convert/code_scan.h"

namespace imp::convert {
namespace {

using Handle = BufferPool::Handle;

constexpr uint64_t kLargeBytesInFlight = plan::kLargePlaneBytes;

class Streamer {
 public:
  Streamer(const SlabContext& context, uint64_t threads, ScaleScan& scan, Log& log)
      : context_(context),
        budget_(plan::stream_budget(threads)),
        scan_(scan),
        log_(log),
        hasher_(threads == 0 ? 0 : 1, plan::kHashQueueSlabs),
        queue_(threads, budget_.queue_slabs) {
    for (const model::SourceFile& file : context.model.source.files)
      total_bytes_ += file.handle.size_bytes();
    digests_.tensors.resize(context.model.source.tensors.size());
  }

  Result<StreamDigests> run() {
    uint32_t tensor = 0;
    for (uint32_t file = 0; file < context_.model.source.files.size(); ++file) {
      sha_ = Sha256Stream();
      uint64_t at = 0;
      for (; tensor < context_.model.source.tensors.size() &&
             context_.model.source.tensors[tensor].file == file;
           ++tensor) {
        IMP_TRY(hash_gap(file, at, context_.model.source.tensors[tensor].offset_bytes));
        IMP_TRY(stream_tensor(tensor));
        at = context_.model.source.tensors[tensor].offset_bytes +
             context_.model.source.tensors[tensor].size_bytes;
      }
      IMP_TRY(hash_gap(file, at, context_.model.source.files[file].handle.size_bytes()));
      IMP_TRY(hasher_.drain());
      digests_.files.push_back(sha_.finish());
    }
    IMP_TRY(queue_.drain());
    return std::move(digests_);
  }

 private:
  Result<Handle> read(uint32_t file, uint64_t offset, uint64_t size) {
    IMP_TRY(check_interrupted());
    Handle slab = context_.buffers.take(size);
    IMP_TRY(context_.model.source.files[file].handle.read_at(offset, slab->span()));
    // SHA-256 is the longest single job of a conversion and must go in file order: it has a worker
    // of its own, and one worker keeps the order.
    IMP_TRY(hasher_.push([this, slab]() -> Status {
      sha_.update(slab->span());
      return {};
    }));
    done_bytes_ += size;
    log_.progress(done_bytes_, total_bytes_);
    return slab;
  }

  /// Header bytes: hashed, and needed for nothing else.
  Status hash_gap(uint32_t file, uint64_t begin, uint64_t end) {
    while (begin < end) {
      const uint64_t size = std::min(budget_.slab_bytes, end - begin);
      IMP_ASSIGN(const Handle slab, read(file, begin, size));
      begin += size;
    }
    return {};
  }

  std::span<const plan::Step> steps_of(uint32_t tensor) {
    const auto& steps = context_.plan.steps;
    const size_t first = next_step_;
    while (next_step_ < steps.size() && steps[next_step_].tensor == tensor) ++next_step_;
    return std::span(steps).subspan(first, next_step_ - first);
  }

  Status push_writes(std::span<const plan::Step> steps, const Cut& cut, Slab place,
                     const Handle& bytes) {
    for (const plan::Step& step : steps) {
      if (step.writes.empty()) continue;
      IMP_TRY(queue_.push([this, &step, cut, place, bytes]() mutable {
        place.data = bytes->span();
        return write_slab(context_, step, cut, place);
      }));
    }
    // Planes that cannot be cut come whole: few of them may be in flight.
    large_bytes_ += bytes->size() > budget_.slab_bytes ? bytes->size() : 0;
    if (large_bytes_ < kLargeBytesInFlight) return {};
    large_bytes_ = 0;
    IMP_TRY(hasher_.drain());
    return queue_.drain();
  }

  ScaleUse scan_of(const plan::Step& step) const {
    const plan::Operand& operand = context_.plan.operands[step.operand];
    const auto in_mma64 = [](const plan::Form& f) { return f.layout == plan::LayoutId::kMma64; };
    return {step.operand,
            operand.scheme == model::Scheme::kMxfp4 &&
                std::any_of(operand.forms.begin(), operand.forms.end(), in_mma64),
            model::is_integer(operand.scheme)};
  }

  Status stream_tensor(uint32_t tensor) {
    const model::SourceTensor& t = context_.model.source.tensors[tensor];
    const auto steps = steps_of(tensor);
    if (steps.empty()) return hash_gap(t.file, t.offset_bytes, t.offset_bytes + t.size_bytes);
    const Cut cut = cut_for(t, context_.plan, steps);
    const uint64_t rows_per_slab =
        cut.slab_rows(cut.copied ? budget_.slab_bytes
                                 : std::min(budget_.slab_bytes, context_.packer.max_slab_bytes()));
    Xxh3Stream plane;
    for (uint64_t expert = 0; expert < cut.experts; ++expert)
      for (uint64_t row = 0; row < cut.rows; row += rows_per_slab) {
        const uint64_t rows = std::min(rows_per_slab, cut.rows - row);
        const uint64_t begin = expert * cut.expert_bytes + cut.bytes_before(row);
        const uint64_t size = cut.bytes_before(row + rows) - cut.bytes_before(row);
        IMP_ASSIGN(const Handle slab, read(t.file, t.offset_bytes + begin, size));
        plane.update(slab->span());
        if (steps[0].plane == model::ComponentKind::kBlockScale)
          IMP_TRY(scan_.scan(context_.model, tensor, scan_of(steps[0]), begin, slab->span()));
        if (steps[0].plane == model::ComponentKind::kCodes)
          IMP_TRY(check_codes(context_.model.source, tensor, steps[0].coding, begin, slab->span()));
        IMP_TRY(push_writes(steps, cut, {expert, row, rows, {}}, slab));
      }
    digests_.tensors[tensor] = plane.digest();
    return {};
  }

  const SlabContext& context_;
  const plan::StreamBudget budget_;
  ScaleScan& scan_;
  Log& log_;
  StreamDigests digests_;
  uint64_t large_bytes_ = 0;
  uint64_t done_bytes_ = 0;
  uint64_t total_bytes_ = 0;
  size_t next_step_ = 0;
  Sha256Stream sha_;  ///< of the file being read; only the hasher's job touches it until drain()
  WorkQueue hasher_;
  WorkQueue queue_;  // last: its workers end before the rest goes
};

}  // namespace

Result<StreamDigests> stream_source(const SlabContext& context, uint64_t threads, ScaleScan& scan,
                                    Log& log) {
  return Streamer(context, threads, scan, log).run();
}

}  // namespace imp::convert

#include "src/convert/stream.h"

#include <algorithm>

#include "src/base/interrupt.h"
#include "src/base/work_queue.h"
#include "src/convert/block_scan.h"
#include "src/convert/code_scan.h"
#include "src/model/source_read.h"

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
        apart_(taken_apart(context.model.source)),
        hasher_(threads == 0 ? 0 : 1, plan::kHashQueueSlabs),
        queue_(threads, budget_.queue_slabs) {
    for (const model::SourceFile& file : source().files) total_bytes_ += file.handle.size_bytes();
    digests_.tensors.resize(source().tensors.size());
  }

  Result<StreamDigests> run() {
    uint32_t tensor = 0;
    for (uint32_t file = 0; file < source().files.size(); ++file) {
      sha_ = Sha256Stream();
      hashed_to_ = 0;
      for (; tensor < source().tensors.size() && source().tensors[tensor].file == file; ++tensor)
        IMP_TRY(source().tensors[tensor].in_file() ? stream_stored(tensor) : stream_made(tensor));
      // Also those of which rows of a later file are needed to make a tensor.
      IMP_TRY(check_stored_before(file, source().files[file].handle.size_bytes()));
      IMP_TRY(hash_to(file, source().files[file].handle.size_bytes()));
      IMP_TRY(hasher_.drain());
      digests_.files.push_back(sha_.finish());
    }
    IMP_TRY(queue_.drain());
    return std::move(digests_);
  }

 private:
  const model::Source& source() const { return context_.model.source; }

  Status stream_stored(uint32_t tensor) {
    const model::SourceTensor& t = source().tensors[tensor];
    IMP_TRY(hash_to(t.file, t.offset_bytes));
    return stream_tensor(tensor);
  }

  /// The rows of a view, or what a tensor is computed from, lie anywhere before its end in the
  /// file: they are checked and hashed in file order first, then read again while the system still
  /// has them in memory.
  Status stream_made(uint32_t tensor) {
    const model::SourceTensor& t = source().tensors[tensor];
    const uint64_t end = model::end_in_file(source(), t);
    IMP_TRY(check_stored_before(t.file, end));
    IMP_TRY(hash_to(t.file, end));
    return stream_tensor(tensor);
  }

  Status check_stored_before(uint32_t file, uint64_t end) {
    for (; next_stored_ < source().stored.size(); ++next_stored_) {
      const model::StoredTensor& stored = source().stored[next_stored_];
      if (stored.file != file || stored.offset_bytes >= end) break;
      IMP_TRY(check_stored(stored, apart_[next_stored_]));
    }
    return {};
  }

  Status check_stored(const model::StoredTensor& stored, bool apart) {
    const uint64_t block = ggml_type_info(stored.type).block_bytes;
    const uint64_t step = std::max(budget_.slab_bytes / block * block, block);
    const uint64_t end = stored.offset_bytes + stored.size_bytes;
    IMP_TRY(hash_to(stored.file, stored.offset_bytes));
    // Two stored tensors can be the same bytes, which are hashed once.
    const bool hashed = stored.offset_bytes < hashed_to_;
    for (uint64_t at = stored.offset_bytes; at < end; at += step) {
      const uint64_t size = std::min(step, end - at);
      IMP_ASSIGN(const Handle slab,
                 hashed ? read_again(stored.file, at, size) : read(stored.file, at, size));
      IMP_TRY(check_blocks(source(), stored, apart, at - stored.offset_bytes, slab->span()));
    }
    return {};
  }

  Result<Handle> read_again(uint32_t file, uint64_t offset, uint64_t size) {
    IMP_TRY(check_interrupted());
    Handle slab = context_.buffers.take(size);
    IMP_TRY(source().files[file].handle.read_at(offset, slab->span()));
    return slab;
  }

  /// The next bytes of the file.
  Result<Handle> read(uint32_t file, uint64_t offset, uint64_t size) {
    IMP_TRY(check_interrupted());
    Handle slab = context_.buffers.take(size);
    IMP_TRY(source().files[file].handle.read_at(offset, slab->span()));
    hashed_to_ = offset + size;
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

  /// Bytes that are hashed, and needed for nothing else.
  Status hash_to(uint32_t file, uint64_t end) {
    while (hashed_to_ < end) {
      const uint64_t size = std::min(budget_.slab_bytes, end - hashed_to_);
      IMP_ASSIGN(const Handle slab, read(file, hashed_to_, size));
    }
    return {};
  }

  Result<Handle> read_slab(uint32_t tensor, uint64_t begin, uint64_t size) {
    const model::SourceTensor& t = source().tensors[tensor];
    if (t.in_file()) return read(t.file, t.offset_bytes + begin, size);
    IMP_TRY(check_interrupted());
    Handle slab = context_.buffers.take(size);
    IMP_TRY(model::read_tensor(source(), tensor, begin, slab->span()));
    return slab;
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

  /// Block scales that are numbers by themselves. What lies under or over a super scale was checked
  /// in its blocks (block_scan.h), and of it only the products mean something.
  bool is_scanned(const plan::Step& step) const {
    return step.plane == model::ComponentKind::kBlockScale &&
           !model::has_super_scale(context_.plan.operands[step.operand].scheme);
  }

  ScaleUse scan_of(const plan::Step& step) const {
    const plan::Operand& operand = context_.plan.operands[step.operand];
    const auto in_mma64 = [](const plan::Form& f) { return f.layout == plan::LayoutId::kMma64; };
    return {step.operand,
            operand.scheme == model::Scheme::kMxfp4 &&
                std::any_of(operand.forms.begin(), operand.forms.end(), in_mma64),
            model::is_integer(operand.scheme) || model::is_ggml_planes(operand.scheme)};
  }

  Status stream_tensor(uint32_t tensor) {
    const model::SourceTensor& t = source().tensors[tensor];
    const auto steps = steps_of(tensor);
    if (steps.empty())
      return t.in_file() ? hash_to(t.file, t.offset_bytes + t.size_bytes) : Status{};
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
        IMP_ASSIGN(const Handle slab, read_slab(tensor, begin, size));
        plane.update(slab->span());
        if (is_scanned(steps[0]))
          IMP_TRY(scan_.scan(context_.model, tensor, scan_of(steps[0]), begin, slab->span()));
        if (steps[0].plane == model::ComponentKind::kCodes)
          IMP_TRY(check_codes(source(), tensor, steps[0].coding, begin, slab->span()));
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
  size_t next_stored_ = 0;
  const std::vector<bool> apart_;  ///< by stored tensor: fields are taken out of its blocks
  uint64_t hashed_to_ = 0;         ///< of the file being read
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

#include "src/unpack/checkpoint_writer.h"

#include <algorithm>
#include <mutex>
#include <span>
#include <string>

#include "src/base/text.h"
#include "src/base/work_queue.h"
#include "src/unpack/companions.h"
#include "src/unpack/outputs.h"
#include "src/unpack/tensor_writer.h"

namespace imp::unpack {
namespace {

using artifact::Reader;
using artifact::SourceTensorRecord;

constexpr const char* kIndexName = "model.safetensors.index.json";
/// Stored bytes that all jobs together hold; codes of four bits grow eightfold when they become
/// F32.
constexpr uint64_t kSlabBudgetBytes = 64u << 20;
constexpr uint64_t kMaxSlabBytes = 8u << 20;
constexpr uint64_t kMinSlabBytes = 256u << 10;

uint64_t slab_bytes(Mode mode, uint64_t threads) {
  const uint64_t growth = mode == Mode::kSafetensors ? 1 : 8;
  return std::clamp(kSlabBudgetBytes / (threads * growth), kMinSlabBytes, kMaxSlabBytes / growth);
}

void warn_of_ignored(const Reader& reader, Log& log) {
  uint64_t count = 0;
  std::string first;
  for (const SourceTensorRecord& tensor : reader.source_tensors()) {
    if (tensor.disposition != static_cast<uint16_t>(artifact::Disposition::kIgnored)) continue;
    const std::string line = "tensor '" + printable(reader.string(tensor.name)) +
                             "' is left out: " + printable(reader.string(tensor.reason));
    if (count++ == 0) first = line;
    log.note(line);
  }
  if (count == 0) return;
  log.warn(std::to_string(count) +
           " tensors of the source are not in the artifact and cannot be given back; the first: " +
           first);
}

class CheckpointWriter {
 public:
  CheckpointWriter(const Reader& reader, const Options& options, uint64_t threads,
                   OutputFolder& folder, Log& log)
      : tensors_(reader, options.form_sm, slab_bytes(options.mode, threads)),
        threads_(threads),
        folder_(folder),
        log_(log) {}

  Result<Report> write(const std::vector<Shard>& shards) {
    for (const Shard& shard : shards) report_.bytes += shard.size_bytes - shard.header_bytes.size();
    for (const Shard& shard : shards) IMP_TRY(write_shard(shard));
    return report_;
  }

 private:
  Status write_shard(const Shard& shard) {
    IMP_ASSIGN(const auto file, folder_.create(shard.name));
    IMP_TRY(file->write_at(0, std::as_bytes(std::span(shard.header_bytes))));
    WorkQueue queue(threads_, 2 * threads_);  // goes before `file`, with the jobs that write to it
    for (size_t i = 0; i < shard.outputs.size(); ++i) {
      const auto job = [this, &shard, &file, i] { return write_tensor(shard, i, *file); };
      IMP_TRY(queue.push(job));
    }
    IMP_TRY(queue.drain());
    report_.tensors += shard.outputs.size();
    return folder_.commit(*file, shard.name, shard.size_bytes);
  }

  Status write_tensor(const Shard& shard, size_t i, OutputFile& file) {
    IMP_TRY(tensors_.write(shard.outputs[i], shard.header.tensors[i], file));
    on_done(shard.header.tensors[i].size_bytes);
    return {};
  }

  void on_done(uint64_t size_bytes) {
    const std::lock_guard lock(mutex_);
    done_bytes_ += size_bytes;
    log_.progress(done_bytes_, report_.bytes);
  }

  TensorWriter tensors_;
  uint64_t threads_;
  OutputFolder& folder_;
  Log& log_;
  Report report_;
  std::mutex mutex_;
  uint64_t done_bytes_ = 0;
};

Result<std::vector<Shard>> list_shards(const Reader& reader, Mode mode) {
  if (mode == Mode::kSafetensors) return list_source(reader);
  return list_values(reader, mode == Mode::kDequantizeF32 ? Dtype::kF32 : Dtype::kBF16);
}

}  // namespace

Result<Report> write_checkpoint(const Reader& reader, const Options& options, OutputFolder& folder,
                                Log& log) {
  const CompanionUse use =
      options.mode == Mode::kSafetensors ? CompanionUse::kAsTheyAre : CompanionUse::kUnquantized;
  IMP_ASSIGN(const std::vector<Shard> shards, list_shards(reader, options.mode));
  const bool has_index = shards.size() > 1;
  for (const Shard& shard : shards) IMP_TRY(folder.claim(shard.name));
  if (has_index) IMP_TRY(folder.claim(kIndexName));
  IMP_TRY(claim_companions(reader, use, folder));

  warn_of_ignored(reader, log);
  const uint64_t threads = options.threads == 0 ? default_thread_count() : options.threads;
  CheckpointWriter writer(reader, options, threads, folder, log);
  IMP_ASSIGN(const Report report, writer.write(shards));
  if (has_index) IMP_TRY(folder.write_whole(kIndexName, shard_index_json(shards)));
  IMP_TRY(write_companions(reader, use, folder));
  return report;
}

}  // namespace imp::unpack

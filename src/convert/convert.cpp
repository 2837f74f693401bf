#include "src/convert/convert.h"

#include <algorithm>
#include <string>

#include "formats/imp/writer.h"
#include "src/base/text.h"
#include "src/base/work_queue.h"
#include "src/convert/cuda_packer.h"
#include "src/convert/manifest.h"
#include "src/convert/stream.h"
#include "src/model/import.h"
#include "src/model/source_read.h"
#include "src/plan/index.h"
#include "src/transcode/transcode.h"

namespace imp::convert {
namespace {

Result<std::vector<artifact::CompanionInput>> read_companions(const model::Source& source) {
  std::vector<artifact::CompanionInput> companions;
  for (const std::string& name : source.companions) {
    IMP_ASSIGN(std::string bytes, model::read_companion(source, name));
    companions.push_back({name, std::move(bytes)});
  }
  return companions;
}

Status write_constants(OutputFile& output, const std::vector<plan::Constant>& constants,
                       artifact::ChunkDigester& digester) {
  for (const plan::Constant& constant : constants) {
    IMP_TRY(output.write_at(constant.offset_bytes, constant.bytes));
    digester.on_write(constant.offset_bytes, constant.bytes);
  }
  return {};
}

artifact::ChunkDigester digester_for(const plan::Plan& plan) {
  std::vector<artifact::PayloadExtent> extents;
  for (const plan::Blob& blob : plan.blobs) extents.push_back({blob.offset_bytes, blob.size_bytes});
  return artifact::ChunkDigester(artifact::chunks_for(extents));
}

artifact::Index index_with_digests(const Prepared& prepared, const StreamDigests& digests) {
  artifact::Index index = plan::build_index(prepared.model, prepared.plan);
  for (size_t f = 0; f < index.source_files.size(); ++f)
    std::copy(digests.files[f].begin(), digests.files[f].end(), index.source_files[f].sha256);
  for (size_t t = 0; t < index.source_tensors.size(); ++t)
    std::copy(digests.tensors[t].begin(), digests.tensors[t].end(), index.source_tensors[t].digest);
  return index;
}

Result<Sha256> sha256_of_payload(const OutputFile& output, const plan::Plan& plan) {
  Sha256Stream sha;
  std::vector<std::byte> buffer(4u << 20);
  for (uint64_t at = plan.payload_offset_bytes; at < plan.payload_end_bytes;) {
    const uint64_t size = std::min<uint64_t>(buffer.size(), plan.payload_end_bytes - at);
    IMP_TRY(output.read_at(at, MutableBytes(buffer).first(size)));
    sha.update(Bytes(buffer).first(size));
    at += size;
  }
  return sha.finish();
}

/// With a card the workers mostly wait for it: fewer of them than slots would leave slots idle.
uint64_t thread_count(const Options& options) {
  const uint64_t threads = options.threads == 0 ? default_thread_count() : options.threads;
  return options.backend == Backend::kCuda ? std::max(threads, kRingSlots) : threads;
}

/// Operands that keep another form than the one asked for.
uint64_t warn_of_refused(const plan::Plan& plan, Log& log) {
  const auto is_refused = [](const plan::Operand& o) { return !o.refused.empty(); };
  const auto first = std::find_if(plan.operands.begin(), plan.operands.end(), is_refused);
  if (first == plan.operands.end()) return 0;
  const auto count = std::count_if(first, plan.operands.end(), is_refused);
  log.warn(std::to_string(count) + " operands keep a default form (first '" + first->name +
           "': " + first->refused + ")");
  return static_cast<uint64_t>(count);
}

Status check_flushed(const FlushCounts& flushed, const Options& options) {
  if (!options.max_flushed || flushed.total() <= *options.max_flushed) return {};
  return Error{ErrorKind::kUnsupportedScheme,
               with_thousands(flushed.total()) + " block scales are flushed by the layout, " +
                   with_thousands(*options.max_flushed) + " are allowed",
               options.input.string(), ""};
}

Result<std::unique_ptr<Packer>> make_packer(const Prepared& prepared, const Options& options,
                                            BufferPool& buffers) {
  if (options.backend == Backend::kCuda)
    return make_cuda_packer(prepared.model.source, prepared.plan,
                            plan::stream_budget(prepared.threads).slab_bytes,
                            options.device_budget_bytes, options.path);
  return make_cpu_packer(buffers, options.path);
}

uint64_t source_bytes_of(const model::Source& source) {
  uint64_t total = 0;
  for (const model::SourceFile& file : source.files) total += file.handle.size_bytes();
  return total;
}

}  // namespace

Result<Prepared> prepare(const Options& options, Log& log) {
  IMP_ASSIGN(model::Model model, model::import_checkpoint(options.input, options.import, log));
  IMP_TRY(model::select_weights(model, options.include, options.exclude));
  const uint64_t threads = thread_count(options);
  IMP_TRY(transcode::transcode_weights(model, options.transcode, threads, log));
  IMP_ASSIGN(plan::Plan plan, plan::make_plan(model, options.plan));
  return Prepared{std::move(model), std::move(plan), threads};
}

Result<Report> run_into(OutputFile& output, const Prepared& prepared, const Options& options,
                        const std::filesystem::path& scratch_folder, Log& log) {
  const plan::Plan& plan = prepared.plan;
  IMP_ASSIGN(const auto companions, read_companions(prepared.model.source));
  artifact::ChunkDigester digester = digester_for(plan);
  ExceptionSpool exceptions(scratch_folder);
  ScaleScan scan;
  BufferPool buffers;
  IMP_ASSIGN(const auto packer, make_packer(prepared, options, buffers));
  IMP_ASSIGN(const std::vector<float> rescales, find_rescales(prepared.model, plan));
  IMP_ASSIGN(const auto made, make_components_of_scales(prepared.model, plan, rescales));
  IMP_TRY(write_constants(output, plan.constants, digester));
  IMP_TRY(write_constants(output, made, digester));
  FlushCounts flushed(plan.operands.size());
  const SlabContext context{prepared.model, plan,    output,   digester, exceptions,
                            buffers,        *packer, rescales, flushed};
  IMP_ASSIGN(const StreamDigests digests, stream_source(context, prepared.threads, scan, log));
  scan.warn(log);
  flushed.warn(plan, log);
  const uint64_t refused = warn_of_refused(plan, log);
  IMP_TRY(check_flushed(flushed, options));
  exceptions.finish();

  Sha256 payload_sha{};
  if (options.payload_sha256) {
    IMP_ASSIGN(payload_sha, sha256_of_payload(output, plan));
  }
  const std::string manifest =
      make_manifest(prepared, options, digests, scan, flushed, exceptions.count(),
                    options.payload_sha256 ? &payload_sha : nullptr);
  IMP_ASSIGN(const artifact::WriteResult written,
             artifact::finish_artifact(output, index_with_digests(prepared, digests),
                                       plan.payload_end_bytes, std::move(digester), exceptions,
                                       manifest, companions));
  return Report{source_bytes_of(prepared.model.source),
                written.total_bytes,
                plan.payload_offset_bytes,
                plan.payload_end_bytes - plan.payload_offset_bytes,
                exceptions.count(),
                scan.zeros(),
                flushed.total(),
                refused,
                written.artifact_id};
}

Result<Report> run(const Prepared& prepared, const Options& options, Log& log) {
  IMP_ASSIGN(const auto output, AtomicFile::create(options.output, options.overwrite));
  IMP_TRY(output->reserve(prepared.plan.payload_end_bytes));
  const std::filesystem::path folder =
      options.output.has_parent_path() ? options.output.parent_path() : ".";
  return run_into(*output, prepared, options, folder, log);
}

}  // namespace imp::convert

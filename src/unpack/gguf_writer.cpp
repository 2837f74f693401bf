#include "src/unpack/gguf_writer.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <numeric>
#include <string>
#include <utility>

#include "src/base/digest.h"
#include "src/base/interrupt.h"
#include "src/base/text.h"
#include "src/base/work_queue.h"
#include "src/model/gguf_manifest.h"
#include "src/quant/ggml_blocks.h"
#include "src/unpack/gguf_planes.h"
#include "src/unpack/gguf_scatter.h"
#include "src/unpack/plane_rows.h"
#include "src/unpack/stream.h"

namespace imp::unpack {
namespace {

using artifact::Reader;
using artifact::SourceFileRecord;
using artifact::SourceTensorRecord;
using model::GgufManifest;
using model::TensorView;
using nlohmann::ordered_json;
using quant::BlockField;

constexpr uint64_t kSlabBytes = 2u << 20;
constexpr uint64_t kCopyBytes = 4u << 20;
constexpr int kMaxDepth = 8;

/// Member "gguf" of the manifest; null where there is none.
Result<ordered_json> read_member(const Reader& reader) {
  IMP_ASSIGN(const std::string text, reader.read_manifest());
  std::string top_key;
  const auto keep = [&](int depth, ordered_json::parse_event_t event, ordered_json& value) {
    if (event == ordered_json::parse_event_t::key && depth == 1) {
      top_key = value.get<std::string>();
      return top_key == "gguf";
    }
    return depth <= kMaxDepth && (depth == 0 || top_key == "gguf");
  };
  ordered_json manifest = ordered_json::parse(text, keep, false);
  if (!manifest.is_object())
    return Error{ErrorKind::kBadSection, "section manifest: is not a JSON object", reader.path(),
                 ""};
  return manifest.contains("gguf") ? std::move(manifest["gguf"]) : ordered_json();
}

Result<GgufManifest> read_gguf_manifest(const Reader& reader) {
  IMP_ASSIGN(const ordered_json json, read_member(reader));
  if (json.is_null())
    return Error{ErrorKind::kUsage, "was not made from GGUF files", reader.path(), ""};
  std::vector<uint64_t> file_bytes, tensor_bytes;
  for (const SourceFileRecord& file : reader.source_files()) file_bytes.push_back(file.size_bytes);
  for (const SourceTensorRecord& tensor : reader.source_tensors())
    tensor_bytes.push_back(tensor.size_bytes);
  auto manifest = model::parse_gguf_manifest(json, file_bytes, tensor_bytes);
  if (!manifest.ok()) return std::move(manifest).error().in_file(reader.path());
  return manifest;
}

class GgufWriter {
 public:
  GgufWriter(const Reader& reader, const Options& options, const GgufManifest& manifest,
             GgufFiles& files, Log& log)
      : reader_(reader), options_(options), manifest_(manifest), files_(files), log_(log) {
    for (const model::StoredTensor& tensor : manifest.stored) total_bytes_ += tensor.size_bytes;
  }

  Status write_tensors(uint64_t threads) {
    const std::vector<FieldTensors> groups = group_fields(manifest_);
    WorkQueue queue(threads, 2 * threads);
    for (const FieldTensors& group : groups) {
      const auto job = [this, &group] { return write_group(group); };
      IMP_TRY(queue.push(job));
    }
    return queue.drain();
  }

  /// The frame, then a look at the whole. REQUIRES: all tensors are written.
  Status finish_file(uint32_t file, const std::string& frame) {
    const SourceFileRecord& record = reader_.source_files()[file];
    const std::vector<gguf::ByteRange> left = files_.ranges_left(file, record.size_bytes);
    IMP_TRY(check_complete(file, left));
    uint64_t at = 0;
    for (const gguf::ByteRange& range : left) {
      if (range.size_bytes > frame.size() - at) return bad_frame(file);
      IMP_TRY(files_.file(file).write_at(
          range.offset_bytes, std::as_bytes(std::span(frame)).subspan(at, range.size_bytes)));
      at += range.size_bytes;
    }
    if (at != frame.size()) return bad_frame(file);
    return check_sha256(file);
  }

 private:
  std::string file_name(uint32_t file) const {
    return std::string(reader_.string(reader_.source_files()[file].name));
  }

  Status write_group(const FieldTensors& group) {
    const uint32_t rows = group[static_cast<size_t>(BlockField::kRows)];
    IMP_TRY(rows != artifact::kNone ? write_rows(rows) : write_planes(group));
    return {};
  }

  Result<Plane> plane_of(uint32_t tensor) const {
    const SourceTensorRecord& record = reader_.source_tensors()[tensor];
    if (record.disposition == static_cast<uint16_t>(artifact::Disposition::kIgnored))
      return Error{ErrorKind::kMissingTensor,
                   "is not in the artifact (" + std::string(reader_.string(record.reason)) +
                       "), so that its file cannot be given back",
                   reader_.path(), std::string(reader_.string(record.name))};
    return find_plane(reader_, tensor, options_.form_sm);
  }

  /// A tensor that is stored rows as they are.
  Status write_rows(uint32_t tensor) {
    IMP_ASSIGN(const Plane plane, plane_of(tensor));
    const TensorView& view = *manifest_.views[tensor];
    ViewScatter scatter(manifest_, view, files_);
    Xxh3Stream digest;
    std::vector<std::byte> held;  // what does not end with a row
    uint64_t row = 0;
    const Sink sink = [&](Bytes bytes) -> Status {
      digest.update(bytes);
      held.insert(held.end(), bytes.begin(), bytes.end());
      const uint64_t rows = held.size() / scatter.row_bytes();
      const uint64_t whole = rows * scatter.row_bytes();
      IMP_TRY(scatter.put(row, rows, MutableBytes(held).first(whole)));
      held.erase(held.begin(), held.begin() + static_cast<ptrdiff_t>(whole));
      row += rows;
      return {};
    };
    IMP_TRY(stream_plane(reader_, plane, kSlabBytes, sink));
    IMP_TRY(check_digest(reader_, plane, digest.digest()));
    on_done(plane.tensor->size_bytes);
    return {};
  }

  /// One plane of a group while its rows are read.
  struct Field {
    PlaneRows rows;
    const Plane plane;
    PlaneSlab slab;
    Xxh3Stream digest;
  };

  Status write_planes(const FieldTensors& group) {
    std::vector<Field> fields;
    std::array<Field*, 6> by_field{};
    IMP_TRY(open_fields(group, fields));
    size_t next = 0;
    uint32_t some = artifact::kNone;
    for (size_t f = 0; f < group.size(); ++f)
      if (group[f] != artifact::kNone) {
        by_field[f] = &fields[next++];
        some = group[f];
      }
    const TensorView& view = *manifest_.views[some];
    ViewScatter scatter(manifest_, view, files_);
    const uint64_t rows = view.rows_of_expert();
    const uint64_t step = slab_rows(fields, rows, scatter.row_bytes());
    std::vector<std::byte> blocks;
    for (uint64_t e = 0; e < view.experts; ++e)
      for (uint64_t row = 0; row < rows; row += step) {
        IMP_TRY(check_interrupted());
        const uint64_t count = std::min(step, rows - row);
        IMP_TRY(read_fields(fields, e, row, count));
        blocks.resize(count * scatter.row_bytes());
        IMP_TRY(join(view, by_field, count, blocks));
        IMP_TRY(scatter.put(e * rows + row, count, blocks));
      }
    for (Field& field : fields) IMP_TRY(check_digest(reader_, field.plane, field.digest.digest()));
    on_done(view.experts * rows * scatter.row_bytes());
    return {};
  }

  /// All fields that blocks of the type have, of one shape.
  Status open_fields(const FieldTensors& group, std::vector<Field>& fields) const {
    const auto first = std::ranges::find_if(group, [](uint32_t t) { return t != artifact::kNone; });
    const TensorView& view = *manifest_.views[*first];
    const quant::BlockPlanes& planes = *quant::block_planes(view.type);
    for (size_t f = 1; f < group.size(); ++f) {
      const auto field = static_cast<BlockField>(f);
      const bool needs_min = field == BlockField::kMin || field == BlockField::kSuperMin;
      const bool needs_super = field == BlockField::kSuperScale || field == BlockField::kSuperMin;
      if ((needs_min && !planes.has_min) || (needs_super && !planes.has_super)) continue;
      if (group[f] == artifact::kNone)
        return Error{ErrorKind::kMissingTensor,
                     "a plane of its blocks is not in the artifact, so that its file cannot be "
                     "given back",
                     reader_.path(),
                     std::string(reader_.string(reader_.source_tensors()[*first].name))};
      IMP_ASSIGN(const Plane plane, plane_of(group[f]));
      IMP_ASSIGN(PlaneRows rows, PlaneRows::open(reader_, plane));
      if (rows.coding().rows != view.rows_of_expert() || plane.expert_count != view.experts)
        return plane_error(reader_, plane, ErrorKind::kBadRecord,
                           "has other rows than the blocks that it is a plane of");
      fields.push_back({std::move(rows), plane, {}, {}});
    }
    return {};
  }

  static uint64_t slab_rows(const std::vector<Field>& fields, uint64_t rows, uint64_t row_bytes) {
    uint64_t unit = 1;
    for (const Field& field : fields) {
      if (field.rows.unit_rows() >= rows) return rows;
      unit = std::lcm(unit, field.rows.unit_rows());
    }
    return std::max<uint64_t>(kSlabBytes / row_bytes / unit, 1) * unit;
  }

  Status read_fields(std::vector<Field>& fields, uint64_t expert, uint64_t row, uint64_t count) {
    for (Field& field : fields) {
      Status status =
          field.rows.read(field.plane.first_expert + expert, row, count, false, field.slab);
      if (!status.ok()) return with_place(reader_, field.plane, std::move(status).error());
      field.digest.update(field.slab.source);
    }
    return {};
  }

  Status join(const TensorView& view, const std::array<Field*, 6>& fields, uint64_t rows,
              MutableBytes blocks) const {
    const auto bytes = [&](BlockField field) {
      const Field* of = fields[static_cast<size_t>(field)];
      return of == nullptr ? Bytes() : Bytes(of->slab.source);
    };
    Status status = quant::join_fields(
        *quant::block_planes(view.type), rows, view.columns,
        {bytes(BlockField::kCodes), bytes(BlockField::kScale), bytes(BlockField::kMin),
         bytes(BlockField::kSuperScale), bytes(BlockField::kSuperMin)},
        blocks);
    if (status.ok()) return {};
    return with_place(reader_, fields[static_cast<size_t>(BlockField::kCodes)]->plane,
                      std::move(status).error());
  }

  /// What nobody wrote is what no tensor owns.
  Status check_complete(uint32_t file, const std::vector<gguf::ByteRange>& left) const {
    for (const model::StoredTensor& tensor : manifest_.stored) {
      if (tensor.file != file) continue;
      const uint64_t end = tensor.offset_bytes + tensor.size_bytes;
      for (const gguf::ByteRange& range : left)
        if (range.offset_bytes < end && tensor.offset_bytes < range.offset_bytes + range.size_bytes)
          return Error{ErrorKind::kMissingTensor,
                       "has bytes that no tensor of the artifact gives back, in '" +
                           file_name(file) + "' at " + std::to_string(range.offset_bytes),
                       reader_.path(), tensor.name};
    }
    return {};
  }

  Error bad_frame(uint32_t file) const {
    return Error{ErrorKind::kBadRecord,
                 "companion '" + model::frame_name(file_name(file)) +
                     "' does not fit between the tensors of its file",
                 reader_.path(), ""};
  }

  Status check_sha256(uint32_t file) {
    const SourceFileRecord& record = reader_.source_files()[file];
    Sha256Stream sha;
    std::vector<std::byte> buffer(std::min(record.size_bytes, kCopyBytes));
    for (uint64_t at = 0; at < record.size_bytes; at += buffer.size()) {
      IMP_TRY(check_interrupted());
      const auto piece =
          MutableBytes(buffer).first(std::min<uint64_t>(buffer.size(), record.size_bytes - at));
      IMP_TRY(files_.file(file).read_at(at, piece));
      sha.update(piece);
    }
    if (std::ranges::equal(sha.finish(), record.sha256)) return {};
    return Error{ErrorKind::kInverseMismatch,
                 "'" + file_name(file) +
                     "' does not come back: every tensor has its recorded digest, but the whole "
                     "file has not",
                 reader_.path(), ""};
  }

  void on_done(uint64_t size_bytes) {
    const std::lock_guard lock(mutex_);
    done_bytes_ += size_bytes;
    log_.progress(std::min(done_bytes_, total_bytes_), total_bytes_);
  }

  const Reader& reader_;
  const Options& options_;
  const GgufManifest& manifest_;
  GgufFiles& files_;
  Log& log_;
  std::mutex mutex_;
  uint64_t done_bytes_ = 0, total_bytes_ = 0;
};

Result<std::string> read_frame(const Reader& reader, const std::string& file) {
  for (const artifact::CompanionRecord& companion : reader.companions())
    if (reader.string(companion.name) == model::frame_name(file))
      return reader.read_companion(companion);
  return Error{ErrorKind::kUsage,
               "has no companion '" + model::frame_name(file) + "', without which '" + file +
                   "' cannot be given back",
               reader.path(), ""};
}

}  // namespace

Result<Report> write_gguf(const Reader& reader, const Options& options, OutputFolder& folder,
                          Log& log) {
  IMP_ASSIGN(const GgufManifest manifest, read_gguf_manifest(reader));
  std::vector<std::string> names, frames;
  for (const SourceFileRecord& file : reader.source_files()) {
    names.emplace_back(reader.string(file.name));
    IMP_TRY(folder.claim(names.back()));
    IMP_ASSIGN(std::string frame, read_frame(reader, names.back()));
    frames.push_back(std::move(frame));
  }
  std::vector<std::unique_ptr<AtomicFile>> outputs;
  for (const std::string& name : names) {
    IMP_ASSIGN(auto file, folder.create(name));
    outputs.push_back(std::move(file));
  }
  GgufFiles files(std::move(outputs));
  GgufWriter writer(reader, options, manifest, files, log);
  IMP_TRY(writer.write_tensors(options.threads == 0 ? default_thread_count() : options.threads));
  Report report;
  for (uint32_t f = 0; f < names.size(); ++f) {
    IMP_TRY(writer.finish_file(f, frames[f]));
    IMP_TRY(folder.commit(files.file(f), names[f], reader.source_files()[f].size_bytes));
  }
  for (const model::StoredTensor& tensor : manifest.stored) report.bytes += tensor.size_bytes;
  report.tensors = manifest.stored.size();
  return report;
}

}  // namespace imp::unpack

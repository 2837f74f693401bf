#include "src/verify/source_views.h"

#include <algorithm>
#include <cstring>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "src/base/digest.h"
#include "src/base/interrupt.h"
#include "src/base/work_queue.h"
#include "src/model/import.h"
#include "src/model/source_read.h"
#include "src/transcode/transcode.h"
#include "src/verify/companions.h"

namespace imp::verify {
namespace {

using artifact::Reader;
using artifact::SourceFileRecord;
using artifact::SourceTensorRecord;
using model::Source;

constexpr uint64_t kPieceBytes = 4u << 20;

Error differs(const std::string& file, const std::string& tensor, const std::string& what) {
  return Error{ErrorKind::kSourceMismatch, what, file, tensor};
}

/// How the source was read.
struct Recorded {
  model::ImportOptions import;
  std::vector<std::string> include;
  std::vector<std::string> exclude;
  std::vector<transcode::Rule> transcode;
};

Result<Recorded> recorded_options(const Reader& reader) {
  IMP_ASSIGN(const std::string text, reader.read_manifest());
  const auto manifest = nlohmann::json::parse(text, nullptr, false);
  Recorded options;
  const auto recorded = manifest.is_object() ? manifest.find("options") : manifest.end();
  if (recorded == manifest.end() || !recorded->is_object()) return options;
  const auto flag = [&](const char* key) {
    const auto at = recorded->find(key);
    return at != recorded->end() && at->is_boolean() && at->get<bool>();
  };
  const auto texts = [&](const char* key) {
    std::vector<std::string> list;
    const auto at = recorded->find(key);
    if (at == recorded->end() || !at->is_array()) return list;
    for (const auto& item : *at) list.push_back(item.is_string() ? item.get<std::string>() : "");
    return list;
  };
  options.import.as_is = flag("as_is");
  options.import.assume_unpermuted_qk = flag("assume_unpermuted_qk");
  options.include = texts("include");
  options.exclude = texts("exclude");
  for (const std::string& rule : texts("transcode")) {
    IMP_ASSIGN(transcode::Rule parsed, transcode::parse_rule(rule));
    options.transcode.push_back(std::move(parsed));
  }
  return options;
}

Result<model::Model> import_as_recorded(const Reader& reader, const std::filesystem::path& path,
                                        uint64_t threads, Log& log) {
  IMP_ASSIGN(const Recorded options, recorded_options(reader));
  IMP_ASSIGN(model::Model model, model::import_checkpoint(path, options.import, log));
  // A rule means only what is left in the artifact.
  IMP_TRY(model::select_weights(model, options.include, options.exclude));
  IMP_TRY(transcode::transcode_weights(model, options.transcode, threads, log));
  return model;
}

Status check_file(const model::SourceFile& file, const SourceFileRecord& record,
                  Problems& problems) {
  Sha256Stream sha;
  std::vector<std::byte> buffer;
  const uint64_t size = file.handle.size_bytes();
  for (uint64_t at = 0; at < size; at += buffer.size()) {
    IMP_TRY(check_interrupted());
    buffer.resize(std::min(kPieceBytes, size - at));
    IMP_TRY(file.handle.read_at(at, buffer));
    sha.update(buffer);
  }
  const Sha256 digest = sha.finish();
  if (size != record.size_bytes || std::memcmp(digest.data(), record.sha256, digest.size()) != 0)
    problems.add(
        differs(file.handle.path(), "", "SHA-256 or size is not what the artifact records"));
  return {};
}

bool same_form(const Reader& reader, const model::SourceTensor& have,
               const SourceTensorRecord& recorded) {
  return have.name == reader.string(recorded.name) &&
         static_cast<uint16_t>(have.dtype) == recorded.dtype && have.shape.rank == recorded.rank &&
         std::equal(have.shape.dims.begin(), have.shape.dims.end(), recorded.dims);
}

Status check_tensor(const Reader& reader, const Source& source, uint32_t tensor,
                    Problems& problems) {
  const model::SourceTensor& have = source.tensors[tensor];
  const SourceTensorRecord& recorded = reader.source_tensors()[tensor];
  const std::string& path = source.files[have.file].handle.path();
  if (!same_form(reader, have, recorded)) {
    problems.add(differs(path, have.name,
                         "name, dtype or shape is not what the artifact records for '" +
                             std::string(reader.string(recorded.name)) + "'"));
    return {};
  }
  if (recorded.disposition == static_cast<uint16_t>(artifact::Disposition::kIgnored)) return {};
  Xxh3Stream digest;
  std::vector<std::byte> buffer;
  // Whole rows: a part of one would be read twice.
  const uint64_t pitch = model::row_bytes_of(have);
  const uint64_t step = std::max(kPieceBytes / pitch, uint64_t{1}) * pitch;
  for (uint64_t at = 0; at < have.size_bytes; at += buffer.size()) {
    IMP_TRY(check_interrupted());
    buffer.resize(std::min(step, have.size_bytes - at));
    IMP_TRY(model::read_tensor(source, tensor, at, buffer));
    digest.update(buffer);
  }
  const Digest128 value = digest.digest();
  if (std::memcmp(value.data(), recorded.digest, value.size()) != 0)
    problems.add(differs(path, have.name, "bytes are not those the artifact was made from"));
  return {};
}

/// Files of the set are in order on both sides.
bool same_files(const Reader& reader, const Source& source, Problems& problems) {
  const auto records = reader.source_files();
  for (size_t f = 0; f < std::max(records.size(), source.files.size()); ++f) {
    const std::string recorded(f < records.size() ? reader.string(records[f].name) : "nothing");
    const std::string have = f < source.files.size() ? source.files[f].name : "nothing";
    if (recorded == have) continue;
    problems.add(differs(
        source.folder.string(), "",
        "file " + std::to_string(f) + " is " + have + ", the artifact records " + recorded));
    return false;
  }
  if (reader.source_tensors().size() == source.tensors.size()) return true;
  problems.add(differs(source.folder.string(), "",
                       "has " + std::to_string(source.tensors.size()) + " tensors, the artifact " +
                           std::to_string(reader.source_tensors().size())));
  return false;
}

}  // namespace

bool is_transcoded(const Reader& reader) {
  const Result<Recorded> recorded = recorded_options(reader);
  return recorded.ok() && !recorded->transcode.empty();
}

SourceCounts check_source_views(const Reader& reader, const std::filesystem::path& path,
                                uint64_t threads, Log& log, Problems& problems) {
  SourceCounts counts;
  Result<model::Model> imported = import_as_recorded(reader, path, threads, log);
  if (!imported.ok()) {
    problems.add(std::move(imported).error());
    return counts;
  }
  const Source& source = imported->source;
  if (!same_files(reader, source, problems)) return counts;
  WorkQueue queue(threads, threads);
  for (size_t f = 0; f < source.files.size(); ++f) {
    const Status status = queue.push([&reader, &source, &problems, f]() -> Status {
      problems.add(check_file(source.files[f], reader.source_files()[f], problems));
      return {};
    });
    if (!status.ok()) break;
  }
  for (uint32_t t = 0; t < source.tensors.size(); ++t) {
    const Status status = queue.push([&reader, &source, &problems, t]() -> Status {
      problems.add(check_tensor(reader, source, t, problems));
      return {};
    });
    if (!status.ok()) break;
  }
  problems.add(queue.drain());
  counts.files = source.files.size();
  counts.tensors = source.tensors.size();
  const auto read = [&](const std::string& name) { return model::read_companion(source, name); };
  counts.companions = check_companions(
      reader, source.folder, {source.companions.begin(), source.companions.end()}, read, problems);
  return counts;
}

}  // namespace imp::verify

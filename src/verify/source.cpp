#include "src/verify/source.h"

#include <algorithm>
#include <cstring>
#include <map>
#include <set>
#include <string>

#include "formats/gguf/checkpoint.h"
#include "formats/hf/checkpoint.h"
#include "src/base/digest.h"
#include "src/base/interrupt.h"
#include "src/base/work_queue.h"
#include "src/verify/companions.h"
#include "src/verify/source_views.h"

namespace imp::verify {
namespace {

using artifact::Reader;
using artifact::SourceFileRecord;
using artifact::SourceTensorRecord;

Error differs(const std::string& file, const std::string& tensor, const std::string& what) {
  return Error{ErrorKind::kSourceMismatch, what, file, tensor};
}

bool same_form(const hf::SourceTensor& have, const SourceTensorRecord& recorded) {
  if (static_cast<uint16_t>(have.dtype) != recorded.dtype || have.shape.rank != recorded.rank)
    return false;
  return std::equal(have.shape.dims.begin(), have.shape.dims.end(), recorded.dims);
}

/// One file, read once: SHA-256 of all of it, XXH3-128 of each tensor.
class FileCheck {
 public:
  FileCheck(const Reader& reader, const SourceFileRecord& record, const hf::Checkpoint& checkpoint,
            uint32_t file, Problems& problems)
      : reader_(reader),
        record_(record),
        checkpoint_(checkpoint),
        file_(file),
        problems_(problems) {
    for (uint32_t i = record.first_tensor; i < record.first_tensor + record.tensor_count; ++i)
      recorded_[reader.string(reader.source_tensors()[i].name)] = &reader.source_tensors()[i];
  }

  Status run() {
    uint64_t at = 0;
    for (const hf::SourceTensor& tensor : checkpoint_.tensors) {
      if (tensor.file != file_) continue;
      IMP_TRY(read(at, tensor.offset_bytes, nullptr));
      Xxh3Stream digest;
      IMP_TRY(read(tensor.offset_bytes, tensor.offset_bytes + tensor.size_bytes, &digest));
      at = tensor.offset_bytes + tensor.size_bytes;
      compare(tensor, digest.digest());
    }
    IMP_TRY(read(at, handle().size_bytes(), nullptr));
    for (const auto& [name, tensor] : recorded_)
      problems_.add(
          differs(handle().path(), std::string(name), "is in the artifact, not in the source"));
    const Sha256 sha = sha_.finish();
    if (handle().size_bytes() != record_.size_bytes ||
        std::memcmp(sha.data(), record_.sha256, sha.size()) != 0)
      problems_.add(
          differs(handle().path(), "", "SHA-256 or size is not what the artifact records"));
    return {};
  }

 private:
  const ReadFile& handle() const { return checkpoint_.files[file_].handle; }

  Status read(uint64_t begin, uint64_t end, Xxh3Stream* digest) {
    constexpr uint64_t kPiece = 4u << 20;
    while (begin < end) {
      IMP_TRY(check_interrupted());
      buffer_.resize(std::min(kPiece, end - begin));
      IMP_TRY(handle().read_at(begin, buffer_));
      sha_.update(buffer_);
      if (digest != nullptr) digest->update(buffer_);
      begin += buffer_.size();
    }
    return {};
  }

  void compare(const hf::SourceTensor& tensor, const Digest128& digest) {
    const auto it = recorded_.find(tensor.name);
    if (it == recorded_.end())
      return problems_.add(
          differs(handle().path(), tensor.name, "is in the source, not in the artifact"));
    const SourceTensorRecord& recorded = *it->second;
    recorded_.erase(it);
    if (!same_form(tensor, recorded))
      return problems_.add(
          differs(handle().path(), tensor.name, "dtype or shape is not what the artifact records"));
    const bool ignored =
        recorded.disposition == static_cast<uint16_t>(artifact::Disposition::kIgnored);
    if (!ignored && std::memcmp(digest.data(), recorded.digest, digest.size()) != 0)
      problems_.add(
          differs(handle().path(), tensor.name, "bytes are not those the artifact was made from"));
  }

  const Reader& reader_;
  const SourceFileRecord& record_;
  const hf::Checkpoint& checkpoint_;
  uint32_t file_;
  Problems& problems_;
  std::map<std::string_view, const SourceTensorRecord*> recorded_;
  Sha256Stream sha_;
  std::vector<std::byte> buffer_;
};

uint64_t compare_companions(const Reader& reader, const hf::Checkpoint& checkpoint,
                            Problems& problems) {
  std::set<std::string> names;
  for (const hf::Companion& companion : checkpoint.companions) names.insert(companion.name);
  const auto read = [&](const std::string& name) {
    return read_small_file(checkpoint.folder / name, hf::kMaxCompanionBytes);
  };
  return check_companions(reader, checkpoint.folder, std::move(names), read, problems);
}

}  // namespace

SourceCounts check_source(const Reader& reader, const std::filesystem::path& path, uint64_t threads,
                          Log& log, Problems& problems) {
  if (gguf::is_gguf(path) || is_transcoded(reader))
    return check_source_views(reader, path, threads, log, problems);
  SourceCounts counts;
  Result<hf::Checkpoint> checkpoint = hf::open_checkpoint(path, log);
  if (!checkpoint.ok()) {
    problems.add(std::move(checkpoint).error());
    return counts;
  }
  std::map<std::string_view, uint32_t> files;
  for (uint32_t f = 0; f < checkpoint->files.size(); ++f) files[checkpoint->files[f].name] = f;
  WorkQueue queue(threads, threads);
  for (const SourceFileRecord& record : reader.source_files()) {
    const auto it = files.find(reader.string(record.name));
    if (it == files.end()) {
      problems.add(
          differs((path / reader.string(record.name)).string(), "", "is missing in the source"));
      continue;
    }
    const uint32_t file = it->second;
    files.erase(it);
    const Status status = queue.push([&reader, &record, &checkpoint, file, &problems]() -> Status {
      problems.add(FileCheck(reader, record, *checkpoint, file, problems).run());
      return {};
    });
    if (!status.ok()) break;
    ++counts.files;
    counts.tensors += record.tensor_count;
  }
  problems.add(queue.drain());
  for (const auto& [name, file] : files)
    problems.add(differs((path / name).string(), "", "is in the source, not in the artifact"));
  counts.companions = compare_companions(reader, *checkpoint, problems);
  return counts;
}

}  // namespace imp::verify

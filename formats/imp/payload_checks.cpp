// The two questions about payload bytes that need no knowledge of layouts.
#include <algorithm>

#include "formats/imp/index_checks.h"
#include "formats/imp/reader.h"
#include "formats/imp/section_layout.h"
#include "src/base/digest.h"

namespace imp::artifact {
namespace {

constexpr uint64_t kReadBytes = 1u << 20;

Status check_zero(const ReadFile& file, uint64_t from, uint64_t to,
                  std::vector<std::byte>& buffer) {
  while (from < to) {
    buffer.resize(std::min(kReadBytes, to - from));
    IMP_TRY(file.read_at(from, buffer));
    const auto bad = std::ranges::find_if(buffer, [](std::byte b) { return b != std::byte{0}; });
    if (bad != buffer.end())
      return Error{ErrorKind::kNonZeroPadding,
                   "byte " + std::to_string(from + static_cast<uint64_t>(bad - buffer.begin())) +
                       " of the payload belongs to no component, expected zero",
                   file.path(), ""};
    from += buffer.size();
  }
  return {};
}

bool touches(const ComponentRecord& c, const ChunkRecord& chunk) {
  return c.size_bytes != 0 && c.payload_file == chunk.payload_file &&
         c.offset_bytes < chunk.offset_bytes + chunk.size_bytes &&
         chunk.offset_bytes < c.offset_bytes + c.size_bytes;
}

/// Name of the first operand with a component in the chunk.
std::string operand_of(const Reader& reader, const ChunkRecord& chunk) {
  for (const OperandRecord& o : reader.operands())
    for (const FormRecord& f : reader.forms_of(o))
      for (const ComponentRecord& c : reader.components_of(f))
        if (touches(c, chunk)) return std::string(reader.string(o.name));
  return {};
}

}  // namespace

Status Reader::check_payload_padding() const {
  const SectionEntry& payload = sections_[static_cast<size_t>(SectionType::kPayload) - 1];
  const uint64_t payload_end = payload.offset_bytes + payload.stored_bytes;
  std::vector<std::byte> buffer;
  auto chunk = tables_.chunks.begin();
  for (uint32_t file = 0; file < files_.size(); ++file) {
    uint64_t at = file == 0 ? payload.offset_bytes : 0;
    const uint64_t end = file == 0 ? payload_end : tables_.payload_files[file].size_bytes;
    for (; chunk != tables_.chunks.end() && chunk->payload_file == file; ++chunk) {
      if (chunk->offset_bytes >= end) continue;  // exceptions, which their chunks cover whole
      IMP_TRY(check_zero(files_[file], at, chunk->offset_bytes, buffer));
      at = chunk->offset_bytes + chunk->size_bytes;
    }
    IMP_TRY(check_zero(files_[file], at, end, buffer));
  }
  return {};
}

Status Reader::verify_chunk(const ChunkRecord& chunk, std::vector<std::byte>& scratch) const {
  scratch.resize(chunk.size_bytes);
  IMP_TRY(read_payload(chunk.payload_file, chunk.offset_bytes, scratch));
  if (std::ranges::equal(xxh3_128(scratch), chunk.digest)) return {};
  return Error{ErrorKind::kDigestMismatch,
               "payload bytes " + std::to_string(chunk.offset_bytes) + " + " +
                   std::to_string(chunk.size_bytes) + " do not match their digest",
               files_[chunk.payload_file].path(), operand_of(*this, chunk)};
}

}  // namespace imp::artifact

#include "src/unpack/exceptions.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <string>

#include "src/repack/nvfp4.h"

namespace imp::unpack {
namespace {

using artifact::ComponentRecord;
using artifact::Reader;
using repack::kLostGroupBytes;
using repack::LostGroup;

constexpr uint64_t kRecordsPerRead = 1024;

Result<LostGroup> read_record(const Reader& reader, const ComponentRecord& component, uint64_t i) {
  std::array<std::byte, kLostGroupBytes> raw{};
  IMP_TRY(reader.read_component(component, i * kLostGroupBytes, raw));
  return repack::parse_record(raw.data());
}

/// Index of the first record whose group is not before `group`.
Result<uint64_t> lower_bound(const Reader& reader, const ComponentRecord& component,
                             uint64_t record_count, uint64_t group) {
  uint64_t low = 0, high = record_count;
  while (low < high) {
    const uint64_t middle = low + (high - low) / 2;
    IMP_ASSIGN(const LostGroup record, read_record(reader, component, middle));
    if (record.group_index < group)
      low = middle + 1;
    else
      high = middle;
  }
  return low;
}

}  // namespace

Status apply_exceptions(const Reader& reader, const ComponentRecord& component,
                        uint64_t first_group, MutableBytes codes, MutableBytes scales) {
  const uint64_t group_count = scales.size();
  const uint64_t record_count = component.size_bytes / kLostGroupBytes;
  if (component.size_bytes % kLostGroupBytes != 0)
    return Error{ErrorKind::kBadRecord,
                 "exceptions have " + std::to_string(component.size_bytes) +
                     " bytes, expected a multiple of " + std::to_string(kLostGroupBytes),
                 "", ""};
  IMP_ASSIGN(uint64_t next, lower_bound(reader, component, record_count, first_group));
  std::array<std::byte, kRecordsPerRead * kLostGroupBytes> buffer;
  while (next < record_count) {
    const uint64_t count = std::min(kRecordsPerRead, record_count - next);
    const auto raw = MutableBytes(buffer).first(count * kLostGroupBytes);
    IMP_TRY(reader.read_component(component, next * kLostGroupBytes, raw));
    for (uint64_t i = 0; i < count; ++i) {
      const LostGroup lost = repack::parse_record(&raw[i * kLostGroupBytes]);
      if (lost.group_index < first_group || lost.group_index - first_group >= group_count)
        return {};
      const uint64_t group = lost.group_index - first_group;
      scales[group] = std::byte{lost.scale};
      if (!codes.empty())
        std::memcpy(&codes[group * lost.codes.size()], lost.codes.data(), lost.codes.size());
    }
    next += count;
  }
  return {};
}

}  // namespace imp::unpack

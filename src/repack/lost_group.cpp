#include <cstring>

#include "src/base/little_endian.h"
#include "src/repack/nvfp4.h"

namespace imp::repack {

void append_record(const LostGroup& group, std::vector<std::byte>& out) {
  const size_t at = out.size();
  out.resize(at + kLostGroupBytes);
  store_le(&out[at], group.group_index);
  store_le(&out[at + 8], group.scale);
  std::memcpy(&out[at + 9], group.codes.data(), group.codes.size());
}

LostGroup parse_record(const std::byte* at) {
  LostGroup group;
  group.group_index = load_le<uint64_t>(at);
  group.scale = load_le<uint8_t>(at + 8);
  std::memcpy(group.codes.data(), at + 9, group.codes.size());
  return group;
}

}  // namespace imp::repack

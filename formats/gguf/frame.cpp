#include "formats/gguf/frame.h"

#include <algorithm>

namespace imp::gguf {

std::vector<ByteRange> ranges_left(std::vector<ByteRange> owned, uint64_t file_bytes) {
  std::sort(owned.begin(), owned.end(),
            [](const ByteRange& a, const ByteRange& b) { return a.offset_bytes < b.offset_bytes; });
  std::vector<ByteRange> left;
  uint64_t at = 0;
  for (const ByteRange& range : owned) {
    if (range.offset_bytes > at) left.push_back({at, range.offset_bytes - at});
    at = std::max(at, range.offset_bytes + range.size_bytes);
  }
  if (at < file_bytes) left.push_back({at, file_bytes - at});
  return left;
}

Result<std::string> read_frame(const ReadFile& file, const Header& header, uint64_t cap_bytes) {
  std::vector<ByteRange> owned;
  for (const TensorInfo& tensor : header.tensors)
    owned.push_back({tensor.offset_bytes, tensor.size_bytes});
  const std::vector<ByteRange> left = ranges_left(std::move(owned), file.size_bytes());
  uint64_t total = 0;
  for (const ByteRange& range : left) total += range.size_bytes;
  if (total > cap_bytes)
    return Error{ErrorKind::kHeaderSize,
                 "has " + std::to_string(total) + " bytes beside its tensors, expected at most " +
                     std::to_string(cap_bytes),
                 file.path(), ""};
  std::string frame(total, '\0');
  uint64_t at = 0;
  for (const ByteRange& range : left) {
    IMP_TRY(file.read_at(range.offset_bytes,
                         std::as_writable_bytes(std::span(frame)).subspan(at, range.size_bytes)));
    at += range.size_bytes;
  }
  return frame;
}

}  // namespace imp::gguf

#include "formats/gguf/byte_reader.h"

#include <cstring>
#include <utility>

namespace imp::gguf {
namespace {

constexpr uint64_t kBufferBytes = 64u << 10;

}  // namespace

ByteReader::ByteReader(ReadAt read_at, uint64_t file_bytes)
    : read_at_(std::move(read_at)), file_bytes_(file_bytes) {}

Status ByteReader::fill() {
  buffer_.resize(std::min(kBufferBytes, remaining_bytes()));
  buffer_offset_bytes_ = position_bytes_;
  return read_at_(position_bytes_, buffer_);
}

Status ByteReader::read_bytes(MutableBytes out) {
  if (out.size() > remaining_bytes())
    return Error{ErrorKind::kTruncated,
                 "the file ends at byte " + std::to_string(file_bytes_) + ", expected " +
                     std::to_string(out.size()) + " bytes from byte " +
                     std::to_string(position_bytes_) + " on",
                 "", ""};
  if (out.empty()) return {};
  // What is larger than the buffer goes where it belongs, not through it.
  if (out.size() >= kBufferBytes) {
    IMP_TRY(read_at_(position_bytes_, out));
    position_bytes_ += out.size();
    return {};
  }
  size_t done = 0;
  while (done < out.size()) {
    const uint64_t begin = position_bytes_ - buffer_offset_bytes_;
    if (begin >= buffer_.size()) {
      IMP_TRY(fill());
      continue;
    }
    const size_t piece = std::min<size_t>(out.size() - done, buffer_.size() - begin);
    std::memcpy(out.data() + done, buffer_.data() + begin, piece);
    done += piece;
    position_bytes_ += piece;
  }
  return {};
}

Result<std::string> ByteReader::read_string(uint64_t cap_bytes, ErrorKind too_long) {
  const uint64_t at = position_bytes_;
  IMP_ASSIGN(const auto size_bytes, read<uint64_t>());
  if (size_bytes > cap_bytes)
    return Error{too_long,
                 "the string at byte " + std::to_string(at) + " has " + std::to_string(size_bytes) +
                     " bytes, expected at most " + std::to_string(cap_bytes),
                 "", ""};
  if (size_bytes > remaining_bytes())
    return Error{ErrorKind::kTruncated,
                 "the string at byte " + std::to_string(at) + " has " + std::to_string(size_bytes) +
                     " bytes, the file has " + std::to_string(remaining_bytes()) + " left",
                 "", ""};
  std::string text(size_bytes, '\0');
  IMP_TRY(read_bytes(std::as_writable_bytes(std::span(text))));
  return text;
}

}  // namespace imp::gguf

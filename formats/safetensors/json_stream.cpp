#include "formats/safetensors/json_stream.h"

#include <algorithm>
#include <span>
#include <string>
#include <utility>

namespace imp::safetensors {
namespace {

constexpr uint64_t kPieceBytes = 64u << 10;

}  // namespace

JsonStream::JsonStream(ReadAt read_at, uint64_t begin_offset_bytes, uint64_t end_offset_bytes)
    : read_at_(std::move(read_at)),
      buffer_offset_(begin_offset_bytes),
      end_offset_(end_offset_bytes) {}

void JsonStream::refill() {
  buffer_offset_ += buffer_.size();
  next_ = 0;
  buffer_.resize(error_ ? 0 : std::min(kPieceBytes, end_offset_ - buffer_offset_));
  if (buffer_.empty()) return;
  Status status = read_at_(buffer_offset_, std::as_writable_bytes(std::span(buffer_)));
  if (status.ok()) return;
  error_ = std::move(status).error();
  buffer_.clear();
}

void JsonStream::refuse_token() {
  if (error_) return;
  error_ = Error{ErrorKind::kHeaderSize,
                 "JSON token at byte " + std::to_string(position_bytes()) + " has more than " +
                     std::to_string(kMaxTokenBytes) + " bytes, expected shorter ones",
                 "", ""};
}

}  // namespace imp::safetensors

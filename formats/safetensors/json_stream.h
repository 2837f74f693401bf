// JSON text of a file, handed to nlohmann's SAX parser byte by byte, 64 KiB in memory at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <iterator>
#include <nlohmann/json.hpp>
#include <optional>
#include <vector>

#include "src/base/file.h"
#include "src/base/result.h"

namespace imp::safetensors {

/// Fills a range of the source, as ReadFile::read_at does.
using ReadAt = std::function<Status(uint64_t offset_bytes, MutableBytes out)>;

/// The longest string or run of other bytes between two strings. The parser keeps the current token
/// in memory, so that this bounds its memory; a workflow in `__metadata__` is a few MiB at most.
inline constexpr uint64_t kMaxTokenBytes = 8u << 20;

/// The bytes [begin, end) of a source. Seems to end early after an error: ask error() when the
/// parser is done.
class JsonStream {
 public:
  JsonStream(ReadAt read_at, uint64_t begin_offset_bytes, uint64_t end_offset_bytes);

  bool at_end() {
    if (next_ == buffer_.size()) refill();
    return next_ == buffer_.size();
  }
  /// REQUIRES: !at_end()
  char peek() const { return buffer_[next_]; }
  /// REQUIRES: !at_end()
  void advance() {
    count_token_byte(buffer_[next_]);
    ++next_;
  }
  /// Offset in the source of the byte that peek() gives.
  uint64_t position_bytes() const { return buffer_offset_ + next_; }
  /// What read_at said, or kHeaderSize for a token above kMaxTokenBytes.
  const std::optional<Error>& error() const { return error_; }

 private:
  void refill();
  void refuse_token();
  void count_token_byte(char c) {
    if (escaped_) {
      escaped_ = false;
    } else if (c == '"') {
      in_string_ = !in_string_;
      token_bytes_ = 0;
    } else if (c == '\\') {
      escaped_ = in_string_;
    }
    if (++token_bytes_ > kMaxTokenBytes) refuse_token();
  }

  ReadAt read_at_;
  uint64_t buffer_offset_;
  uint64_t end_offset_;
  std::vector<char> buffer_;
  size_t next_ = 0;
  uint64_t token_bytes_ = 0;
  bool in_string_ = false;
  bool escaped_ = false;
  std::optional<Error> error_;
};

/// Input iterator over a JsonStream; the default one is the end. Copies share the stream's
/// position.
class JsonIterator {
 public:
  using iterator_category = std::input_iterator_tag;
  using value_type = char;
  using difference_type = std::ptrdiff_t;
  using pointer = const char*;
  using reference = char;

  JsonIterator() = default;
  explicit JsonIterator(JsonStream* stream) : stream_(stream) {}
  char operator*() const { return stream_->peek(); }
  JsonIterator& operator++() {
    stream_->advance();
    return *this;
  }
  bool operator==(const JsonIterator& other) const { return at_end() == other.at_end(); }

 private:
  bool at_end() const { return stream_ == nullptr || stream_->at_end(); }
  JsonStream* stream_ = nullptr;
};

/// Parse one JSON value. False if `sax` or the parser refused, or the stream ended early. With
/// `whole`, nothing but white space may follow; without, the stream stays right behind the value.
inline bool parse_json(JsonStream& stream, nlohmann::json::json_sax_t& sax, bool whole) {
  const bool parsed = nlohmann::json::sax_parse(JsonIterator(&stream), JsonIterator(), &sax,
                                                nlohmann::json::input_format_t::json, whole);
  return parsed && !stream.error();
}

}  // namespace imp::safetensors

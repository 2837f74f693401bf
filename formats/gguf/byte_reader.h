// The header of a GGUF file as a stream of numbers and strings in the file's byte order. Holds one
// bounded buffer, so that a header of 100 MB costs no more memory than what is kept of it.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "src/base/file.h"
#include "src/base/little_endian.h"
#include "src/base/result.h"

namespace imp::gguf {

class ByteReader {
 public:
  /// Fills its span from an offset; called only with ranges inside the file.
  using ReadAt = std::function<Status(uint64_t, MutableBytes)>;

  ByteReader(ReadAt read_at, uint64_t file_bytes);

  uint64_t position_bytes() const { return position_bytes_; }
  uint64_t remaining_bytes() const { return file_bytes_ - position_bytes_; }
  uint64_t file_bytes() const { return file_bytes_; }
  bool big_endian() const { return big_endian_; }
  /// Numbers read from here on are byte-swapped.
  void set_big_endian() { big_endian_ = true; }

  /// Errors of all reads: kTruncated where the file has fewer bytes left, naming the byte; kIo.
  Status read_bytes(MutableBytes out);

  template <class T>
  Result<T> read() {
    std::array<std::byte, sizeof(T)> bytes{};
    IMP_TRY(read_bytes(bytes));
    if (big_endian_) std::reverse(bytes.begin(), bytes.end());
    return load_le<T>(bytes.data());
  }

  /// A 64-bit length, then that many bytes. Errors: `too_long` for a length above `cap_bytes`.
  Result<std::string> read_string(uint64_t cap_bytes, ErrorKind too_long);

 private:
  Status fill();

  ReadAt read_at_;
  uint64_t file_bytes_;
  uint64_t position_bytes_ = 0;
  bool big_endian_ = false;
  std::vector<std::byte> buffer_;  ///< bytes of the file from buffer_offset_bytes_ on
  uint64_t buffer_offset_bytes_ = 0;
};

}  // namespace imp::gguf

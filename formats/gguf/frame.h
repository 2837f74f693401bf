// The frame of a GGUF file: what of it no tensor owns (header, padding, gaps, trailing bytes), in
// the order of the file. Frame and tensors together are the file, byte for byte.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "formats/gguf/file.h"

namespace imp::gguf {

struct ByteRange {
  uint64_t offset_bytes = 0;
  uint64_t size_bytes = 0;
};

/// What `owned` leaves of [0, file_bytes), ascending, none empty; `owned` in any order, equal
/// ranges allowed. REQUIRES: each lies inside the file.
std::vector<ByteRange> ranges_left(std::vector<ByteRange> owned, uint64_t file_bytes);

/// Errors: kHeaderSize if the frame has more than `cap_bytes`; kIo, kTruncated.
Result<std::string> read_frame(const ReadFile& file, const Header& header, uint64_t cap_bytes);

}  // namespace imp::gguf

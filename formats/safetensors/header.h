// The header of a safetensors file: names, dtypes, shapes and byte ranges, checked as a whole.
// Rules: formats/safetensors/SPEC.md.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "src/base/dtype.h"
#include "src/base/file.h"
#include "src/base/result.h"
#include "src/base/shape.h"

namespace imp::safetensors {

/// The format's cap on the JSON header (safetensors tensor.rs, MAX_HEADER_SIZE).
inline constexpr uint64_t kMaxHeaderBytes = 100'000'000;

struct TensorInfo {
  std::string name;
  Dtype dtype = Dtype::kU8;
  Shape shape;
  uint64_t offset_bytes = 0;  ///< from the start of the file
  uint64_t size_bytes = 0;
};

struct Header {
  std::vector<TensorInfo> tensors;  ///< in order of offset; zero-sized ones keep header order
  bool has_metadata = false;
  std::vector<std::pair<std::string, std::string>> metadata;  ///< "__metadata__", in file order
  uint64_t data_offset_bytes = 0;                             ///< 8 + header size
};

/// Read and check the header of `file`: every rule of SPEC.md, so that afterwards each byte behind
/// the header belongs to exactly one tensor. The header is parsed as a stream and never held whole.
/// Errors: kTruncated, kHeaderSize, kHeaderSyntax, kDuplicateName, kUnknownDtype, kBadShape, kHole,
/// kOverlap, kTrailingBytes, kBadName; kUnsupportedFormat for a rank above kMaxRank; kBadMagic for
/// a Git LFS pointer; kIo.
Result<Header> read_header(const ReadFile& file);
/// The same for a whole file in memory; errors name no file.
Result<Header> read_header(Bytes file);

/// The bytes before the data section of a file that holds `header.tensors` in this order: size
/// field, JSON (padded with spaces so that the data starts at a multiple of 8). offset_bytes of the
/// tensors is ignored: they are laid out back to back.
/// REQUIRES: names and metadata are well-formed UTF-8, no name is "__metadata__" or occurs twice.
std::string write_header(const Header& header);

}  // namespace imp::safetensors

#include <algorithm>
#include <cstring>
#include <string_view>

#include "formats/safetensors/header.h"
#include "formats/safetensors/header_json.h"
#include "formats/safetensors/json_stream.h"
#include "src/base/little_endian.h"
#include "src/base/repeated_name.h"

namespace imp::safetensors {
namespace {

constexpr uint64_t kSizeFieldBytes = 8;
constexpr uint64_t kMinJsonBytes = 2;  // "{}"
/// First bytes of the text file that stands for a file kept in Git LFS (git-lfs docs/spec.md).
constexpr std::string_view kGitLfsStart = "version ";
static_assert(kGitLfsStart.size() == kSizeFieldBytes);

/// A file, or bytes that stand for one.
struct Source {
  uint64_t size_bytes;
  ReadAt read_at;
};

/// The size field, checked against the file and the cap.
Result<uint64_t> read_json_size(const Source& source) {
  if (source.size_bytes < kSizeFieldBytes)
    return Error{ErrorKind::kTruncated,
                 "has " + std::to_string(source.size_bytes) + " bytes, expected at least 8", "",
                 ""};
  std::array<std::byte, kSizeFieldBytes> field{};
  IMP_TRY(source.read_at(0, field));
  if (std::memcmp(field.data(), kGitLfsStart.data(), kSizeFieldBytes) == 0)
    return Error{ErrorKind::kBadMagic,
                 "is a Git LFS pointer, expected the file itself (git lfs pull fetches it)", "",
                 ""};
  const auto json_size = load_le<uint64_t>(field.data());
  const uint64_t limit = std::min(kMaxHeaderBytes, source.size_bytes - kSizeFieldBytes);
  if (json_size < kMinJsonBytes || json_size > limit)
    return Error{ErrorKind::kHeaderSize,
                 "header size is " + std::to_string(json_size) + " in a file of " +
                     std::to_string(source.size_bytes) + " bytes, expected 2 to " +
                     std::to_string(limit),
                 "", ""};
  return json_size;
}

Status check_first_byte(const Source& source) {
  std::array<std::byte, 1> first{};
  IMP_TRY(source.read_at(kSizeFieldBytes, first));
  if (first[0] == std::byte{'{'}) return {};
  return Error{ErrorKind::kHeaderSyntax,
               "header begins with byte " + std::to_string(std::to_integer<int>(first[0])) +
                   ", expected '{'",
               "", ""};
}

/// What follows the JSON's closing brace inside the header: spaces, nothing else.
Status check_padding(const Source& source, uint64_t begin, uint64_t end) {
  std::vector<std::byte> piece;
  for (uint64_t at = begin; at < end; at += piece.size()) {
    piece.resize(std::min<uint64_t>(end - at, 64u << 10));
    IMP_TRY(source.read_at(at, piece));
    const auto bad =
        std::find_if(piece.begin(), piece.end(), [](std::byte b) { return b != std::byte{' '}; });
    if (bad != piece.end())
      return Error{ErrorKind::kHeaderSyntax,
                   "byte " + std::to_string(at + static_cast<uint64_t>(bad - piece.begin())) +
                       " behind the header's JSON is " +
                       std::to_string(std::to_integer<int>(*bad)) + ", expected a space (32)",
                   "", ""};
  }
  return {};
}

Status check_unique_names(const std::vector<TensorInfo>& tensors) {
  const std::string* twice = repeated_name(tensors);
  if (twice == nullptr) return {};
  return Error{ErrorKind::kDuplicateName, "occurs twice in the header, expected once", "", *twice};
}

/// One sweep in order of offset: each tensor begins where the one before ended, and the last one
/// ends with the file. Nothing is then left for holes, overlaps or trailing bytes.
Status check_cover(const std::vector<TensorInfo>& tensors, uint64_t data_size) {
  uint64_t covered = 0;
  for (const TensorInfo& tensor : tensors) {
    const std::string begins = "data begins at " + std::to_string(tensor.offset_bytes) +
                               ", expected " + std::to_string(covered) +
                               " where the tensor before it ends";
    if (tensor.offset_bytes > covered) return Error{ErrorKind::kHole, begins, "", tensor.name};
    if (tensor.offset_bytes < covered) return Error{ErrorKind::kOverlap, begins, "", tensor.name};
    if (tensor.size_bytes > data_size - covered)
      return Error{ErrorKind::kTruncated,
                   "data ends at " + std::to_string(tensor.offset_bytes) + " + " +
                       std::to_string(tensor.size_bytes) + ", the file's data section has " +
                       std::to_string(data_size) + " bytes",
                   "", tensor.name};
    covered += tensor.size_bytes;
  }
  if (covered == data_size) return {};
  return Error{
      ErrorKind::kTrailingBytes,
      "has " + std::to_string(data_size - covered) + " bytes after the last tensor, expected none",
      "", ""};
}

Result<Header> read_source(const Source& source) {
  IMP_ASSIGN(const uint64_t json_size, read_json_size(source));
  IMP_TRY(check_first_byte(source));
  const uint64_t data_offset = kSizeFieldBytes + json_size;
  JsonStream stream(source.read_at, kSizeFieldBytes, data_offset);
  IMP_ASSIGN(Header header, parse_header_json(stream));
  IMP_TRY(check_padding(source, stream.position_bytes(), data_offset));
  IMP_TRY(check_unique_names(header.tensors));
  // By begin, then end: an empty tensor comes before the one whose first byte is at its place.
  std::stable_sort(header.tensors.begin(), header.tensors.end(),
                   [](const TensorInfo& a, const TensorInfo& b) {
                     return a.offset_bytes != b.offset_bytes ? a.offset_bytes < b.offset_bytes
                                                             : a.size_bytes < b.size_bytes;
                   });
  IMP_TRY(check_cover(header.tensors, source.size_bytes - data_offset));
  for (TensorInfo& tensor : header.tensors) tensor.offset_bytes += data_offset;
  header.data_offset_bytes = data_offset;
  return header;
}

}  // namespace

Result<Header> read_header(const ReadFile& file) {
  const Source source{file.size_bytes(), [&file](uint64_t offset_bytes, MutableBytes out) {
                        return file.read_at(offset_bytes, out);
                      }};
  Result<Header> header = read_source(source);
  if (!header.ok()) return std::move(header).error().in_file(file.path());
  return header;
}

Result<Header> read_header(Bytes file) {
  const Source source{file.size(), [file](uint64_t offset_bytes, MutableBytes out) -> Status {
                        std::memcpy(out.data(), file.data() + offset_bytes, out.size());
                        return {};
                      }};
  return read_source(source);
}

}  // namespace imp::safetensors

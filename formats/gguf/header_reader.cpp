#include <array>
#include <bit>
#include <cstring>
#include <string_view>
#include <utility>

#include "formats/gguf/byte_reader.h"
#include "formats/gguf/file.h"
#include "formats/gguf/metadata_reader.h"
#include "formats/gguf/tensor_infos.h"
#include "src/base/checked.h"
#include "src/base/text.h"

namespace imp::gguf {
namespace {

constexpr uint64_t kFixedBytes = 24;  // magic, version, two counts
constexpr uint64_t kMaxRecords = 1u << 20;
constexpr uint64_t kLeastKeyValueBytes = 13;  // empty key, type, one byte
constexpr uint64_t kLeastInfoBytes = 32;      // empty name, one dimension, type, offset
constexpr uint64_t kMaxAlignmentBytes = 1u << 20;
constexpr uint64_t kUsualAlignmentBytes = 32;

/// What the first four bytes are instead; empty if they say nothing.
std::string_view other_format(std::string_view magic) {
  if (magic == "vers") return " (a Git LFS pointer: git lfs pull fetches the file itself)";
  if (magic == "FUGG") return " (GGUF with its magic swapped, which no known writer makes)";
  if (magic == "tjgg" || magic == "ggjt" || magic == "fmgg" || magic == "ggmf" || magic == "lmgg" ||
      magic == "ggml")
    return " (a format older than GGUF; convert the original checkpoint again)";
  return "";
}

Status check_magic(ByteReader& reader) {
  std::array<char, 4> magic{};
  IMP_TRY(reader.read_bytes(std::as_writable_bytes(std::span(magic))));
  const std::string_view text(magic.data(), magic.size());
  if (text == "GGUF") return {};
  return Error{ErrorKind::kBadMagic,
               "begins with '" + printable(text) + "'" + std::string(other_format(text)) +
                   ", expected 'GGUF'",
               "", ""};
}

/// Nothing in a file says its byte order: a version whose low half is zero is one that was stored
/// the other way round.
Result<uint32_t> read_version(ByteReader& reader) {
  IMP_ASSIGN(auto version, reader.read<uint32_t>());
  if (version != 0 && (version & 0xFFFF) == 0) {
    reader.set_big_endian();
    version = version >> 24 | (version >> 8 & 0xFF00);
  }
  if (version == 2 || version == 3) return version;
  return Error{ErrorKind::kUnsupportedVersion,
               "GGUF version " + std::to_string(version) + ", expected 2 or 3" +
                   (version == 1 ? " (convert the original checkpoint again)" : ""),
               "", ""};
}

Status check_count(const ByteReader& reader, uint64_t count, uint64_t least_bytes,
                   std::string_view what) {
  if (count > kMaxRecords)
    return Error{ErrorKind::kHeaderSize,
                 "says that it has " + std::to_string(count) + " " + std::string(what) +
                     ", expected at most " + std::to_string(kMaxRecords),
                 "", ""};
  if (count * least_bytes > reader.remaining_bytes())
    return Error{ErrorKind::kTruncated,
                 "says that it has " + std::to_string(count) + " " + std::string(what) +
                     ", which need " + std::to_string(count * least_bytes) + " bytes or more; " +
                     std::to_string(reader.remaining_bytes()) + " are left",
                 "", ""};
  return {};
}

Result<uint64_t> find_alignment(const Header& header, const std::string& who, Log& log) {
  const Value* value = header.find("general.alignment");
  if (value == nullptr) return kUsualAlignmentBytes;
  if (value->is_array || value->type != ValueType::kU32)
    return Error{ErrorKind::kHeaderSyntax, "key 'general.alignment' is no 32-bit unsigned number",
                 "", ""};
  const uint64_t alignment_bytes = *value->as_uint();
  if (!std::has_single_bit(alignment_bytes) || alignment_bytes > kMaxAlignmentBytes)
    return Error{ErrorKind::kHeaderSyntax,
                 "key 'general.alignment' is " + std::to_string(alignment_bytes) +
                     ", expected a power of two up to " + std::to_string(kMaxAlignmentBytes),
                 "", ""};
  if (alignment_bytes < 8)
    log.warn(who + "general.alignment is " + std::to_string(alignment_bytes) +
             ", less than the 8 that the format asks for");
  return alignment_bytes;
}

/// Only a file with tensors must have its data section.
Status place_data(const ByteReader& reader, Header& header) {
  const uint64_t file_bytes = reader.file_bytes();
  const uint64_t padding =
      round_up(reader.position_bytes(), header.alignment_bytes) - reader.position_bytes();
  if (padding > reader.remaining_bytes() && !header.tensors.empty())
    return Error{ErrorKind::kTruncated,
                 "ends at byte " + std::to_string(file_bytes) + ", expected the data section at " +
                     std::to_string(reader.position_bytes() + padding),
                 "", ""};
  header.data_offset_bytes = reader.position_bytes() + std::min(padding, reader.remaining_bytes());
  return {};
}

Result<Header> read_all(ByteReader& reader, const std::string& who, Log& log,
                        std::optional<uint64_t> alignment_bytes) {
  IMP_TRY(check_magic(reader));
  if (reader.file_bytes() < kFixedBytes)
    return Error{ErrorKind::kTruncated,
                 "has " + std::to_string(reader.file_bytes()) + " bytes, expected at least 24", "",
                 ""};
  Header header;
  IMP_ASSIGN(header.version, read_version(reader));
  header.big_endian = reader.big_endian();
  IMP_ASSIGN(const auto num_tensors, reader.read<uint64_t>());
  IMP_ASSIGN(const auto num_keys, reader.read<uint64_t>());
  IMP_TRY(check_count(reader, num_tensors, kLeastInfoBytes, "tensors"));
  IMP_TRY(check_count(reader, num_keys, kLeastKeyValueBytes, "metadata keys"));
  IMP_ASSIGN(header.metadata, read_metadata(reader, num_keys, who, log));
  IMP_ASSIGN(header.alignment_bytes, find_alignment(header, who, log));
  if (alignment_bytes) header.alignment_bytes = *alignment_bytes;
  IMP_TRY(check_count(reader, num_tensors, kLeastInfoBytes, "tensors"));
  IMP_ASSIGN(header.tensors, read_tensor_infos(reader, num_tensors, header.alignment_bytes));
  IMP_TRY(place_data(reader, header));
  IMP_TRY(check_placement(header.tensors, reader.file_bytes() - header.data_offset_bytes,
                          header.alignment_bytes, who, log));
  for (TensorInfo& tensor : header.tensors) tensor.offset_bytes += header.data_offset_bytes;
  return header;
}

}  // namespace

Result<Header> read_header(const ReadFile& file, Log& log,
                           std::optional<uint64_t> alignment_bytes) {
  ByteReader reader(
      [&file](uint64_t offset_bytes, MutableBytes out) { return file.read_at(offset_bytes, out); },
      file.size_bytes());
  Result<Header> header = read_all(reader, file.path() + ": ", log, alignment_bytes);
  if (!header.ok()) return std::move(header).error().in_file(file.path());
  return header;
}

Result<Header> read_header(Bytes file, Log& log, std::optional<uint64_t> alignment_bytes) {
  ByteReader reader(
      [file](uint64_t offset_bytes, MutableBytes out) -> Status {
        std::memcpy(out.data(), file.data() + offset_bytes, out.size());
        return {};
      },
      file.size());
  return read_all(reader, "", log, alignment_bytes);
}

}  // namespace imp::gguf

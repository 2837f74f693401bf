// Reader::open: header, section table, sections, index, in this order; nothing is used before the
// checks of SPEC "What a reader checks" that guard it.
#include <algorithm>
#include <cstring>
#include <utility>

#include "formats/imp/index_checks.h"
#include "formats/imp/reader.h"
#include "formats/imp/section_checks.h"
#include "formats/imp/section_layout.h"
#include "src/base/checked.h"
#include "src/base/digest.h"

namespace imp::artifact {
namespace {

constexpr uint64_t kPrefixBytes = 12;  ///< magic and version, the same in every version for ever
constexpr uint64_t kReadBytes = 1u << 20;

std::string num(uint64_t value) { return std::to_string(value); }

Error fail(ErrorKind kind, std::string what) { return Error{kind, std::move(what), "", ""}; }

std::string version_text(uint16_t major, uint16_t minor) { return num(major) + "." + num(minor); }

template <class T>
std::span<const T> records_at(const std::byte* bytes, uint64_t size_bytes) {
  return {reinterpret_cast<const T*>(bytes), size_bytes / sizeof(T)};
}

}  // namespace

class ReaderBuilder {
 public:
  explicit ReaderBuilder(ReadFile file) {
    reader_.path_ = file.path();
    reader_.files_.push_back(std::move(file));
  }

  Status run(const std::filesystem::path& folder) {
    IMP_TRY(read_header());
    IMP_TRY(check_header());
    IMP_TRY(read_section_table());
    IMP_TRY(check_sections());
    IMP_TRY(load_index());
    IMP_TRY(check_unloaded_digests());
    IMP_TRY(check_index(reader_.tables_, bounds_));
    return open_payload_files(folder);
  }

  Reader take() { return std::move(reader_); }

 private:
  const ReadFile& file() const { return reader_.files_[0]; }
  const FileHeader& header() const { return reader_.header_; }
  const SectionEntry& entry(SectionType type) const {
    return reader_.sections_[static_cast<size_t>(type) - 1];
  }

  /// Magic and version first: a file of any version must be refused by its name.
  Status read_header() {
    FileHeader& h = reader_.header_;
    const uint64_t size = std::min<uint64_t>(file().size_bytes(), sizeof h);
    IMP_TRY(file().read_at(0, std::as_writable_bytes(std::span(&h, 1)).first(size)));
    if (std::memcmp(h.magic, kMagic, std::min<uint64_t>(size, sizeof kMagic)) != 0)
      return fail(ErrorKind::kBadMagic,
                  "the first bytes are not those of an .imp file, or were damaged by a text-mode "
                  "transfer");
    if (size >= kPrefixBytes && h.major_version != kMajorVersion)
      return fail(ErrorKind::kUnsupportedVersion,
                  "format version is " + version_text(h.major_version, h.minor_version) +
                      ", this reader knows " + version_text(kMajorVersion, kMinorVersion));
    if (size < sizeof h)
      return fail(ErrorKind::kTruncated, "file has " + num(file().size_bytes()) +
                                             " bytes, expected a header of " + num(sizeof h));
    return {};
  }

  Status check_header() const {
    const FileHeader& h = header();
    FileHeader unsummed = h;
    unsummed.checksum = 0;
    if (xxh3_64(std::as_bytes(std::span(&unsummed, 1))) != h.checksum)
      return fail(ErrorKind::kBadChecksum, "the header does not match its checksum");
    if (h.incompatible_features != 0)
      return fail(ErrorKind::kUnsupportedVersion,
                  "incompatible_features is " + num(h.incompatible_features) +
                      ", this reader knows none; the file's version is " +
                      version_text(h.major_version, h.minor_version));
    if (h.header_bytes != sizeof h || h.section_entry_bytes != sizeof(SectionEntry) ||
        h.section_table_offset_bytes != kSectionTableOffsetBytes)
      return fail(ErrorKind::kBadRecord,
                  "header: header_bytes, section_table_offset_bytes and section_entry_bytes are " +
                      num(h.header_bytes) + ", " + num(h.section_table_offset_bytes) + " and " +
                      num(h.section_entry_bytes) + ", expected 256, 256 and 64");
    if (!all_zero(h.reserved, sizeof h.reserved))
      return fail(ErrorKind::kNonZeroPadding, "header: a reserved field is not zero");
    return check_file_size();
  }

  Status check_file_size() const {
    const uint64_t actual = file().size_bytes();
    const uint64_t total = header().total_bytes;
    if (actual == total) return {};
    return fail(actual < total ? ErrorKind::kTruncated : ErrorKind::kTrailingBytes,
                "file has " + num(actual) + " bytes, expected " + num(total));
  }

  Status read_section_table() {
    const FileHeader& h = header();
    if (h.section_count < kKnownSectionCount)
      return fail(ErrorKind::kBadSection, "the file has " + num(h.section_count) +
                                              " sections, expected at least " +
                                              num(kKnownSectionCount));
    const uint64_t size = uint64_t{h.section_count} * sizeof(SectionEntry);
    if (!range_fits(kSectionTableOffsetBytes, size, h.total_bytes))
      return fail(ErrorKind::kBadSection,
                  "the table of " + num(h.section_count) + " sections does not fit the file");
    reader_.sections_.resize(h.section_count);
    const auto bytes = std::as_writable_bytes(std::span(reader_.sections_));
    IMP_TRY(file().read_at(kSectionTableOffsetBytes, bytes));
    const Digest128 digest = xxh3_128(bytes);
    if (!std::ranges::equal(digest, h.section_table_digest))
      return fail(ErrorKind::kBadChecksum, "the section table does not match its digest");
    return {};
  }

  Status check_sections() {
    uint64_t end = kSectionTableOffsetBytes + reader_.sections_.size() * sizeof(SectionEntry);
    uint32_t type_before = 0;
    for (const SectionEntry& e : reader_.sections_) {
      IMP_TRY(check_section_entry(e, type_before));
      // end is at most total_bytes, which the file really has: round_up cannot wrap.
      const uint64_t start = round_up(end, section_alignment_bytes(e.type));
      if (e.offset_bytes != start || !range_fits(start, e.stored_bytes, header().total_bytes))
        return fail(ErrorKind::kBadSection, section_name(e.type) + " is bytes " +
                                                num(e.offset_bytes) + " + " + num(e.stored_bytes) +
                                                ", expected to start at " + num(start) +
                                                " and end by " + num(header().total_bytes));
      IMP_TRY(check_gap(end, start, e.type));
      type_before = e.type;
      end = start + e.stored_bytes;
    }
    if (end != header().total_bytes)
      return fail(ErrorKind::kBadSection, "the last section ends at " + num(end) +
                                              ", expected the end of the file, " +
                                              num(header().total_bytes));
    return {};
  }

  Status check_gap(uint64_t from, uint64_t to, uint32_t type) const {
    std::byte gap[kLargeAlignmentBytes];
    const auto bytes = std::span(gap).first(to - from);
    IMP_TRY(file().read_at(from, bytes));
    if (all_zero(bytes.data(), bytes.size())) return {};
    return fail(ErrorKind::kNonZeroPadding, "bytes " + num(from) + " to " + num(to) + " before " +
                                                section_name(type) + " are not zero");
  }

  /// Sections 1 to 9 in one read, chunk and companion tables behind them; one block of memory.
  Status load_index() {
    const uint64_t start = entry(SectionType::kOperands).offset_bytes;
    const SectionEntry& strings = entry(SectionType::kStrings);
    const SectionEntry& chunks = entry(SectionType::kChunks);
    const SectionEntry& companions = entry(SectionType::kCompanionTable);
    const uint64_t index_size = strings.offset_bytes + strings.stored_bytes - start;
    const uint64_t chunks_at = round_up(index_size, kSectionAlignmentBytes);
    const uint64_t companions_at =
        round_up(chunks_at + chunks.stored_bytes, kSectionAlignmentBytes);
    // Disjoint sections of the file, so that the file backs every byte of this but the padding.
    const uint64_t size = companions_at + companions.stored_bytes;
    reader_.index_ = std::make_unique_for_overwrite<std::byte[]>(size);
    std::byte* const base = reader_.index_.get();
    IMP_TRY(file().read_at(start, MutableBytes(base, index_size)));
    IMP_TRY(
        file().read_at(chunks.offset_bytes, MutableBytes(base + chunks_at, chunks.stored_bytes)));
    IMP_TRY(file().read_at(companions.offset_bytes,
                           MutableBytes(base + companions_at, companions.stored_bytes)));
    for (size_t i = 0; i < kIndexSectionCount; ++i) {
      const SectionEntry& e = reader_.sections_[i];
      IMP_TRY(check_digest(e, xxh3_128(Bytes(base + (e.offset_bytes - start), e.stored_bytes))));
    }
    IMP_TRY(check_digest(chunks, xxh3_128(Bytes(base + chunks_at, chunks.stored_bytes))));
    IMP_TRY(
        check_digest(companions, xxh3_128(Bytes(base + companions_at, companions.stored_bytes))));
    set_tables(base, start, chunks_at, companions_at);
    return {};
  }

  void set_tables(const std::byte* base, uint64_t start, uint64_t chunks_at,
                  uint64_t companions_at) {
    const auto set = [&]<class T>(SectionType type, std::span<const T>& table) {
      const SectionEntry& e = entry(type);
      table = records_at<T>(base + (e.offset_bytes - start), e.stored_bytes);
    };
    IndexTables& t = reader_.tables_;
    set(SectionType::kOperands, t.operands);
    set(SectionType::kParts, t.parts);
    set(SectionType::kForms, t.forms);
    set(SectionType::kComponents, t.components);
    set(SectionType::kScalars, t.scalars);
    set(SectionType::kSourceFiles, t.source_files);
    set(SectionType::kSourceTensors, t.source_tensors);
    set(SectionType::kPayloadFiles, t.payload_files);
    const SectionEntry& strings = entry(SectionType::kStrings);
    t.strings = {reinterpret_cast<const char*>(base + (strings.offset_bytes - start)),
                 strings.stored_bytes};
    t.chunks = records_at<ChunkRecord>(base + chunks_at, entry(SectionType::kChunks).stored_bytes);
    t.companions = records_at<CompanionRecord>(base + companions_at,
                                               entry(SectionType::kCompanionTable).stored_bytes);
    bounds_.payload_offset_bytes = entry(SectionType::kPayload).offset_bytes;
    bounds_.payload_size_bytes = entry(SectionType::kPayload).stored_bytes;
    bounds_.exceptions_offset_bytes = entry(SectionType::kExceptions).offset_bytes;
    bounds_.exceptions_size_bytes = entry(SectionType::kExceptions).stored_bytes;
    bounds_.companion_size_bytes = entry(SectionType::kCompanionBytes).stored_bytes;
  }

  static Status check_digest(const SectionEntry& e, const Digest128& digest) {
    if (std::ranges::equal(digest, e.digest)) return {};
    return fail(ErrorKind::kBadChecksum, section_name(e.type) + " does not match its digest");
  }

  /// Manifest, companion bytes and sections that this version does not know, piece by piece.
  Status check_unloaded_digests() const {
    std::vector<std::byte> buffer;
    for (size_t i = 0; i < reader_.sections_.size(); ++i) {
      const SectionEntry& e = reader_.sections_[i];
      const auto type = static_cast<SectionType>(e.type);
      const bool loaded = i < kIndexSectionCount || type == SectionType::kChunks ||
                          type == SectionType::kCompanionTable;
      if (loaded || is_chunked(type)) continue;
      Xxh3Stream stream;
      for (uint64_t done = 0; done < e.stored_bytes;) {
        buffer.resize(std::min(kReadBytes, e.stored_bytes - done));
        IMP_TRY(file().read_at(e.offset_bytes + done, buffer));
        stream.update(buffer);
        done += buffer.size();
      }
      IMP_TRY(check_digest(e, stream.digest()));
    }
    return {};
  }

  Status open_payload_files(const std::filesystem::path& folder) {
    const IndexTables& t = reader_.tables_;
    for (size_t i = 1; i < t.payload_files.size(); ++i) {
      const PayloadFileRecord& record = t.payload_files[i];
      IMP_ASSIGN(ReadFile opened, ReadFile::open(folder / t.text(record.name)));
      const uint64_t actual = opened.size_bytes();
      if (actual != record.size_bytes)
        return fail(actual < record.size_bytes ? ErrorKind::kTruncated : ErrorKind::kTrailingBytes,
                    "file has " + num(actual) + " bytes, expected " + num(record.size_bytes))
            .in_file(opened.path());
      reader_.files_.push_back(std::move(opened));
    }
    return {};
  }

  Reader reader_;
  PayloadBounds bounds_;
};

Result<Reader> Reader::open(const std::filesystem::path& path) {
  IMP_ASSIGN(ReadFile file, ReadFile::open(path));
  ReaderBuilder builder(std::move(file));
  if (Status status = builder.run(path.parent_path()); !status.ok())
    return std::move(status).error().in_file(path.string());
  return builder.take();
}

}  // namespace imp::artifact

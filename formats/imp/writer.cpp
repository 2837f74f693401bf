#include "formats/imp/writer.h"

#include <algorithm>
#include <array>
#include <cassert>
#include <cstring>
#include <limits>
#include <utility>

#include "formats/imp/artifact_id.h"
#include "formats/imp/chunks.h"
#include "formats/imp/index_checks.h"
#include "formats/imp/section_layout.h"
#include "formats/imp/zstd_frame.h"
#include "src/base/dtype.h"

namespace imp::artifact {
namespace {

constexpr uint64_t kSectionTableBytes = kKnownSectionCount * sizeof(SectionEntry);

Error internal(std::string what) { return Error{ErrorKind::kInternal, std::move(what), "", ""}; }

bool is_exceptions(const ComponentRecord& c) {
  return c.kind == static_cast<uint16_t>(ComponentKind::kExceptions);
}

IndexTables tables_of(const Index& index) {
  IndexTables t;
  t.operands = index.operands;
  t.parts = index.parts;
  t.forms = index.forms;
  t.components = index.components;
  t.scalars = index.scalars;
  t.source_files = index.source_files;
  t.source_tensors = index.source_tensors;
  t.payload_files = index.payload_files;
  t.strings = index.strings.bytes();
  return t;
}

/// Puts exceptions one after another and digests their chunks on the way.
class ExceptionsWriter {
 public:
  ExceptionsWriter(OutputFile& file, uint64_t start_bytes)
      : file_(file), start_bytes_(start_bytes) {}

  Status write(uint32_t component_index, ComponentRecord& component,
               const ExceptionSource& source) {
    static constexpr std::byte kZeros[kExceptionsAlignmentBytes] = {};
    const uint64_t padding = round_up(used_bytes_, kExceptionsAlignmentBytes) - used_bytes_;
    IMP_TRY(append(Bytes(kZeros, padding)));
    const uint64_t size = source.size_bytes(component_index);
    component.offset_bytes = start_bytes_ + used_bytes_;
    component.size_bytes = size;
    component.dtype = static_cast<uint16_t>(Dtype::kU8);
    component.rank = 1;
    std::ranges::fill(component.dims, uint64_t{0});
    component.dims[0] = size;
    const uint64_t end = used_bytes_ + size;
    IMP_TRY(source.read(component_index, [&](Bytes piece) { return append(piece); }));
    if (used_bytes_ != end)
      return internal("exceptions of component " + std::to_string(component_index) +
                      " are not as long as said");
    return {};
  }

  /// Appends the section's chunks. REQUIRES: called once, after all writes.
  void finish(std::vector<ChunkRecord>& chunks) {
    if (used_bytes_ % kChunkBytes != 0) digests_.push_back(open_.digest());
    size_t i = 0;
    for_each_exceptions_chunk(start_bytes_, used_bytes_, [&](uint64_t offset, uint64_t size) {
      ChunkRecord& c = chunks.emplace_back();
      c.offset_bytes = offset;
      c.size_bytes = static_cast<uint32_t>(size);
      std::ranges::copy(digests_[i++], c.digest);
      return true;
    });
  }

  uint64_t used_bytes() const { return used_bytes_; }

 private:
  Status append(Bytes piece) {
    while (!piece.empty()) {
      const uint64_t room = kChunkBytes - used_bytes_ % kChunkBytes;
      const Bytes now = piece.first(std::min<uint64_t>(room, piece.size()));
      IMP_TRY(file_.write_at(start_bytes_ + used_bytes_, now));
      open_.update(now);
      used_bytes_ += now.size();
      if (used_bytes_ % kChunkBytes == 0) {
        digests_.push_back(open_.digest());
        open_ = Xxh3Stream();
      }
      piece = piece.subspan(now.size());
    }
    return {};
  }

  OutputFile& file_;
  const uint64_t start_bytes_;
  uint64_t used_bytes_ = 0;
  Xxh3Stream open_;
  std::vector<Digest128> digests_;
};

/// Companion files as records and frames, sorted by name.
struct Companions {
  std::vector<CompanionRecord> records;
  std::string bytes;
};

Result<Companions> pack_companions(std::span<const CompanionInput> inputs, StringTable& strings) {
  std::vector<const CompanionInput*> sorted;
  for (const CompanionInput& input : inputs) sorted.push_back(&input);
  std::ranges::sort(sorted, {}, &CompanionInput::name);
  Companions out;
  const size_t strings_before = strings.bytes().size();
  for (const CompanionInput* input : sorted) {
    const Bytes raw = std::as_bytes(std::span(input->bytes));
    IMP_ASSIGN(const std::string frame, deflate_frame(raw));
    CompanionRecord& record = out.records.emplace_back();
    record.name = strings.add(input->name);
    if (strings.bytes().size() != strings_before)
      return internal("companion '" + input->name + "' is not in the string table");
    record.offset_bytes = out.bytes.size();
    record.stored_bytes = frame.size();
    record.raw_bytes = raw.size();
    Sha256Stream sha;
    sha.update(raw);
    std::ranges::copy(sha.finish(), record.sha256);
    out.bytes += frame;
  }
  return out;
}

/// Sections in file order; the entry of each is filled when it is placed.
class SectionWriter {
 public:
  explicit SectionWriter(OutputFile& file) : file_(file) {
    for (size_t i = 0; i < kKnownSectionCount; ++i) {
      entries_[i].type = static_cast<uint32_t>(kSectionRules[i].type);
      entries_[i].flags = kSectionRules[i].flags;
      entries_[i].record_bytes = kSectionRules[i].record_bytes;
    }
  }

  /// Where the next section of this type starts.
  uint64_t next_offset_bytes(SectionType type) const {
    return round_up(end_bytes_, rule_of(type).alignment_bytes);
  }

  /// A section whose bytes are in the file already.
  void place(SectionType type, uint64_t stored_bytes) {
    SectionEntry& entry = entry_of(type);
    entry.offset_bytes = next_offset_bytes(type);
    entry.stored_bytes = entry.raw_bytes = stored_bytes;
    if (entry.record_bytes != 0) entry.record_count = stored_bytes / entry.record_bytes;
    end_bytes_ = entry.offset_bytes + stored_bytes;
  }

  Status write(SectionType type, Bytes stored) {
    place(type, stored.size());
    SectionEntry& entry = entry_of(type);
    std::ranges::copy(xxh3_128(stored), entry.digest);
    if (stored.empty()) return {};
    return file_.write_at(entry.offset_bytes, stored);
  }

  SectionEntry& entry_of(SectionType type) { return entries_[static_cast<size_t>(type) - 1]; }
  std::span<const SectionEntry> entries() const { return entries_; }
  uint64_t end_bytes() const { return end_bytes_; }

 private:
  OutputFile& file_;
  std::array<SectionEntry, kKnownSectionCount> entries_{};
  uint64_t end_bytes_ = kSectionTableOffsetBytes + kSectionTableBytes;
};

Status write_sections(SectionWriter& sections, const IndexTables& tables,
                      const PayloadBounds& bounds, std::string_view companion_bytes,
                      std::string_view manifest) {
  Status status;
  for_each_index_section(tables, [&](SectionType type, Bytes bytes) {
    if (status.ok()) status = sections.write(type, bytes);
  });
  IMP_TRY(std::move(status));
  sections.place(SectionType::kPayload, bounds.payload_size_bytes);
  sections.place(SectionType::kExceptions, bounds.exceptions_size_bytes);
  IMP_TRY(sections.write(SectionType::kChunks, std::as_bytes(tables.chunks)));
  IMP_ASSIGN(const std::string frame, deflate_frame(std::as_bytes(std::span(manifest))));
  IMP_TRY(sections.write(SectionType::kManifest, std::as_bytes(std::span(frame))));
  sections.entry_of(SectionType::kManifest).raw_bytes = manifest.size();
  IMP_TRY(sections.write(SectionType::kCompanionTable, std::as_bytes(tables.companions)));
  return sections.write(SectionType::kCompanionBytes, std::as_bytes(std::span(companion_bytes)));
}

Status write_header(OutputFile& file, const SectionWriter& sections, const IndexTables& tables,
                    std::string_view manifest, WriteResult& result) {
  const Bytes table = std::as_bytes(sections.entries());
  FileHeader header{};
  std::ranges::copy(kMagic, header.magic);
  header.major_version = kMajorVersion;
  header.minor_version = kMinorVersion;
  header.header_bytes = sizeof header;
  header.section_table_offset_bytes = kSectionTableOffsetBytes;
  header.section_count = kKnownSectionCount;
  header.section_entry_bytes = sizeof(SectionEntry);
  result.artifact_id = artifact_id(header, sections.entries(), tables, manifest);
  result.total_bytes = sections.end_bytes();
  header.total_bytes = result.total_bytes;
  std::ranges::copy(result.artifact_id, header.artifact_id);
  std::ranges::copy(xxh3_128(table), header.section_table_digest);
  header.checksum = xxh3_64(std::as_bytes(std::span(&header, 1)));
  IMP_TRY(file.write_at(kSectionTableOffsetBytes, table));
  return file.write_at(0, std::as_bytes(std::span(&header, 1)));
}

}  // namespace

StringRef StringTable::add(std::string_view text) {
  if (text.empty()) return {0, 0};
  if (const auto known = known_.find(text); known != known_.end()) return known->second;
  assert(bytes_.size() + text.size() <= std::numeric_limits<uint32_t>::max());
  const StringRef ref{static_cast<uint32_t>(bytes_.size()), static_cast<uint32_t>(text.size())};
  bytes_ += text;
  known_.emplace(text, ref);
  return ref;
}

uint64_t payload_offset_bytes(const IndexCounts& counts) {
  const uint64_t sizes[kIndexSectionCount] = {
      counts.operands * sizeof(OperandRecord),
      counts.parts * sizeof(PartRecord),
      counts.forms * sizeof(FormRecord),
      counts.components * sizeof(ComponentRecord),
      counts.scalars * sizeof(ScalarRecord),
      counts.source_files * sizeof(SourceFileRecord),
      counts.source_tensors * sizeof(SourceTensorRecord),
      counts.payload_files * sizeof(PayloadFileRecord),
      counts.string_bytes,
  };
  uint64_t end = kSectionTableOffsetBytes + kSectionTableBytes;
  for (const uint64_t size : sizes) end = round_up(end, kSectionAlignmentBytes) + size;
  return round_up(end, kLargeAlignmentBytes);
}

IndexCounts counts_of(const Index& index) {
  return {.operands = index.operands.size(),
          .parts = index.parts.size(),
          .forms = index.forms.size(),
          .components = index.components.size(),
          .scalars = index.scalars.size(),
          .source_files = index.source_files.size(),
          .source_tensors = index.source_tensors.size(),
          .payload_files = index.payload_files.size(),
          .string_bytes = index.strings.bytes().size()};
}

Result<WriteResult> finish_artifact(OutputFile& file, Index index, uint64_t payload_end_bytes,
                                    ChunkDigester digester, const ExceptionSource& exceptions,
                                    std::string_view manifest,
                                    std::span<const CompanionInput> companions) {
  PayloadBounds bounds;
  bounds.payload_offset_bytes = payload_offset_bytes(counts_of(index));
  if (payload_end_bytes < bounds.payload_offset_bytes)
    return internal("the payload ends at " + std::to_string(payload_end_bytes) +
                    ", before it starts at " + std::to_string(bounds.payload_offset_bytes));
  if (manifest.size() > kMaxManifestBytes)
    return internal("the manifest has " + std::to_string(manifest.size()) + " bytes");
  bounds.payload_size_bytes = payload_end_bytes - bounds.payload_offset_bytes;
  IMP_ASSIGN(const Companions packed, pack_companions(companions, index.strings));
  bounds.companion_size_bytes = packed.bytes.size();

  IMP_ASSIGN(std::vector<ChunkRecord> chunks, digester.finish(file));
  bounds.exceptions_offset_bytes = round_up(payload_end_bytes, kExceptionsSectionAlignmentBytes);
  ExceptionsWriter exceptions_writer(file, bounds.exceptions_offset_bytes);
  for (uint32_t i = 0; i < index.components.size(); ++i)
    if (is_exceptions(index.components[i]))
      IMP_TRY(exceptions_writer.write(i, index.components[i], exceptions));
  exceptions_writer.finish(chunks);
  bounds.exceptions_size_bytes = exceptions_writer.used_bytes();

  IndexTables tables = tables_of(index);
  tables.chunks = chunks;
  tables.companions = packed.records;
  IMP_TRY(check_index(tables, bounds));

  WriteResult result;
  SectionWriter sections(file);
  IMP_TRY(write_sections(sections, tables, bounds, packed.bytes, manifest));
  IMP_TRY(write_header(file, sections, tables, manifest, result));
  IMP_TRY(file.commit(result.total_bytes));
  return result;
}

}  // namespace imp::artifact

#include "formats/imp/artifact_id.h"

#include <algorithm>

namespace imp::artifact {
namespace {

bool depends_on_libzstd(uint32_t type) {
  return type >= static_cast<uint32_t>(SectionType::kManifest) &&
         type <= static_cast<uint32_t>(SectionType::kCompanionBytes);
}

void add_header(Sha256Stream& sha, FileHeader header) {
  header.total_bytes = 0;
  std::ranges::fill(header.artifact_id, uint8_t{0});
  std::ranges::fill(header.section_table_digest, uint8_t{0});
  header.checksum = 0;
  sha.update(std::as_bytes(std::span(&header, 1)));
}

}  // namespace

Sha256 artifact_id(const FileHeader& header, std::span<const SectionEntry> sections,
                   const IndexTables& tables, std::string_view manifest) {
  Sha256Stream sha;
  add_header(sha, header);
  for (SectionEntry entry : sections) {
    if (depends_on_libzstd(entry.type)) {
      const uint32_t type = entry.type;
      entry = SectionEntry{};
      entry.type = type;
    }
    sha.update(std::as_bytes(std::span(&entry, 1)));
  }
  for_each_index_section(tables, [&](SectionType, Bytes bytes) { sha.update(bytes); });
  sha.update(std::as_bytes(tables.chunks));
  for (CompanionRecord companion : tables.companions) {
    companion.offset_bytes = 0;
    companion.stored_bytes = 0;
    sha.update(std::as_bytes(std::span(&companion, 1)));
  }
  sha.update(std::as_bytes(std::span(manifest)));
  return sha.finish();
}

}  // namespace imp::artifact

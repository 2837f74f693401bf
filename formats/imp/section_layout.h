// What each section's entry must say and where it starts: one table for the writer and the reader.
#pragma once

#include <cstddef>
#include <cstdint>

#include "formats/imp/ondisk.h"

namespace imp::artifact {

inline constexpr uint64_t kSectionAlignmentBytes = 64;
inline constexpr uint64_t kExceptionsSectionAlignmentBytes = 256;
inline constexpr uint64_t kExceptionsAlignmentBytes = 8;  ///< of each exceptions component
inline constexpr uint64_t kSectionTableOffsetBytes = sizeof(FileHeader);
inline constexpr uint64_t kMaxManifestBytes = 1u << 30;    ///< inflated
inline constexpr uint64_t kMaxCompanionBytes = 64u << 20;  ///< inflated, all companions together

struct SectionRule {
  SectionType type;
  const char* name;
  uint32_t flags;
  uint32_t record_bytes;
  uint64_t alignment_bytes;
};

/// Types 1 to 15 in order; rule i is of type i + 1.
inline constexpr SectionRule kSectionRules[] = {
    {SectionType::kOperands, "operands", kSectionRequired, sizeof(OperandRecord), 64},
    {SectionType::kParts, "parts", kSectionRequired, sizeof(PartRecord), 64},
    {SectionType::kForms, "forms", kSectionRequired, sizeof(FormRecord), 64},
    {SectionType::kComponents, "components", kSectionRequired, sizeof(ComponentRecord), 64},
    {SectionType::kScalars, "scalars", kSectionRequired, sizeof(ScalarRecord), 64},
    {SectionType::kSourceFiles, "source_files", kSectionRequired, sizeof(SourceFileRecord), 64},
    {SectionType::kSourceTensors, "source_tensors", kSectionRequired, sizeof(SourceTensorRecord),
     64},
    {SectionType::kPayloadFiles, "payload_files", kSectionRequired, sizeof(PayloadFileRecord), 64},
    {SectionType::kStrings, "strings", kSectionRequired, 0, 64},
    {SectionType::kPayload, "payload", kSectionRequired, 0, kLargeAlignmentBytes},
    {SectionType::kExceptions, "exceptions", kSectionRequired, 0, kExceptionsSectionAlignmentBytes},
    {SectionType::kChunks, "chunks", kSectionRequired, sizeof(ChunkRecord), 64},
    {SectionType::kManifest, "manifest", kSectionZstd, 0, 64},
    {SectionType::kCompanionTable, "companion_table", 0, sizeof(CompanionRecord), 64},
    {SectionType::kCompanionBytes, "companion_bytes", 0, 0, 64},
};
inline constexpr size_t kKnownSectionCount = sizeof(kSectionRules) / sizeof(kSectionRules[0]);
inline constexpr size_t kIndexSectionCount = 9;  ///< operands to strings
static_assert(kKnownSectionCount == 15);

constexpr const SectionRule& rule_of(SectionType type) {
  return kSectionRules[static_cast<size_t>(type) - 1];
}
/// Payload and exceptions: no digest in the entry, chunks cover them.
constexpr bool is_chunked(SectionType type) {
  return type == SectionType::kPayload || type == SectionType::kExceptions;
}

}  // namespace imp::artifact

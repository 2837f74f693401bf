// Rules of section table entries (SPEC "What a reader checks").
#pragma once

#include <cstdint>
#include <string>

#include "formats/imp/ondisk.h"
#include "src/base/result.h"

namespace imp::artifact {

/// "section parts", or "section of type 1000".
std::string section_name(uint32_t type);
/// What the offset of a section of this type is a multiple of. REQUIRES: type > 0
uint64_t section_alignment_bytes(uint32_t type);

/// The entry for itself, and its type against that of the entry before (0 for the first). Offsets
/// are not looked at. Errors: kBadSection, kNonZeroPadding, kUnsupportedVersion.
Status check_section_entry(const SectionEntry& entry, uint32_t type_before);

}  // namespace imp::artifact

#include "formats/imp/section_checks.h"

#include <utility>

#include "formats/imp/index_checks.h"
#include "formats/imp/section_layout.h"

namespace imp::artifact {
namespace {

std::string num(uint64_t value) { return std::to_string(value); }

Error fail(ErrorKind kind, std::string what) { return Error{kind, std::move(what), "", ""}; }

Status check_type(const SectionEntry& e, uint32_t type_before) {
  if (type_before < kKnownSectionCount && e.type != type_before + 1)
    return fail(ErrorKind::kBadSection, e.type <= type_before
                                            ? section_name(e.type) + " is repeated or out of order"
                                            : section_name(type_before + 1) + " is missing");
  if (e.type <= type_before)
    return fail(ErrorKind::kBadSection, section_name(e.type) + " is repeated or out of order");
  if (e.type > kKnownSectionCount && e.flags & kSectionRequired)
    return fail(ErrorKind::kUnsupportedVersion,
                section_name(e.type) + " is required, this reader (version " + num(kMajorVersion) +
                    "." + num(kMinorVersion) + ") does not know it");
  return {};
}

Status check_entry(const SectionEntry& e) {
  const auto bad = [&](const std::string& what) {
    return fail(ErrorKind::kBadSection, section_name(e.type) + ": " + what);
  };
  if (e.reserved != 0)
    return fail(ErrorKind::kNonZeroPadding,
                section_name(e.type) + ": a reserved field is not zero");
  if (e.type > kKnownSectionCount) return {};
  const SectionRule& rule = kSectionRules[e.type - 1];
  if (e.flags != rule.flags)
    return bad("flags are " + num(e.flags) + ", expected " + num(rule.flags));
  if (!(e.flags & kSectionZstd) && e.raw_bytes != e.stored_bytes)
    return bad("raw_bytes is " + num(e.raw_bytes) + ", expected stored_bytes, " +
               num(e.stored_bytes));
  const auto size = checked_mul(e.record_count, rule.record_bytes);
  const bool counts_fit =
      rule.record_bytes == 0 ? e.record_count == 0 : size == e.raw_bytes && e.record_count < kNone;
  if (e.record_bytes != rule.record_bytes || !counts_fit)
    return bad("holds " + num(e.record_count) + " records of " + num(e.record_bytes) +
               " bytes in " + num(e.raw_bytes) + " bytes, expected records of " +
               num(rule.record_bytes) + " that fill it");
  if (is_chunked(rule.type) && !all_zero(e.digest, sizeof e.digest))
    return bad("has a digest, expected zero as chunks cover it");
  return {};
}

}  // namespace

std::string section_name(uint32_t type) {
  if (type >= 1 && type <= kKnownSectionCount)
    return std::string("section ") + kSectionRules[type - 1].name;
  return "section of type " + num(type);
}

uint64_t section_alignment_bytes(uint32_t type) {
  return type <= kKnownSectionCount ? kSectionRules[type - 1].alignment_bytes
                                    : kSectionAlignmentBytes;
}

Status check_section_entry(const SectionEntry& entry, uint32_t type_before) {
  IMP_TRY(check_type(entry, type_before));
  return check_entry(entry);
}

}  // namespace imp::artifact

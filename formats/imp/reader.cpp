#include "formats/imp/reader.h"

#include <algorithm>

#include "formats/imp/artifact_id.h"
#include "formats/imp/section_layout.h"
#include "formats/imp/targets.h"
#include "formats/imp/zstd_frame.h"
#include "src/base/checked.h"
#include "src/base/digest.h"
#include "src/base/text.h"

namespace imp::artifact {

std::string_view Reader::string(StringRef ref) const { return tables_.text(ref); }

std::optional<uint32_t> Reader::find_operand(std::string_view name) const {
  const auto at = std::ranges::lower_bound(
      tables_.operands, name, {}, [&](const OperandRecord& o) { return tables_.text(o.name); });
  if (at == tables_.operands.end() || tables_.text(at->name) != name) return std::nullopt;
  return static_cast<uint32_t>(at - tables_.operands.begin());
}

const ComponentRecord* Reader::find_component(const FormRecord& form, ComponentKind kind) const {
  for (const ComponentRecord& c : components_of(form))
    if (c.kind == static_cast<uint16_t>(kind)) return &c;
  return nullptr;
}

Status Reader::read_component(const ComponentRecord& component, uint64_t offset_bytes,
                              MutableBytes out) const {
  if (!range_fits(offset_bytes, out.size(), component.size_bytes))
    return Error{ErrorKind::kBadRecord,
                 "bytes " + std::to_string(offset_bytes) + " + " + std::to_string(out.size()) +
                     " of a component of " + std::to_string(component.size_bytes),
                 path_, ""};
  return read_payload(component.payload_file, component.offset_bytes + offset_bytes, out);
}

Status Reader::read_payload(uint32_t payload_file, uint64_t offset_bytes, MutableBytes out) const {
  if (payload_file >= files_.size())
    return Error{
        ErrorKind::kBadRecord,
        "payload file " + std::to_string(payload_file) + " of " + std::to_string(files_.size()),
        path_, ""};
  return files_[payload_file].read_at(offset_bytes, out);
}

bool Reader::form_is_usable(const FormRecord& form) const {
  return std::ranges::none_of(components_of(form), [](const ComponentRecord& c) {
    return c.flags & kComponentRequired && c.kind > kLastComponentKind;
  });
}

Result<std::vector<uint32_t>> Reader::forms_for_target(uint32_t sm) const {
  const uint64_t wanted = target_mask(sm).value_or(0) | kTargetAny;
  std::vector<uint32_t> chosen;
  chosen.reserve(tables_.operands.size());
  for (const OperandRecord& o : tables_.operands) {
    const auto forms = forms_of(o);
    const auto at = std::ranges::find_if(
        forms, [&](const FormRecord& f) { return f.targets & wanted && form_is_usable(f); });
    if (at == forms.end()) {
      const std::string served = targets_to_string(served_targets());
      return Error{ErrorKind::kNoFormForTarget,
                   "no form for sm_" + std::to_string(sm) + " (operand '" +
                       printable(tables_.text(o.name)) + "'); this file serves " +
                       (served.empty() ? "no target" : served),
                   path_, ""};
    }
    chosen.push_back(o.first_form + static_cast<uint32_t>(at - forms.begin()));
  }
  return chosen;
}

uint64_t Reader::served_targets() const {
  uint64_t served = ~uint64_t{0};
  for (const OperandRecord& o : tables_.operands) {
    uint64_t of_operand = 0;
    for (const FormRecord& f : forms_of(o))
      if (form_is_usable(f)) of_operand |= f.targets;
    if (!(of_operand & kTargetAny)) served &= of_operand;
  }
  return served & kTargetAny ? kTargetAny : served;
}

Result<std::string> Reader::read_manifest() const {
  const SectionEntry& e = sections_[static_cast<size_t>(SectionType::kManifest) - 1];
  std::vector<std::byte> frame(e.stored_bytes);
  IMP_TRY(files_[0].read_at(e.offset_bytes, frame));
  Result<std::string> raw = inflate_frame(frame, e.raw_bytes, kMaxManifestBytes);
  if (raw.ok()) return raw;
  Error error = std::move(raw).error();
  error.message = "section manifest: " + error.message;
  return std::move(error).in_file(path_);
}

Result<std::string> Reader::read_companion(const CompanionRecord& companion) const {
  const SectionEntry& e = sections_[static_cast<size_t>(SectionType::kCompanionBytes) - 1];
  const std::string place = "companion '" + printable(tables_.text(companion.name)) + "': ";
  std::vector<std::byte> frame(companion.stored_bytes);
  IMP_TRY(files_[0].read_at(e.offset_bytes + companion.offset_bytes, frame));
  Result<std::string> raw = inflate_frame(frame, companion.raw_bytes, kMaxCompanionBytes);
  if (!raw.ok()) {
    Error error = std::move(raw).error();
    error.message = place + error.message;
    return std::move(error).in_file(path_);
  }
  Sha256Stream sha;
  sha.update(std::as_bytes(std::span(*raw)));
  if (!std::ranges::equal(sha.finish(), companion.sha256))
    return Error{ErrorKind::kBadChecksum, place + "does not match its SHA-256", path_, ""};
  return raw;
}

Result<std::array<uint8_t, 32>> compute_artifact_id(const Reader& reader) {
  IMP_ASSIGN(const std::string manifest, reader.read_manifest());
  return artifact_id(reader.header(), reader.sections(), reader.tables(), manifest);
}

}  // namespace imp::artifact

// The artifact id: what makes two artifacts the same, whatever libzstd made of the tail.
#pragma once

#include <span>
#include <string_view>

#include "formats/imp/index_tables.h"
#include "src/base/digest.h"

namespace imp::artifact {

/// SPEC "Artifact id". Fields of `header` and `sections` that the id leaves out may hold anything.
Sha256 artifact_id(const FileHeader& header, std::span<const SectionEntry> sections,
                   const IndexTables& tables, std::string_view manifest);

/// Sections 1 to 9 of the tables in order; fn(type, bytes).
template <class Fn>
void for_each_index_section(const IndexTables& t, Fn&& fn) {
  fn(SectionType::kOperands, std::as_bytes(t.operands));
  fn(SectionType::kParts, std::as_bytes(t.parts));
  fn(SectionType::kForms, std::as_bytes(t.forms));
  fn(SectionType::kComponents, std::as_bytes(t.components));
  fn(SectionType::kScalars, std::as_bytes(t.scalars));
  fn(SectionType::kSourceFiles, std::as_bytes(t.source_files));
  fn(SectionType::kSourceTensors, std::as_bytes(t.source_tensors));
  fn(SectionType::kPayloadFiles, std::as_bytes(t.payload_files));
  fn(SectionType::kStrings, std::as_bytes(std::span(t.strings)));
}

}  // namespace imp::artifact

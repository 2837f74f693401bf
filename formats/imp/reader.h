// Opening an .imp file: everything is checked before anything is used. No JSON, no allocation per
// tensor; what an engine needs to load a model. Contract: SPEC.md.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "formats/imp/index_tables.h"
#include "formats/imp/ondisk.h"
#include "src/base/file.h"
#include "src/base/result.h"

namespace imp::artifact {

/// An opened artifact. Records are spans into one block of memory that this object owns.
class Reader {
 public:
  /// Check and open. Structure level: magic, versions, features, checksum, section table, section
  /// bounds and digests of every section but the payload, every record (references inside their
  /// tables, components inside the payload and aligned, parts covering [0, n), names clean and
  /// sorted without duplicates, expert strides, chunk table covering every component), and that
  /// bytes between sections are zero. Payload bytes are not read. Payload in further files is
  /// looked up beside `path` and checked for size. The numbered list is in SPEC.md, "What a reader
  /// checks". Errors: kTruncated, kTrailingBytes, kBadMagic, kBadChecksum, kBadSection, kBadRecord,
  /// kBadName, kDuplicateName, kNonZeroPadding, kBadShape, kUnknownDtype, kOverlap;
  /// kUnsupportedVersion (newer major, unknown incompatible feature or required section); kIo.
  static Result<Reader> open(const std::filesystem::path& path);

  const FileHeader& header() const { return header_; }
  std::span<const SectionEntry> sections() const { return sections_; }
  std::span<const OperandRecord> operands() const { return tables_.operands; }
  std::span<const PartRecord> parts() const { return tables_.parts; }
  std::span<const FormRecord> forms() const { return tables_.forms; }
  std::span<const ComponentRecord> components() const { return tables_.components; }
  std::span<const ScalarRecord> scalars() const { return tables_.scalars; }
  std::span<const SourceFileRecord> source_files() const { return tables_.source_files; }
  std::span<const SourceTensorRecord> source_tensors() const { return tables_.source_tensors; }
  std::span<const PayloadFileRecord> payload_files() const { return tables_.payload_files; }
  std::span<const ChunkRecord> chunks() const { return tables_.chunks; }
  std::span<const CompanionRecord> companions() const { return tables_.companions; }

  std::span<const PartRecord> parts_of(const OperandRecord& o) const {
    return tables_.parts.subspan(o.first_part, o.part_count);
  }
  std::span<const FormRecord> forms_of(const OperandRecord& o) const {
    return tables_.forms.subspan(o.first_form, o.form_count);
  }
  std::span<const ComponentRecord> components_of(const FormRecord& f) const {
    return tables_.components.subspan(f.first_component, f.component_count);
  }
  /// All tables at once, strings included.
  const IndexTables& tables() const { return tables_; }

  /// REQUIRES: a StringRef of this file.
  std::string_view string(StringRef ref) const;
  /// Index of the operand with this name (binary search), or nullopt.
  std::optional<uint32_t> find_operand(std::string_view name) const;

  /// Component of this kind, or nullptr.
  const ComponentRecord* find_component(const FormRecord& form, ComponentKind kind) const;
  /// Read part of a component's bytes. Errors: kTruncated, kIo; kBadRecord if the range leaves the
  /// component.
  Status read_component(const ComponentRecord& component, uint64_t offset_bytes,
                        MutableBytes out) const;
  /// Read bytes of a payload file at an absolute offset.
  Status read_payload(uint32_t payload_file, uint64_t offset_bytes, MutableBytes out) const;

  /// Payload bytes that no chunk covers must be zero: reads those gaps, in every payload file.
  /// Errors: kNonZeroPadding naming the offset, kTruncated, kIo.
  Status check_payload_padding() const;
  /// Read one chunk and compare its digest; `scratch` is reused between calls.
  /// Errors: kDigestMismatch naming the offset, with the operand as `tensor`; kTruncated, kIo.
  Status verify_chunk(const ChunkRecord& chunk, std::vector<std::byte>& scratch) const;

  /// True if the reader of this version knows the kind of every required component of the form.
  bool form_is_usable(const FormRecord& form) const;
  /// Forms that serve `sm` (or are for any GPU), one per operand, as indices into forms().
  /// Errors: kNoFormForTarget naming the targets that the file does serve (those for which every
  /// operand has a form).
  Result<std::vector<uint32_t>> forms_for_target(uint32_t sm) const;
  /// Bit set of the targets for which every operand has a form; kTargetAny if all forms are for any
  /// GPU.
  uint64_t served_targets() const;

  /// The manifest, inflated. Errors: kBadSection (size above the cap of 1 GiB or not what the frame
  /// holds).
  Result<std::string> read_manifest() const;
  /// One companion file, inflated and checked against its SHA-256. Errors: kBadSection,
  /// kBadChecksum.
  Result<std::string> read_companion(const CompanionRecord& companion) const;

  const std::string& path() const { return path_; }

 private:
  friend class ReaderBuilder;
  Reader() = default;

  std::string path_;
  FileHeader header_{};
  std::vector<ReadFile> files_;  ///< payload files; 0 is the artifact itself
  std::vector<SectionEntry> sections_;
  std::unique_ptr<std::byte[]> index_;  ///< storage behind the tables
  IndexTables tables_;
};

/// The artifact id of an opened file, computed anew (SPEC "Artifact id"). Equal to
/// header().artifact_id in a sound file. Errors: those of read_manifest().
Result<std::array<uint8_t, 32>> compute_artifact_id(const Reader& reader);

}  // namespace imp::artifact

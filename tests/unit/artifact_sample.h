// Artifacts for tests: a builder, two samples, and means to damage the bytes of one.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "formats/imp/reader.h"
#include "formats/imp/section_layout.h"
#include "formats/imp/writer.h"
#include "src/base/dtype.h"
#include "tests/unit/temp_folder.h"

namespace imp::testing {

/// `size` bytes that differ from each other and from those of another seed.
std::string paint(size_t size, unsigned seed);

class ArtifactBuilder : public artifact::ExceptionSource {
 public:
  /// A new operand; parts, forms and components that follow belong to it.
  artifact::OperandRecord& operand(std::string_view name, uint64_t n, uint64_t k, uint32_t flags,
                                   uint64_t experts = 1);
  artifact::PartRecord& part(std::string_view module, uint64_t n0, uint64_t n_count);
  artifact::FormRecord& form(uint16_t layout, uint64_t targets);
  artifact::ComponentRecord& component(artifact::ComponentKind kind, Dtype dtype,
                                       std::initializer_list<uint64_t> dims, std::string bytes);
  /// A component over the bytes of another.
  artifact::ComponentRecord& shared(uint32_t of_component);
  artifact::ComponentRecord& exceptions(std::string bytes);
  uint32_t scalar(uint32_t bits, artifact::ScalarState state);
  artifact::SourceFileRecord& source_file(std::string_view name);
  artifact::SourceTensorRecord& source_tensor(std::string_view name, Dtype dtype,
                                              std::initializer_list<uint64_t> dims,
                                              artifact::Disposition disposition);
  void companion(std::string name, std::string bytes);

  uint64_t size_bytes(uint32_t component_index) const override;
  Status read(uint32_t component_index, const std::function<Status(Bytes)>& sink) const override;

  /// Write payload and everything else.
  Result<artifact::WriteResult> write(OutputFile& file) const;
  /// Bytes of the file; throws if it cannot be written.
  std::string bytes() const;

  artifact::Index index;
  std::string manifest = R"({"made_by":"a test"})";
  std::vector<artifact::CompanionInput> companions;

 private:
  std::map<uint32_t, std::string> payload_;
  std::map<uint32_t, std::string> exceptions_;
  std::map<uint32_t, uint32_t> shared_;
};

/// Experts at a stride, two parts, scalars of every state, exceptions, forms that share bytes, an
/// optional component of unknown kind, operands without a GEMM, ranks 0 to 3, companions, ignored
/// tensors.
ArtifactBuilder rich_sample();

/// The bytes of an artifact, to be changed one thing at a time.
class Damaged {
 public:
  explicit Damaged(std::string artifact_bytes) : bytes(std::move(artifact_bytes)) {}

  artifact::FileHeader& header();
  artifact::SectionEntry& entry(artifact::SectionType type);
  template <class T>
  T& record(artifact::SectionType type, size_t i) {
    return reinterpret_cast<T*>(bytes.data() + entry(type).offset_bytes)[i];
  }
  artifact::OperandRecord& operand(size_t i);
  artifact::PartRecord& part(size_t i);
  artifact::FormRecord& form(size_t i);
  artifact::ComponentRecord& component(size_t i);
  artifact::ScalarRecord& scalar(size_t i);
  artifact::SourceFileRecord& source_file(size_t i);
  artifact::SourceTensorRecord& source_tensor(size_t i);
  artifact::PayloadFileRecord& payload_file(size_t i);
  artifact::ChunkRecord& chunk(size_t i);
  artifact::CompanionRecord& companion(size_t i);

  /// Make every checksum that the reader meets before records right again, so that what was changed
  /// is the only thing wrong.
  void reseal();
  /// Add a section of an unknown type at the end, with ten bytes in it.
  void add_section(uint32_t type, uint32_t flags);

  std::string bytes;
};

/// Write the bytes into the folder and open them.
Result<artifact::Reader> open_bytes(const TempFolder& folder, std::string_view bytes);
/// Make the digests of all chunks and the artifact id right too: what was changed in the payload or
/// in a record is the only thing wrong.
void make_digests_right(Damaged& damaged, const TempFolder& folder);
/// Everything that verify can ask of the bytes alone: chunks, padding, manifest, companions, id.
Status read_everything(const artifact::Reader& reader);

}  // namespace imp::testing

#include "tests/unit/artifact_sample.h"

#include <algorithm>
#include <cstring>
#include <stdexcept>

#include "src/base/checked.h"
#include "src/base/digest.h"
#include "src/base/shape.h"
#include "tests/unit/memory_file.h"

namespace imp::testing {

using namespace artifact;

namespace {

Bytes as_bytes(std::string_view text) { return std::as_bytes(std::span(text)); }

uint64_t bytes_of(Dtype dtype, const uint64_t (&dims)[8], size_t rank) {
  uint64_t bits = dtype_bits(dtype);
  for (size_t i = 0; i < rank; ++i) bits *= dims[i];
  return div_up(bits, 8);
}

}  // namespace

std::string paint(size_t size, unsigned seed) {
  std::string bytes(size, '\0');
  for (size_t i = 0; i < size; ++i) bytes[i] = static_cast<char>((i * 7 + seed * 31 + 1) % 251 + 1);
  return bytes;
}

OperandRecord& ArtifactBuilder::operand(std::string_view name, uint64_t n, uint64_t k,
                                        uint32_t flags, uint64_t experts) {
  OperandRecord o{};
  o.name = index.strings.add(name);
  o.role = 7;
  o.scheme = 3;
  o.layer = kNone;
  o.experts = experts;
  o.n = n;
  o.k = k;
  o.flags = flags;
  o.first_part = static_cast<uint32_t>(index.parts.size());
  o.first_form = static_cast<uint32_t>(index.forms.size());
  o.execution_index = static_cast<uint32_t>(index.operands.size());
  return index.operands.emplace_back(o);
}

PartRecord& ArtifactBuilder::part(std::string_view module, uint64_t n0, uint64_t n_count) {
  ++index.operands.back().part_count;
  PartRecord p{};
  p.module = index.strings.add(module);
  p.n0 = n0;
  p.n_count = n_count;
  return index.parts.emplace_back(p);
}

FormRecord& ArtifactBuilder::form(uint16_t layout, uint64_t targets) {
  ++index.operands.back().form_count;
  FormRecord f{};
  f.layout = layout;
  f.major = 1;
  f.targets = targets;
  f.padded_n = index.operands.back().n;
  f.padded_k = index.operands.back().k;
  f.first_component = static_cast<uint32_t>(index.components.size());
  return index.forms.emplace_back(f);
}

ComponentRecord& ArtifactBuilder::component(ComponentKind kind, Dtype dtype,
                                            std::initializer_list<uint64_t> dims,
                                            std::string bytes) {
  ++index.forms.back().component_count;
  ComponentRecord c{};
  c.kind = static_cast<uint16_t>(kind);
  c.flags = kComponentRequired;
  c.dtype = static_cast<uint16_t>(dtype);
  c.rank = static_cast<uint16_t>(dims.size());
  std::ranges::copy(dims, c.dims);
  c.size_bytes = bytes.size();
  payload_[static_cast<uint32_t>(index.components.size())] = std::move(bytes);
  return index.components.emplace_back(c);
}

ComponentRecord& ArtifactBuilder::shared(uint32_t of_component) {
  ++index.forms.back().component_count;
  shared_[static_cast<uint32_t>(index.components.size())] = of_component;
  const ComponentRecord copy = index.components[of_component];
  return index.components.emplace_back(copy);
}

ComponentRecord& ArtifactBuilder::exceptions(std::string bytes) {
  ++index.forms.back().component_count;
  ComponentRecord c{};
  c.kind = static_cast<uint16_t>(ComponentKind::kExceptions);
  exceptions_[static_cast<uint32_t>(index.components.size())] = std::move(bytes);
  return index.components.emplace_back(c);
}

uint32_t ArtifactBuilder::scalar(uint32_t bits, ScalarState state) {
  index.scalars.push_back({bits, static_cast<uint8_t>(state), {}});
  return static_cast<uint32_t>(index.scalars.size() - 1);
}

SourceFileRecord& ArtifactBuilder::source_file(std::string_view name) {
  SourceFileRecord f{};
  f.name = index.strings.add(name);
  f.size_bytes = 1000;
  f.first_tensor = static_cast<uint32_t>(index.source_tensors.size());
  return index.source_files.emplace_back(f);
}

SourceTensorRecord& ArtifactBuilder::source_tensor(std::string_view name, Dtype dtype,
                                                   std::initializer_list<uint64_t> dims,
                                                   Disposition disposition) {
  ++index.source_files.back().tensor_count;
  const bool ignored = disposition == Disposition::kIgnored;
  SourceTensorRecord s{};
  s.name = index.strings.add(name);
  s.dtype = static_cast<uint16_t>(dtype);
  s.rank = static_cast<uint16_t>(dims.size());
  s.disposition = static_cast<uint16_t>(disposition);
  s.plane = ignored ? 0 : static_cast<uint16_t>(ComponentKind::kCodes);
  std::ranges::copy(dims, s.dims);
  s.size_bytes = bytes_of(dtype, s.dims, s.rank);
  s.operand = ignored ? kNone : 0;
  s.expert = kNone;
  if (ignored) s.reason = index.strings.add("nobody reads it");
  if (!ignored) s.digest[3] = 0x77;
  return index.source_tensors.emplace_back(s);
}

void ArtifactBuilder::companion(std::string name, std::string bytes) {
  index.strings.add(name);
  companions.push_back({std::move(name), std::move(bytes)});
}

uint64_t ArtifactBuilder::size_bytes(uint32_t component_index) const {
  return exceptions_.at(component_index).size();
}

Status ArtifactBuilder::read(uint32_t component_index,
                             const std::function<Status(Bytes)>& sink) const {
  const Bytes all = as_bytes(exceptions_.at(component_index));
  IMP_TRY(sink(all.first(all.size() / 3)));
  return sink(all.subspan(all.size() / 3));
}

Result<WriteResult> ArtifactBuilder::write(OutputFile& file) const {
  Index placed = index;
  if (placed.payload_files.empty()) placed.payload_files.emplace_back();
  uint64_t end = payload_offset_bytes(counts_of(placed));
  std::vector<PayloadExtent> extents;
  for (const auto& [i, data] : payload_) {
    end = round_up(end,
                   data.size() < kSmallComponentBytes ? kPoolAlignmentBytes : kLargeAlignmentBytes);
    placed.components[i].offset_bytes = end;
    extents.push_back({end, data.size()});
    end += data.size();
  }
  for (const auto& [i, of] : shared_)
    placed.components[i].offset_bytes = placed.components[of].offset_bytes;
  ChunkDigester digester(chunks_for(extents));
  for (const auto& [i, data] : payload_) {
    IMP_TRY(file.write_at(placed.components[i].offset_bytes, as_bytes(data)));
    digester.on_write(placed.components[i].offset_bytes, as_bytes(data));
  }
  return finish_artifact(file, std::move(placed), end, std::move(digester), *this, manifest,
                         companions);
}

std::string ArtifactBuilder::bytes() const {
  MemoryFile file;
  const auto result = write(file);
  if (!result.ok()) throw std::runtime_error(result.error().to_line());
  return file.bytes();
}

ArtifactBuilder rich_sample() {
  using enum ComponentKind;
  constexpr uint64_t kSm80 = 1u << 1;
  constexpr uint64_t kSm89 = 1u << 5;
  ArtifactBuilder b;
  b.operand("a.experts", 6, 8, kOperandGemm, 3).layer = 0;
  auto& gate = b.part("a.*.gate", 0, 4);
  gate.first_multiplier = b.scalar(0x3F800000, ScalarState::kMultiplier);
  b.scalar(0x40000000, ScalarState::kMultiplier);
  b.scalar(0x40400000, ScalarState::kMultiplier);
  gate.multiplier_count = 3;
  gate.first_input_scale = b.scalar(0x41000000, ScalarState::kDivisor);
  b.scalar(0, ScalarState::kAbsent);
  b.scalar(0x41100000, ScalarState::kDivisor);
  gate.input_scale_count = 3;
  b.part("a.*.up", 4, 2);
  b.form(2, kSm80 | kSm89);
  b.component(kCodes, Dtype::kF4, {3, 6, 8}, paint(96, 1)).expert_stride_bytes = 32;
  b.component(kBlockScale, Dtype::kF8E4M3, {3, 6}, paint(18, 2)).expert_stride_bytes = 6;
  b.exceptions(paint(21, 3));

  b.operand("b.norm", 8, 1, 0);
  b.part("b", 0, 8);
  b.form(1, kTargetAny);
  b.component(kCodes, Dtype::kBF16, {8}, paint(16, 4));

  b.operand("c.scalar", 0, 0, 0);
  b.part("c", 0, 0);
  b.form(1, kTargetAny);
  b.component(kCodes, Dtype::kF32, {}, paint(4, 5));

  b.operand("d.head", 8, 4, kOperandGemm | kOperandTiedHead);
  b.part("d.left", 0, 4);
  b.part("d.right", 4, 4);
  b.form(1, kSm80);
  const auto codes = static_cast<uint32_t>(b.index.components.size());
  b.component(kCodes, Dtype::kU8, {8, 4}, paint(32, 6));
  b.form(4, kSm80 | kSm89);
  b.shared(codes);
  auto& unknown = b.component(ComponentKind{40}, Dtype::kU8, {3}, paint(3, 7));
  unknown.flags = 0;
  unknown.dtype = 999;
  b.exceptions("");

  auto& first = b.source_file("model-1.safetensors");
  first.metadata = b.index.strings.add("{\"long\":\"" + std::string(5000, 'x') + "\"}");
  first.sha256[0] = 9;
  b.source_tensor("a.0.gate", Dtype::kU8, {4, 4}, Disposition::kConverted).expert = 2;
  b.source_tensor("rope", Dtype::kF32, {2}, Disposition::kIgnored);
  b.source_file("model-2.safetensors");
  auto& norm = b.source_tensor("b", Dtype::kBF16, {8}, Disposition::kCopied);
  norm.operand = 1;
  b.companion("tokenizer.json", std::string(3000, 't'));
  b.companion("config.json", "{\"a\":1}");
  return b;
}

FileHeader& Damaged::header() { return *reinterpret_cast<FileHeader*>(bytes.data()); }
SectionEntry& Damaged::entry(SectionType type) {
  return reinterpret_cast<SectionEntry*>(bytes.data() +
                                         sizeof(FileHeader))[static_cast<size_t>(type) - 1];
}
OperandRecord& Damaged::operand(size_t i) {
  return record<OperandRecord>(SectionType::kOperands, i);
}
PartRecord& Damaged::part(size_t i) { return record<PartRecord>(SectionType::kParts, i); }
FormRecord& Damaged::form(size_t i) { return record<FormRecord>(SectionType::kForms, i); }
ComponentRecord& Damaged::component(size_t i) {
  return record<ComponentRecord>(SectionType::kComponents, i);
}
ScalarRecord& Damaged::scalar(size_t i) { return record<ScalarRecord>(SectionType::kScalars, i); }
SourceFileRecord& Damaged::source_file(size_t i) {
  return record<SourceFileRecord>(SectionType::kSourceFiles, i);
}
SourceTensorRecord& Damaged::source_tensor(size_t i) {
  return record<SourceTensorRecord>(SectionType::kSourceTensors, i);
}
PayloadFileRecord& Damaged::payload_file(size_t i) {
  return record<PayloadFileRecord>(SectionType::kPayloadFiles, i);
}
ChunkRecord& Damaged::chunk(size_t i) { return record<ChunkRecord>(SectionType::kChunks, i); }
CompanionRecord& Damaged::companion(size_t i) {
  return record<CompanionRecord>(SectionType::kCompanionTable, i);
}

void Damaged::reseal() {
  const std::string_view all = bytes;
  if (all.size() < sizeof(FileHeader)) return;
  const uint64_t table_size = uint64_t{header().section_count} * sizeof(SectionEntry);
  if (range_fits(sizeof(FileHeader), table_size, all.size())) {
    for (size_t i = 0; i < header().section_count; ++i) {
      auto& e = reinterpret_cast<SectionEntry*>(bytes.data() + sizeof(FileHeader))[i];
      if (is_chunked(static_cast<SectionType>(e.type))) continue;
      if (!range_fits(e.offset_bytes, e.stored_bytes, all.size())) continue;
      std::ranges::copy(xxh3_128(as_bytes(all.substr(e.offset_bytes, e.stored_bytes))), e.digest);
    }
    std::ranges::copy(xxh3_128(as_bytes(all.substr(sizeof(FileHeader), table_size))),
                      header().section_table_digest);
  }
  header().checksum = 0;
  header().checksum = xxh3_64(as_bytes(all.substr(0, sizeof(FileHeader))));
}

void Damaged::add_section(uint32_t type, uint32_t flags) {
  constexpr uint64_t kGrowth = sizeof(SectionEntry);
  constexpr uint64_t kTableEnd = sizeof(FileHeader) + kKnownSectionCount * kGrowth;
  const SectionEntry& strings = entry(SectionType::kStrings);
  const uint64_t index_end = strings.offset_bytes + strings.stored_bytes;
  if (index_end + kGrowth > entry(SectionType::kPayload).offset_bytes)
    throw std::runtime_error("the gap before the payload is too small for another entry");
  std::memmove(bytes.data() + kTableEnd + kGrowth, bytes.data() + kTableEnd, index_end - kTableEnd);
  for (size_t i = 0; i < kIndexSectionCount; ++i)
    entry(static_cast<SectionType>(i + 1)).offset_bytes += kGrowth;

  SectionEntry added{};
  added.type = type;
  added.flags = flags;
  added.offset_bytes = round_up(bytes.size(), kSectionAlignmentBytes);
  added.stored_bytes = added.raw_bytes = 10;
  std::memcpy(bytes.data() + kTableEnd, &added, sizeof added);
  bytes.resize(added.offset_bytes);
  bytes += paint(10, 9);
  header().section_count = kKnownSectionCount + 1;
  header().total_bytes = bytes.size();
}

Result<Reader> open_bytes(const TempFolder& folder, std::string_view bytes) {
  return Reader::open(folder.write("sample.imp", bytes));
}

void make_digests_right(Damaged& damaged, const TempFolder& folder) {
  const size_t chunks = damaged.entry(artifact::SectionType::kChunks).record_count;
  for (size_t c = 0; c < chunks; ++c) {
    artifact::ChunkRecord& chunk = damaged.chunk(c);
    const Digest128 digest = xxh3_128(
        std::as_bytes(std::span(damaged.bytes)).subspan(chunk.offset_bytes, chunk.size_bytes));
    std::memcpy(chunk.digest, digest.data(), digest.size());
  }
  damaged.reseal();
  const auto reader = open_bytes(folder, damaged.bytes);
  if (!reader.ok()) throw std::runtime_error(reader.error().to_line());
  const auto id = artifact::compute_artifact_id(*reader);
  if (!id.ok()) throw std::runtime_error(id.error().to_line());
  std::memcpy(damaged.header().artifact_id, id->data(), id->size());
  damaged.reseal();
}

Status read_everything(const Reader& reader) {
  std::vector<std::byte> scratch;
  for (const ChunkRecord& chunk : reader.chunks()) IMP_TRY(reader.verify_chunk(chunk, scratch));
  IMP_TRY(reader.check_payload_padding());
  for (const CompanionRecord& companion : reader.companions()) {
    const auto bytes = reader.read_companion(companion);
    if (!bytes.ok()) return bytes.error();
  }
  IMP_ASSIGN(const auto id, compute_artifact_id(reader));
  if (!std::ranges::equal(id, reader.header().artifact_id))
    return Error{ErrorKind::kBadChecksum, "the artifact id is not that of the file", "", ""};
  return {};
}

}  // namespace imp::testing

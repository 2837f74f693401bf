// What the writer wrote, the reader gives back.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>

#include "src/base/digest.h"
#include "tests/unit/artifact_sample.h"
#include "tests/unit/memory_file.h"

namespace imp::testing {
namespace {

using namespace artifact;

std::string component_bytes(const Reader& reader, const ComponentRecord& c) {
  std::string bytes(c.size_bytes, '?');
  const Status status = reader.read_component(c, 0, std::as_writable_bytes(std::span(bytes)));
  EXPECT_TRUE(status.ok()) << status.error().to_line();
  return bytes;
}

class RichArtifact : public ::testing::Test {
 protected:
  RichArtifact() : bytes_(rich_sample().bytes()), opened_(open_bytes(folder_, bytes_)) {
    if (!opened_.ok()) throw std::runtime_error(opened_.error().to_line());
  }
  const Reader& reader() const { return *opened_; }
  const FormRecord& form(std::string_view operand, size_t i) const {
    return reader().forms_of(reader().operands()[*reader().find_operand(operand)])[i];
  }

  TempFolder folder_;
  std::string bytes_;
  Result<Reader> opened_;
};

TEST_F(RichArtifact, ReadsEverythingWithoutAnError) {
  const Status status = read_everything(reader());
  EXPECT_TRUE(status.ok()) << status.error().to_line();
}

TEST_F(RichArtifact, FindsOperandsByName) {
  ASSERT_EQ(reader().operands().size(), 4u);
  for (const char* name : {"a.experts", "b.norm", "c.scalar", "d.head"}) {
    const auto at = reader().find_operand(name);
    ASSERT_TRUE(at.has_value()) << name;
    EXPECT_EQ(reader().string(reader().operands()[*at].name), name);
  }
  for (const char* name : {"", "a", "a.experts.", "b.norn", "z"})
    EXPECT_EQ(reader().find_operand(name), std::nullopt) << name;
}

TEST_F(RichArtifact, KeepsOperandFieldsPartsAndScalars) {
  const OperandRecord& o = reader().operands()[0];
  EXPECT_EQ(o.role, 7);
  EXPECT_EQ(o.scheme, 3);
  EXPECT_EQ(o.layer, 0u);
  EXPECT_EQ(o.experts, 3u);
  EXPECT_EQ(o.n, 6u);
  EXPECT_EQ(o.k, 8u);
  const auto parts = reader().parts_of(o);
  ASSERT_EQ(parts.size(), 2u);
  EXPECT_EQ(reader().string(parts[0].module), "a.*.gate");
  EXPECT_EQ(reader().string(parts[1].module), "a.*.up");
  EXPECT_EQ(parts[1].n0, 4u);
  EXPECT_EQ(parts[1].multiplier_count, 0u);
  ASSERT_EQ(parts[0].multiplier_count, 3u);
  EXPECT_EQ(reader().scalars()[parts[0].first_multiplier + 2].bits, 0x40400000u);
  const auto scales = reader().scalars().subspan(parts[0].first_input_scale, 3);
  EXPECT_EQ(scales[0].state, static_cast<uint8_t>(ScalarState::kDivisor));
  EXPECT_EQ(scales[1].state, static_cast<uint8_t>(ScalarState::kAbsent));
}

TEST_F(RichArtifact, GivesComponentBytesBack) {
  const FormRecord& experts = form("a.experts", 0);
  const ComponentRecord* codes = reader().find_component(experts, ComponentKind::kCodes);
  ASSERT_NE(codes, nullptr);
  EXPECT_EQ(component_bytes(reader(), *codes), paint(96, 1));
  EXPECT_EQ(codes->expert_stride_bytes, 32u);
  EXPECT_EQ(
      component_bytes(reader(), *reader().find_component(experts, ComponentKind::kBlockScale)),
      paint(18, 2));
  EXPECT_EQ(
      component_bytes(reader(), *reader().find_component(experts, ComponentKind::kExceptions)),
      paint(21, 3));
  EXPECT_EQ(reader().find_component(experts, ComponentKind::kBias), nullptr);
  EXPECT_EQ(component_bytes(reader(),
                            *reader().find_component(form("c.scalar", 0), ComponentKind::kCodes)),
            paint(4, 5));
}

TEST_F(RichArtifact, ReadsARangeOfAComponentAndNothingBeyond) {
  const ComponentRecord& codes = *reader().find_component(form("d.head", 0), ComponentKind::kCodes);
  std::string two(2, '?');
  const auto out = std::as_writable_bytes(std::span(two));
  ASSERT_TRUE(reader().read_component(codes, 30, out).ok());
  EXPECT_EQ(two, paint(32, 6).substr(30));
  const Status beyond = reader().read_component(codes, 31, out);
  ASSERT_FALSE(beyond.ok());
  EXPECT_EQ(beyond.error().kind, ErrorKind::kBadRecord);
  const Status no_file = reader().read_payload(1, 0, out);
  ASSERT_FALSE(no_file.ok());
  EXPECT_EQ(no_file.error().kind, ErrorKind::kBadRecord);
}

TEST_F(RichArtifact, FormsShareBytes) {
  const ComponentRecord& a = *reader().find_component(form("d.head", 0), ComponentKind::kCodes);
  const ComponentRecord& b = *reader().find_component(form("d.head", 1), ComponentKind::kCodes);
  EXPECT_NE(&a, &b);
  EXPECT_EQ(a.offset_bytes, b.offset_bytes);
  EXPECT_EQ(component_bytes(reader(), b), paint(32, 6));
}

TEST_F(RichArtifact, AlignsComponents) {
  for (const ComponentRecord& c : reader().components()) {
    const bool exceptions = c.kind == static_cast<uint16_t>(ComponentKind::kExceptions);
    EXPECT_EQ(c.offset_bytes % (exceptions ? 8 : 256), 0u);
  }
  EXPECT_EQ(reader().sections()[9].offset_bytes % 4096, 0u);
  EXPECT_EQ(reader().sections()[10].offset_bytes % 256, 0u);
}

TEST_F(RichArtifact, KeepsSourcesAndCompanions) {
  ASSERT_EQ(reader().source_files().size(), 2u);
  EXPECT_EQ(reader().source_files()[0].tensor_count, 2u);
  EXPECT_EQ(reader().source_files()[0].sha256[0], 9);
  EXPECT_EQ(reader().string(reader().source_files()[0].metadata).substr(0, 10), "{\"long\":\"x");
  EXPECT_EQ(reader().string(reader().source_tensors()[1].reason), "nobody reads it");
  EXPECT_EQ(reader().source_tensors()[2].operand, 1u);
  ASSERT_EQ(reader().companions().size(), 2u);
  EXPECT_EQ(reader().string(reader().companions()[0].name), "config.json");
  const auto config = reader().read_companion(reader().companions()[0]);
  ASSERT_TRUE(config.ok());
  EXPECT_EQ(*config, "{\"a\":1}");
  const auto tokenizer = reader().read_companion(reader().companions()[1]);
  ASSERT_TRUE(tokenizer.ok());
  EXPECT_EQ(*tokenizer, std::string(3000, 't'));
  const auto manifest = reader().read_manifest();
  ASSERT_TRUE(manifest.ok());
  EXPECT_EQ(*manifest, R"({"made_by":"a test"})");
}

TEST_F(RichArtifact, ChoosesTheFirstUsableFormForATarget) {
  const auto sm80 = reader().forms_for_target(80);
  ASSERT_TRUE(sm80.ok());
  EXPECT_EQ(*sm80, (std::vector<uint32_t>{0, 1, 2, 3}));
  const auto sm89 = reader().forms_for_target(89);
  ASSERT_TRUE(sm89.ok());
  EXPECT_EQ(*sm89, (std::vector<uint32_t>{0, 1, 2, 4}));
  EXPECT_EQ(reader().served_targets(), (1u << 1) | (1u << 5));
}

TEST_F(RichArtifact, RefusesATargetThatNoFormServes) {
  for (const uint32_t sm : {120u, 75u, 77u}) {
    const auto forms = reader().forms_for_target(sm);
    ASSERT_FALSE(forms.ok());
    EXPECT_EQ(forms.error().kind, ErrorKind::kNoFormForTarget);
    EXPECT_EQ(forms.error().message, "no form for sm_" + std::to_string(sm) +
                                         " (operand 'a.experts'); this file serves sm_80 sm_89");
  }
}

TEST_F(RichArtifact, UnknownRequiredComponentMakesOnlyItsFormUnusable) {
  Damaged damaged(bytes_);
  ComponentRecord& unknown = damaged.component(7);
  ASSERT_EQ(unknown.kind, 40);
  unknown.flags = kComponentRequired;
  damaged.reseal();
  const auto opened = open_bytes(folder_, damaged.bytes);
  ASSERT_TRUE(opened.ok()) << opened.error().to_line();
  EXPECT_TRUE(opened->form_is_usable(opened->forms()[3]));
  EXPECT_FALSE(opened->form_is_usable(opened->forms()[4]));
  EXPECT_TRUE(opened->forms_for_target(80).ok());
  const auto sm89 = opened->forms_for_target(89);
  ASSERT_FALSE(sm89.ok());
  EXPECT_EQ(sm89.error().message, "no form for sm_89 (operand 'd.head'); this file serves sm_80");
}

TEST_F(RichArtifact, IgnoresNewerMinorCompatibleFeaturesAndUnknownSections) {
  Damaged damaged(bytes_);
  damaged.header().minor_version = 99;
  damaged.header().compatible_features = ~uint64_t{0};
  damaged.add_section(1000, 0);
  damaged.reseal();
  const auto opened = open_bytes(folder_, damaged.bytes);
  ASSERT_TRUE(opened.ok()) << opened.error().to_line();
  EXPECT_EQ(opened->sections().size(), 16u);
  EXPECT_EQ(opened->operands().size(), 4u);
}

TEST(ArtifactWriter, EqualArgumentsGiveEqualBytes) {
  EXPECT_EQ(rich_sample().bytes(), rich_sample().bytes());
}

TEST(ArtifactWriter, OrderOfCompanionsDoesNotMatter) {
  ArtifactBuilder turned = rich_sample();
  std::ranges::reverse(turned.companions);
  EXPECT_EQ(turned.bytes(), rich_sample().bytes());
}

TEST(ArtifactWriter, ReportsSizeAndIdOfTheFile) {
  MemoryFile file;
  const auto result = rich_sample().write(file);
  ASSERT_TRUE(result.ok());
  EXPECT_TRUE(file.committed());
  EXPECT_EQ(result->total_bytes, file.bytes().size());
  Damaged whole(file.bytes());
  EXPECT_TRUE(std::ranges::equal(result->artifact_id, whole.header().artifact_id));
}

TEST(ArtifactWriter, IdDependsOnManifestPayloadIndexAndCompanions) {
  const auto id_of = [](const ArtifactBuilder& b) {
    MemoryFile file;
    return b.write(file)->artifact_id;
  };
  const Sha256 id = id_of(rich_sample());
  ArtifactBuilder manifest = rich_sample();
  manifest.manifest += " ";
  EXPECT_NE(id_of(manifest), id);
  ArtifactBuilder role = rich_sample();
  role.index.operands[1].role = 8;
  EXPECT_NE(id_of(role), id);
  ArtifactBuilder companion = rich_sample();
  companion.companions[0].bytes[0] = 'u';
  EXPECT_NE(id_of(companion), id);
  ArtifactBuilder payload = rich_sample();
  payload.component(ComponentKind::kBias, Dtype::kU8, {1}, "x");
  EXPECT_NE(id_of(payload), id);
}

/// Another frame of the same content: without its checksum (RFC 8878 3.1.1.1.1, bit 2 of byte 4).
std::string without_checksum(std::string frame) {
  EXPECT_EQ(frame.substr(0, 4), "\x28\xb5\x2f\xfd");
  EXPECT_EQ(frame[4] & 0x04, 0x04);
  frame[4] = static_cast<char>(frame[4] & ~0x04);
  frame.resize(frame.size() - 4);
  return frame;
}

TEST(ArtifactWriter, IdDoesNotDependOnHowTheManifestWasCompressed) {
  const TempFolder folder;
  Damaged damaged(rich_sample().bytes());
  SectionEntry& manifest = damaged.entry(SectionType::kManifest);
  const std::string frame =
      without_checksum(damaged.bytes.substr(manifest.offset_bytes, manifest.stored_bytes));
  damaged.bytes.replace(manifest.offset_bytes, manifest.stored_bytes, frame + std::string(4, '\0'));
  manifest.stored_bytes -= 4;
  damaged.reseal();
  const auto opened = open_bytes(folder, damaged.bytes);
  ASSERT_TRUE(opened.ok()) << opened.error().to_line();
  const Status status = read_everything(*opened);
  EXPECT_TRUE(status.ok()) << status.error().to_line();
}

TEST(ArtifactWriter, IdDoesNotDependOnHowACompanionWasCompressed) {
  const TempFolder folder;
  Damaged damaged(rich_sample().bytes());
  SectionEntry& all = damaged.entry(SectionType::kCompanionBytes);
  const uint64_t size = damaged.companion(0).stored_bytes;
  const std::string frame = without_checksum(damaged.bytes.substr(all.offset_bytes, size));
  damaged.companion(0).stored_bytes -= 4;
  damaged.companion(1).offset_bytes -= 4;
  all.stored_bytes -= 4;
  all.raw_bytes -= 4;
  damaged.header().total_bytes -= 4;
  damaged.bytes.replace(all.offset_bytes, size, frame);
  damaged.reseal();
  const auto opened = open_bytes(folder, damaged.bytes);
  ASSERT_TRUE(opened.ok()) << opened.error().to_line();
  const Status status = read_everything(*opened);
  EXPECT_TRUE(status.ok()) << status.error().to_line();
}

TEST(ArtifactWriter, EmptyIndexIsAnArtifact) {
  const TempFolder folder;
  const auto opened = open_bytes(folder, ArtifactBuilder().bytes());
  ASSERT_TRUE(opened.ok()) << opened.error().to_line();
  EXPECT_TRUE(read_everything(*opened).ok());
  EXPECT_EQ(opened->served_targets(), kTargetAny);
}

TEST(ArtifactWriter, RefusesACompanionWhoseNameIsNotInTheStrings) {
  ArtifactBuilder b = rich_sample();
  b.companions.push_back({"late.json", "{}"});
  MemoryFile file;
  const auto result = b.write(file);
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.error().kind, ErrorKind::kInternal);
  EXPECT_EQ(result.error().message, "companion 'late.json' is not in the string table");
  EXPECT_FALSE(file.committed());
}

TEST(ArtifactWriter, RefusesWhatTheReaderWouldRefuse) {
  ArtifactBuilder b = rich_sample();
  b.index.parts[1].n_count = 1;
  MemoryFile file;
  const auto result = b.write(file);
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.error().kind, ErrorKind::kBadRecord);
  EXPECT_EQ(result.error().message, "operand 0 'a.experts': its parts cover 5 rows, expected 6");
  EXPECT_FALSE(file.committed());
}

TEST(ArtifactWriter, StringsAreStoredOnce) {
  StringTable strings;
  const StringRef a = strings.add("abc");
  const StringRef b = strings.add("de");
  const StringRef again = strings.add("abc");
  EXPECT_EQ(again.offset_bytes, a.offset_bytes);
  EXPECT_EQ(b.offset_bytes, 3u);
  EXPECT_EQ(strings.bytes(), "abcde");
  const StringRef empty = strings.add("");
  EXPECT_EQ(empty.offset_bytes + empty.size_bytes, 0u);
}

/// Two components in one file; then the first is moved by hand into a file of its own.
class SecondPayloadFile : public ::testing::Test {
 protected:
  SecondPayloadFile() : damaged_(make()) {
    ComponentRecord& moved = damaged_.component(0);
    std::memset(damaged_.bytes.data() + moved.offset_bytes, 0, moved.size_bytes);
    moved.payload_file = 1;
    moved.offset_bytes = 0;
    std::swap(damaged_.chunk(0), damaged_.chunk(1));
    damaged_.chunk(1).payload_file = 1;
    damaged_.chunk(1).offset_bytes = 0;
    damaged_.reseal();
  }

  static std::string make() {
    ArtifactBuilder b;
    for (const char* name : {"moved", "stays"}) {
      b.operand(name, 0, 0, 0);
      b.part(name, 0, 0);
      b.form(1, kTargetAny);
      b.component(ComponentKind::kCodes, Dtype::kU8, {70000}, paint(70000, name[0]));
    }
    b.index.payload_files.resize(2);
    b.index.payload_files[1] = {b.index.strings.add("sample.1.imp"), 70100};
    return b.bytes();
  }

  std::string second() const { return paint(70000, 'm') + std::string(100, '\0'); }
  Result<Reader> open(const std::string& second_bytes) {
    folder_.write("sample.1.imp", second_bytes);
    return open_bytes(folder_, damaged_.bytes);
  }

  TempFolder folder_;
  Damaged damaged_;
};

TEST_F(SecondPayloadFile, IsReadBesideTheFirst) {
  const auto opened = open(second());
  ASSERT_TRUE(opened.ok()) << opened.error().to_line();
  EXPECT_EQ(component_bytes(*opened, opened->components()[0]), paint(70000, 'm'));
  EXPECT_EQ(component_bytes(*opened, opened->components()[1]), paint(70000, 's'));
  std::vector<std::byte> scratch;
  for (const ChunkRecord& chunk : opened->chunks())
    EXPECT_TRUE(opened->verify_chunk(chunk, scratch).ok());
  EXPECT_TRUE(opened->check_payload_padding().ok());
}

TEST_F(SecondPayloadFile, DamageInItIsFound) {
  std::string bytes = second();
  bytes[5] ^= 1;
  auto opened = open(bytes);
  ASSERT_TRUE(opened.ok());
  std::vector<std::byte> scratch;
  const Status status = opened->verify_chunk(opened->chunks()[1], scratch);
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.error().kind, ErrorKind::kDigestMismatch);
  EXPECT_EQ(status.error().tensor, "moved");
  EXPECT_TRUE(status.error().file.ends_with("sample.1.imp"));

  bytes = second();
  bytes[70099] = 1;
  opened = open(bytes);
  ASSERT_TRUE(opened.ok());
  const Status padding = opened->check_payload_padding();
  ASSERT_FALSE(padding.ok());
  EXPECT_EQ(padding.error().kind, ErrorKind::kNonZeroPadding);
  EXPECT_NE(padding.error().message.find("byte 70099 "), std::string::npos);
}

TEST_F(SecondPayloadFile, MustBeThereAndHaveItsSize) {
  const auto missing = open_bytes(folder_, damaged_.bytes);
  ASSERT_FALSE(missing.ok());
  EXPECT_EQ(missing.error().kind, ErrorKind::kIo);
  EXPECT_TRUE(missing.error().file.ends_with("sample.1.imp"));
  const auto shorter = open(second().substr(1));
  ASSERT_FALSE(shorter.ok());
  EXPECT_EQ(shorter.error().kind, ErrorKind::kTruncated);
  const auto longer = open(second() + "x");
  ASSERT_FALSE(longer.ok());
  EXPECT_EQ(longer.error().kind, ErrorKind::kTrailingBytes);
  EXPECT_TRUE(longer.error().file.ends_with("sample.1.imp"));
}

}  // namespace
}  // namespace imp::testing

// The worked example of SPEC.md: assembled by scripts/make_artifact_example.py, not by our writer.
#include <gtest/gtest.h>

#include <algorithm>
#include <charconv>
#include <fstream>
#include <sstream>

#include "src/base/text.h"
#include "tests/unit/artifact_sample.h"
#include "tests/unit/memory_file.h"

namespace imp::testing {
namespace {

using namespace artifact;

struct HexLine {
  uint64_t offset_bytes;
  std::string bytes;
};

/// Lines "00000040  b3 43 ..." of a text; other lines are skipped.
std::vector<HexLine> hex_lines(const std::string& path) {
  std::ifstream in(path);
  EXPECT_TRUE(in) << path;
  std::vector<HexLine> lines;
  for (std::string line; std::getline(in, line);) {
    const bool is_hex = line.size() >= 8 && (line.size() == 8 || line[8] == ' ') &&
                        line.find_first_not_of("0123456789abcdef") >= 8;
    if (!is_hex) continue;
    HexLine& parsed = lines.emplace_back();
    std::from_chars(line.data(), line.data() + 8, parsed.offset_bytes, 16);
    std::istringstream rest(line.substr(8));
    for (unsigned byte; rest >> std::hex >> byte;) parsed.bytes += static_cast<char>(byte);
  }
  return lines;
}

std::string golden_bytes() {
  const auto lines = hex_lines(IMP_GOLDEN "/artifact_v0_worked_example.hex");
  std::string bytes(lines.empty() ? 0 : lines.back().offset_bytes, '\0');
  for (const HexLine& line : lines) bytes.replace(line.offset_bytes, line.bytes.size(), line.bytes);
  return bytes;
}

ArtifactBuilder example() {
  const std::string payload("\x80\x3f\x00\xc0\x00\x3f\x00\x00\x40\x40\x80\xbe\x00\x43\xc0\x3f", 16);
  ArtifactBuilder b;
  OperandRecord& o = b.operand("norm.weight", 8, 1, 0);
  o.role = 1;
  o.scheme = 1;
  b.part("norm", 0, 8);
  b.form(1, kTargetAny);
  b.component(ComponentKind::kCodes, Dtype::kBF16, {8}, payload);
  SourceFileRecord& file = b.source_file("model.safetensors");
  file.size_bytes = 96;
  const std::string sha(
      "\xca\x4f\x73\x1b\x04\x18\xa0\x41\x33\xae\x9a\x44\x83\x61\xf9\x70"
      "\x18\xa6\x77\xcd\xa4\xfa\x72\x12\x04\xd0\x6c\xa0\xa7\x8f\xa2\x56",
      32);
  std::copy(sha.begin(), sha.end(), file.sha256);
  SourceTensorRecord& tensor =
      b.source_tensor("norm.weight", Dtype::kBF16, {8}, Disposition::kCopied);
  const std::string digest("\x5d\xf7\x97\xf0\x89\xa3\x10\x40\x99\x50\x17\x2a\xc6\x73\x20\x8c", 16);
  std::copy(digest.begin(), digest.end(), tensor.digest);
  b.manifest = "{}";
  return b;
}

TEST(WorkedExample, Opens) {
  const TempFolder folder;
  const auto opened = open_bytes(folder, golden_bytes());
  ASSERT_TRUE(opened.ok()) << opened.error().to_line();
  const Status status = read_everything(*opened);
  EXPECT_TRUE(status.ok()) << status.error().to_line();
  ASSERT_EQ(opened->operands().size(), 1u);
  const OperandRecord& o = opened->operands()[0];
  EXPECT_EQ(opened->string(o.name), "norm.weight");
  EXPECT_EQ(opened->string(opened->parts()[0].module), "norm");
  EXPECT_EQ(o.layer, kNone);
  EXPECT_EQ(opened->forms_of(o)[0].targets, kTargetAny);
  const ComponentRecord& c = opened->components()[0];
  EXPECT_EQ(c.offset_bytes, 4096u);
  EXPECT_EQ(c.size_bytes, 16u);
  EXPECT_EQ(opened->read_manifest().take(), "{}");
}

TEST(WorkedExample, OurWriterGivesTheSameBytes) {
  const std::string golden = golden_bytes();
  const std::string written = example().bytes();
  ASSERT_EQ(written.size(), golden.size());
  const auto [a, b] = std::ranges::mismatch(written, golden);
  EXPECT_TRUE(a == written.end()) << "first difference at byte " << a - written.begin() << ": "
                                  << hex(&*a, 1) << ", expected " << hex(&*b, 1);
}

TEST(WorkedExample, SpecShowsTheWholeFile) {
  const auto shown = hex_lines(IMP_FORMATS "/imp/SPEC.md");
  const auto golden = hex_lines(IMP_GOLDEN "/artifact_v0_worked_example.hex");
  ASSERT_EQ(shown.size(), golden.size());
  for (size_t i = 0; i < shown.size(); ++i) {
    EXPECT_EQ(shown[i].offset_bytes, golden[i].offset_bytes);
    EXPECT_EQ(shown[i].bytes, golden[i].bytes) << "at " << golden[i].offset_bytes;
  }
}

}  // namespace
}  // namespace imp::testing

// Files written when mma64 NVFP4 became version 1: they open, verify and unpack for ever, and
// today's converter packs the same bytes. Their making is in tests/golden/README.md.
#include <gtest/gtest.h>

#include <cstring>
#include <fstream>
#include <iterator>
#include <map>
#include <stdexcept>

#include "formats/imp/artifact_id.h"
#include "kernels/layouts/registry.h"
#include "src/base/text.h"
#include "src/version.h"
#include "tests/unit/artifact_sample.h"
#include "tests/unit/unpack_run.h"
#include "tests/unit/verify_run.h"

namespace imp::testing {
namespace {

using artifact::ComponentRecord;
using artifact::FormRecord;
using artifact::Reader;
using layouts::LayoutId;

/// A byte of the sample's model.safetensors that was replaced.
struct Patch {
  uint64_t offset_bytes;
  char byte;
};

struct Golden {
  const char* name;  ///< tests/golden/NAME.imp
  const char* artifact_id;
  const char* tool_version;  ///< of the imp-convert that wrote it
  const char* sample;
  std::vector<Patch> patches;
  const char* include;
  std::vector<uint32_t> sms;
  size_t tensors;      ///< that it holds
  size_t mma64_forms;  ///< all NVFP4
};

const Golden kGoldens[] = {
    // Experts at a stride, gate and up joined.
    {"mma64_v1_qwen3moe",
     "9a0ff97574bb3f27b4958286649f044c2e6311ac06b5e72a171161a908a04da9",
     "0.1.0",
     "qwen3moe-nvfp4",
     {},
     R"(layers\.0\.mlp)",
     {89},
     49,
     2},
    // Padding in N and K, biases, three groups of live codes under a zero scale, native beside
    // mma64.
    {"mma64_v1_llama_odd",
     "d8130bb21e2860bf0d359a73791ce59a78f70e692e719382c5978b341d05aa68",
     "0.1.0",
     "llama-odd-nvfp4",
     {{85960, '\x80'}, {87207, '\0'}, {88413, '\0'}},
     R"(layers\.0\.self_attn\.(k|v|o)_proj)",
     {89, 120},
     15,
     3},
};

std::string bytes_of(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) throw std::runtime_error("cannot read " + path.string());
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

std::string golden_bytes(const Golden& golden) {
  return bytes_of(std::filesystem::path(IMP_GOLDEN) / (std::string(golden.name) + ".imp"));
}

/// The checkpoint that the artifact was made from.
class Source {
 public:
  explicit Source(const Golden& golden) {
    std::filesystem::copy(std::filesystem::path(IMP_SAMPLES) / golden.sample, path());
    std::string weights = bytes_of(path() / "model.safetensors");
    for (const Patch& patch : golden.patches) weights.at(patch.offset_bytes) = patch.byte;
    folder_.write("source/model.safetensors", weights);
  }
  std::filesystem::path path() const { return folder_.path() / "source"; }

 private:
  TempFolder folder_;
};

bool is_mma64(const FormRecord& form) {
  return form.layout == static_cast<uint16_t>(LayoutId::kMma64);
}

void expect_bytes_verified(const std::string& bytes, const std::filesystem::path& source) {
  const TempFolder folder;
  expect_verified(folder.write("a.imp", bytes), source);
}

/// As many tensors as the artifact holds, each as the source has it.
void expect_unpacked(const Golden& golden, const std::string& bytes,
                     const std::filesystem::path& source) {
  UnpackCase unpacked(bytes);
  const CheckpointEditor got = unpacked.checkpoint();
  CheckpointEditor want(source);
  EXPECT_EQ(got.tensors().size(), golden.tensors);
  for (const EditedTensor& tensor : got.tensors()) {
    const EditedTensor& original = want.tensor(tensor.name);
    EXPECT_EQ(tensor.dtype, original.dtype) << tensor.name;
    EXPECT_EQ(tensor.shape, original.shape) << tensor.name;
    EXPECT_TRUE(tensor.bytes == original.bytes) << tensor.name << " differs";
  }
}

std::string fresh_conversion(const Golden& golden, const std::filesystem::path& source) {
  convert::Options options = options_for(source, golden.sms);
  options.include = {golden.include};
  CollectingLog log;
  const Result<std::string> bytes = convert_to_memory(options, log);
  if (!bytes.ok()) throw std::runtime_error(bytes.error().to_line());
  return *bytes;
}

class GoldenArtifact : public ::testing::TestWithParam<Golden> {};

TEST_P(GoldenArtifact, Opens) {
  const Golden& golden = GetParam();
  const TempFolder folder;
  const auto reader = open_bytes(folder, golden_bytes(golden));
  ASSERT_TRUE(reader.ok()) << reader.error().to_line();
  const Status status = read_everything(*reader);
  EXPECT_TRUE(status.ok()) << status.error().to_line();
  EXPECT_EQ(hex(reader->header().artifact_id, sizeof(reader->header().artifact_id)),
            golden.artifact_id);
  size_t mma64_forms = 0;
  for (const FormRecord& form : reader->forms()) {
    EXPECT_EQ(form.major, 1u);
    mma64_forms += is_mma64(form) ? 1 : 0;
  }
  EXPECT_EQ(mma64_forms, golden.mma64_forms);
}

TEST_P(GoldenArtifact, PassesEveryLevel) {
  const Source source(GetParam());
  expect_bytes_verified(golden_bytes(GetParam()), source.path());
}

TEST_P(GoldenArtifact, UnpacksToTheSource) {
  const Source source(GetParam());
  expect_unpacked(GetParam(), golden_bytes(GetParam()), source.path());
}

/// All components of each form, by operand, layout, major and kind.
using Components =
    std::map<std::tuple<std::string, uint16_t, uint16_t, uint16_t>, std::vector<std::byte>>;

Components components_of(const Reader& reader) {
  Components found;
  for (const auto& operand : reader.operands())
    for (const FormRecord& form : reader.forms_of(operand))
      for (const ComponentRecord& component : reader.components_of(form)) {
        auto& bytes = found[{std::string(reader.string(operand.name)), form.layout, form.major,
                             component.kind}];
        bytes.resize(component.size_bytes);
        const Status status = reader.read_component(component, 0, bytes);
        EXPECT_TRUE(status.ok()) << status.error().to_line();
      }
  return found;
}

TEST_P(GoldenArtifact, ConvertingAgainPacksTheSameBytes) {
  const Source source(GetParam());
  const TempFolder folder, fresh_folder;
  const auto golden = open_bytes(folder, golden_bytes(GetParam()));
  const auto fresh = open_bytes(fresh_folder, fresh_conversion(GetParam(), source.path()));
  ASSERT_TRUE(golden.ok() && fresh.ok());
  const Components want = components_of(*golden), got = components_of(*fresh);
  EXPECT_GE(want.size(), GetParam().mma64_forms);
  for (const auto& [key, bytes] : want) {
    const std::string what = std::get<0>(key) + ", layout " + std::to_string(std::get<1>(key)) +
                             ", component " + std::to_string(std::get<3>(key));
    ASSERT_TRUE(got.contains(key)) << what;
    EXPECT_TRUE(got.at(key) == bytes) << what << " differs";
  }
}

/// The manifest names the tool's version, so ids are comparable within one version only.
TEST_P(GoldenArtifact, ConvertingAgainGivesTheSameId) {
  const Golden& golden = GetParam();
  if (std::string(kVersion) != golden.tool_version)
    GTEST_SKIP() << "written by imp-convert " << golden.tool_version << ", this is " << kVersion;
  const Source source(golden);
  const TempFolder folder;
  const auto fresh = open_bytes(folder, fresh_conversion(golden, source.path()));
  ASSERT_TRUE(fresh.ok()) << fresh.error().to_line();
  EXPECT_EQ(hex(fresh->header().artifact_id, sizeof(fresh->header().artifact_id)),
            golden.artifact_id);
}

/// `bytes` with another major in every mma64 form, and all digests right.
std::string with_mma64_major(const Golden& golden, uint16_t major) {
  const TempFolder folder;
  Damaged changed(golden_bytes(golden));
  const auto original = open_bytes(folder, changed.bytes);
  if (!original.ok()) throw std::runtime_error(original.error().to_line());
  for (size_t f = 0; f < original->forms().size(); ++f)
    if (is_mma64(original->forms()[f])) changed.form(f).major = major;
  changed.reseal();
  const TempFolder resealed_folder;
  const auto resealed = open_bytes(resealed_folder, changed.bytes);
  if (!resealed.ok()) throw std::runtime_error(resealed.error().to_line());
  const auto id = artifact::compute_artifact_id(*resealed);
  if (!id.ok()) throw std::runtime_error(id.error().to_line());
  std::memcpy(changed.header().artifact_id, id->data(), id->size());
  changed.reseal();
  return changed.bytes;
}

/// Before the freeze the same bytes were called major 0.
TEST_P(GoldenArtifact, ReadsTheSameAsMajor0) {
  const Source source(GetParam());
  const std::string bytes = with_mma64_major(GetParam(), 0);
  EXPECT_FALSE(bytes == golden_bytes(GetParam()));
  expect_bytes_verified(bytes, source.path());
  expect_unpacked(GetParam(), bytes, source.path());
}

TEST_P(GoldenArtifact, IsRefusedAsMajor2) {
  const TempFolder folder;
  verify::Options options;
  options.artifact = folder.write("a.imp", with_mma64_major(GetParam(), 2));
  options.backend = verify::Backend::kCpu;
  CollectingLog log;
  const verify::Report report = verify::run(options, log);
  const verify::LevelReport& structure = report.at(verify::Level::kStructure);
  ASSERT_EQ(structure.problem_count, GetParam().mma64_forms);
  expect_error(structure.problems.front(), ErrorKind::kUnsupportedVersion,
               "layout mma64 has major version 2 and dialect 0, this version reads 0 to 1");
  EXPECT_EQ(report.exit_code(), 4);
}

INSTANTIATE_TEST_SUITE_P(Mma64Version1, GoldenArtifact, ::testing::ValuesIn(kGoldens),
                         [](const auto& test) { return std::string(test.param.name); });

}  // namespace
}  // namespace imp::testing

// Artifacts and folders that unpack must refuse: one thing wrong in each.
#include <gtest/gtest.h>

#include <algorithm>

#include "tests/unit/artifact_sample.h"
#include "tests/unit/unpack_run.h"

namespace imp::testing {
namespace {

namespace fs = std::filesystem;
using unpack::Mode;

const std::string& llama(uint32_t sm) {
  static std::map<uint32_t, std::string> made;
  if (!made.contains(sm)) made[sm] = artifact_of(fixture("modelopt-nvfp4-llama"), {sm});
  return made[sm];
}

/// The record of a source tensor; a throw if there is none.
artifact::SourceTensorRecord& source_tensor(Damaged& d, std::string_view name) {
  const auto& strings = d.entry(artifact::SectionType::kStrings);
  for (size_t i = 0; i < d.entry(artifact::SectionType::kSourceTensors).record_count; ++i) {
    const artifact::StringRef ref = d.source_tensor(i).name;
    if (std::string_view(d.bytes).substr(strings.offset_bytes + ref.offset_bytes, ref.size_bytes) ==
        name)
      return d.source_tensor(i);
  }
  throw std::runtime_error("no source tensor " + std::string(name));
}

constexpr const char* kDown = "model.layers.1.mlp.down_proj";

class UnpackRefuses : public ::testing::Test {
 protected:
  /// Seal and unpack; the output folder must not be there afterwards.
  Error refusal(Damaged& d, Mode mode = Mode::kSafetensors) {
    d.reseal();
    UnpackCase unpacked(d.bytes);
    unpacked.options.mode = mode;
    Error error = unpacked.refusal();
    EXPECT_FALSE(fs::exists(unpacked.options.folder)) << "leftovers";
    EXPECT_EQ(files_in(unpacked.parent()).size(), 1u) << "something beside the artifact";
    return error;
  }
};

TEST_F(UnpackRefuses, AWrongDigestNamingTheTensor) {
  for (const char* suffix : {".weight", ".weight_scale", ".weight_scale_2", ".input_scale"}) {
    const std::string name = kDown + std::string(suffix);
    for (const uint32_t sm : {89u, 120u}) {
      Damaged d(llama(sm));
      source_tensor(d, name).digest[5] ^= 1;
      const Error error = refusal(d);
      expect_error(error, ErrorKind::kInverseMismatch, "digest");
      EXPECT_EQ(error.tensor, name);
    }
  }
}

TEST_F(UnpackRefuses, ValuesOfPlanesWithAWrongDigest) {
  for (const char* suffix : {".weight", ".weight_scale", ".weight_scale_2"}) {
    const std::string name = kDown + std::string(suffix);
    Damaged d(llama(89));
    source_tensor(d, name).digest[5] ^= 1;
    const Error error = refusal(d, Mode::kDequantizeF32);
    expect_error(error, ErrorKind::kInverseMismatch, "digest");
    EXPECT_EQ(error.tensor, name);
  }
}

TEST_F(UnpackRefuses, AFlippedPayloadBit) {
  Damaged d(llama(89));
  const auto plane = source_tensor(d, std::string(kDown) + ".weight");
  const auto& component = d.component(d.form(d.operand(plane.operand).first_form).first_component);
  d.bytes[component.offset_bytes + 100] ^= 4;
  const Error error = refusal(d);
  EXPECT_EQ(error.kind, ErrorKind::kInverseMismatch) << error.to_line();
  EXPECT_EQ(error.tensor, std::string(kDown) + ".weight");
}

TEST_F(UnpackRefuses, PaddingThatIsNotZeroInAScaleTile) {
  const std::string artifact = artifact_of(fixture("modelopt-nvfp4-llama-odd"), {120});
  Damaged d(artifact);
  // v_proj has 96 rows of 128 in the tile: the last byte is padding.
  const std::string name = "model.layers.0.self_attn.v_proj.weight_scale";
  const auto plane = source_tensor(d, name);
  const auto& form = d.form(d.operand(plane.operand).first_form);
  const auto& scales = d.component(form.first_component + 1);
  ASSERT_EQ(scales.kind, static_cast<uint16_t>(artifact::ComponentKind::kBlockScale));
  ASSERT_EQ(d.bytes[scales.offset_bytes + scales.size_bytes - 1], '\0');
  d.bytes[scales.offset_bytes + scales.size_bytes - 1] = 1;
  const Error error = refusal(d);
  expect_error(error, ErrorKind::kInverseMismatch, "padding");
  EXPECT_EQ(error.tensor, name);
}

TEST_F(UnpackRefuses, LayoutsThatItDoesNotKnow) {
  const auto change = [&](auto&& edit, std::string_view fragment) {
    Damaged d(llama(89));
    const auto plane = source_tensor(d, std::string(kDown) + ".weight");
    edit(d.form(d.operand(plane.operand).first_form));
    const Error error = refusal(d);
    expect_error(error, ErrorKind::kUnsupportedLayout, fragment);
    EXPECT_TRUE(error.tensor.starts_with(kDown)) << error.to_line();
  };
  change([](artifact::FormRecord& form) { form.layout = 77; }, "layout 77");
  change([](artifact::FormRecord& form) { form.major = 9; }, "mma64 version 9");
  change([](artifact::FormRecord& form) { form.dialect = 3; }, "dialect 3");
}

TEST_F(UnpackRefuses, RawOfALayoutWithoutAName) {
  Damaged d(llama(89));
  d.form(0).layout = 77;
  expect_error(refusal(d, Mode::kRaw), ErrorKind::kUnsupportedLayout, "layout 77");
}

TEST_F(UnpackRefuses, ASchemeThatItDoesNotKnow) {
  Damaged d(llama(89));
  const auto plane = source_tensor(d, std::string(kDown) + ".weight");
  d.operand(plane.operand).scheme = 444;
  const Error error = refusal(d);
  expect_error(error, ErrorKind::kUnsupportedScheme, "scheme 444");
  EXPECT_TRUE(error.tensor.starts_with(kDown)) << error.to_line();
}

TEST_F(UnpackRefuses, AQuantizedLayoutOfAPlainScheme) {
  Damaged d(llama(89));
  const auto plane = source_tensor(d, std::string(kDown) + ".weight");
  d.operand(plane.operand).scheme = 3;
  expect_error(refusal(d), ErrorKind::kUnsupportedLayout, "bf16");
}

TEST_F(UnpackRefuses, ShapesThatContradictTheLayout) {
  const auto change = [&](auto&& edit, std::string_view fragment) {
    Damaged d(llama(89));
    auto& plane = source_tensor(d, std::string(kDown) + ".weight");
    auto& operand = d.operand(plane.operand);
    edit(d, operand, plane);
    expect_error(refusal(d), ErrorKind::kBadRecord, fragment);
  };
  using Operand = artifact::OperandRecord;
  using Tensor = artifact::SourceTensorRecord;
  change([](Damaged&, Operand& o, Tensor&) { o.group_size = 32; }, "groups of 32");
  change(
      [](Damaged& d, Operand& o, Tensor&) {
        o.k = 520;
        d.form(o.first_form).padded_k = 576;
      },
      "k 520");
  change(
      [](Damaged& d, Operand& o, Tensor&) {
        o.k = uint64_t{1} << 60;
        d.form(o.first_form).padded_k = o.k;
      },
      "component 2 of layout mma64");
  change(
      [](Damaged&, Operand&, Tensor& t) {
        t.dims[0] /= 2;
        t.size_bytes /= 2;
      },
      "expected 65536");
  change(
      [](Damaged& d, Operand& o, Tensor&) {
        auto& c = d.component(d.form(o.first_form).first_component);
        std::swap(c.dims[0], c.dims[1]);
      },
      "component 2 of layout mma64");
}

TEST_F(UnpackRefuses, AnAbsentScalarThatTheSourceHas) {
  Damaged d(llama(89));
  const auto plane = source_tensor(d, std::string(kDown) + ".input_scale");
  const auto& part = d.part(d.operand(plane.operand).first_part);
  d.scalar(part.first_input_scale) = {};
  const Error error = refusal(d);
  expect_error(error, ErrorKind::kBadRecord, "absent");
  EXPECT_EQ(error.tensor, std::string(kDown) + ".input_scale");
}

TEST_F(UnpackRefuses, MetadataThatIsNoObjectOfStrings) {
  const std::string good = R"({"format":"pt"})";
  for (const std::string bad :
       {R"({"format":4444})", R"(["format","pt"])", R"({"format":"pt"!)", R"({"for":{"a":1}})"}) {
    ASSERT_EQ(bad.size(), good.size());
    Damaged d(llama(89));
    const size_t at = d.bytes.find(good);
    ASSERT_NE(at, std::string::npos);
    d.bytes.replace(at, good.size(), bad);
    expect_error(refusal(d), ErrorKind::kBadRecord, "metadata of source file 'model.safetensors'");
  }
}

TEST_F(UnpackRefuses, AnExceptionOfAnotherGroup) {
  CheckpointEditor edited("modelopt-nvfp4-llama");
  edited.tensor(std::string(kDown) + ".weight_scale").bytes[7] = '\0';
  const TempFolder folder;
  Damaged d(artifact_of(edited.write(folder.path()), {89}));
  const auto plane = source_tensor(d, std::string(kDown) + ".weight");
  const auto& form = d.form(d.operand(plane.operand).first_form);
  auto& exceptions = d.component(form.first_component + form.component_count - 1);
  ASSERT_EQ(exceptions.kind, static_cast<uint16_t>(artifact::ComponentKind::kExceptions));
  ASSERT_EQ(exceptions.size_bytes, 17u);
  d.bytes[exceptions.offset_bytes] ^= '\x01';  // the group's index
  const Error error = refusal(d);
  EXPECT_EQ(error.kind, ErrorKind::kInverseMismatch) << error.to_line();
  EXPECT_EQ(error.tensor.substr(0, std::string(kDown).size()), kDown);
}

TEST_F(UnpackRefuses, ExceptionsThatAreNoWholeRecords) {
  for (const size_t size : {0u, 16u, 17u, 18u}) {
    ArtifactBuilder b;
    auto& operand = b.operand("w", 64, 64, artifact::kOperandGemm);
    operand.scheme = 16;
    operand.group_size = 16;
    b.part("w", 0, 64);
    b.form(2, 1u << 5);
    b.component(artifact::ComponentKind::kBlocks, Dtype::kU8, {1, 1, 2304},
                std::string(2304, '\0'));
    b.exceptions(std::string(size, '\0'));
    b.source_file("model.safetensors");
    auto& tensor =
        b.source_tensor("w.weight", Dtype::kU8, {64, 32}, artifact::Disposition::kConverted);
    const std::string zeros(2048, '\0');
    std::ranges::copy(xxh3_128(std::as_bytes(std::span(zeros))), tensor.digest);
    UnpackCase unpacked(b.bytes());
    if (size % 17 != 0) {
      expect_error(unpacked.refusal(), ErrorKind::kBadRecord, "expected a multiple of 17");
    } else {
      EXPECT_TRUE(unpacked.run().ok()) << size;
    }
  }
}

// --- names and folders

ArtifactBuilder two_shards() {
  ArtifactBuilder b;
  const std::string bytes = paint(16, 4);
  b.operand("norm", 8, 1, 0);
  b.part("norm", 0, 8);
  b.form(1, artifact::kTargetAny);
  b.component(artifact::ComponentKind::kCodes, Dtype::kBF16, {8}, bytes);
  const auto add = [&](const char* file, const char* name) {
    b.source_file(file);
    auto& tensor = b.source_tensor(name, Dtype::kBF16, {8}, artifact::Disposition::kCopied);
    std::ranges::copy(xxh3_128(std::as_bytes(std::span(bytes))), tensor.digest);
  };
  add("shard-1.safetensors", "norm.weight");
  add("shard-2.safetensors", "twin.weight");
  b.companion("config.json", "{}");
  return b;
}

/// two_shards() with one name replaced by another of the same length, in the strings of the file.
std::string renamed(std::string_view from, std::string_view to) {
  EXPECT_EQ(from.size(), to.size());
  Damaged d(two_shards().bytes());
  const auto& strings = d.entry(artifact::SectionType::kStrings);
  const size_t at = d.bytes.find(from, strings.offset_bytes);
  if (at == std::string::npos) throw std::runtime_error("no such name");
  d.bytes.replace(at, to.size(), to);
  d.reseal();
  return d.bytes;
}

TEST(UnpackNames, TheSampleItselfIsGood) {
  UnpackCase unpacked(two_shards().bytes());
  const auto report = unpacked.run();
  ASSERT_TRUE(report.ok()) << report.error().to_line();
  EXPECT_EQ(report->files, 4u);  // two shards, an index, a companion
}

TEST(UnpackNames, HostileOnesWriteNothingAnywhere) {
  const std::pair<std::string, std::string> cases[] = {
      {"config.json", "../fig.json"},
      {"config.json", "/x/fig.json"},
      {"config.json", "a/nfig.json"},
      {"config.json", "config.jso\n"},
      {"config.json", std::string("config\0json", 11)},
      {"shard-2.safetensors", "../rd-2.safetensors"},
      {"shard-2.safetensors", "sh/rd-2.safetensors"},
      {"shard-2.safetensors", "shard-2\x1bsafetensors"},
  };
  for (const auto& [from, to] : cases) {
    SCOPED_TRACE(to);
    UnpackCase unpacked(renamed(from, to));
    EXPECT_EQ(unpacked.refusal().kind, ErrorKind::kBadName);
    EXPECT_EQ(files_in(unpacked.parent()).size(), 1u) << "something beside the artifact";
  }
}

TEST(UnpackNames, DotsAndEmptyNamesAreRefused) {
  for (const uint32_t size : {0u, 1u, 2u}) {
    ArtifactBuilder b = two_shards();
    Damaged d(b.bytes());
    auto& name = d.source_file(1).name;
    const auto& strings = d.entry(artifact::SectionType::kStrings);
    d.bytes.replace(strings.offset_bytes + name.offset_bytes, 2, "..");
    name.size_bytes = size;
    d.reseal();
    UnpackCase unpacked(d.bytes);
    EXPECT_EQ(unpacked.refusal().kind, ErrorKind::kBadName) << size;
    EXPECT_EQ(files_in(unpacked.parent()).size(), 1u);
  }
}

TEST(UnpackNames, ALinkInTheFolderIsNotFollowed) {
  for (const char* name : {"shard-1.safetensors", "config.json", "model.safetensors.index.json"}) {
    UnpackCase unpacked(two_shards().bytes());
    unpacked.options.overwrite = true;
    fs::create_directories(unpacked.options.folder);
    { std::ofstream(unpacked.parent() / "victim") << "precious"; }
    fs::create_symlink(unpacked.parent() / "victim", unpacked.options.folder / name);
    expect_error(unpacked.refusal(), ErrorKind::kBadName, name);
    EXPECT_EQ(files_in(unpacked.parent()).at("victim"), "precious");
    EXPECT_EQ(unpacked.files().size(), 1u);  // the link alone
  }
}

TEST(UnpackNames, TwoFilesOfOneNameAreRefused) {
  for (const char* name : {"shard-1.safetensors", "model.safetensors.index.json"}) {
    ArtifactBuilder b = two_shards();
    b.companions.clear();
    b.companion(name, "{}");
    UnpackCase unpacked(b.bytes());
    expect_error(unpacked.refusal(), ErrorKind::kDuplicateName, name);
    EXPECT_FALSE(fs::exists(unpacked.options.folder));
  }
}

TEST(UnpackNames, TwoTensorsOfOneNameAreRefused) {
  UnpackCase unpacked(renamed("twin.weight", "norm.weight"));
  const Error error = unpacked.refusal();
  EXPECT_EQ(error.kind, ErrorKind::kDuplicateName) << error.to_line();
  EXPECT_EQ(error.tensor, "norm.weight");
}

TEST(UnpackNames, TheNameOfTheMetadataIsNoTensor) {
  ArtifactBuilder b = two_shards();
  b.index.source_tensors[1].name = b.index.strings.add("__metadata__");
  UnpackCase unpacked(b.bytes());
  expect_error(unpacked.refusal(), ErrorKind::kBadRecord, "__metadata__");
}

TEST(UnpackFolder, MustBeEmptyUnlessOverwriting) {
  UnpackCase unpacked(two_shards().bytes());
  fs::create_directories(unpacked.options.folder);
  { std::ofstream(unpacked.options.folder / "config.json") << "old"; }
  { std::ofstream(unpacked.options.folder / "other") << "mine"; }
  expect_error(unpacked.refusal(), ErrorKind::kFileExists, "not empty");
  EXPECT_EQ(unpacked.files().at("config.json"), "old");

  unpacked.options.overwrite = true;
  const auto report = unpacked.run();
  ASSERT_TRUE(report.ok()) << report.error().to_line();
  EXPECT_EQ(unpacked.files().at("config.json"), "{}");
  EXPECT_EQ(unpacked.files().at("other"), "mine");
  EXPECT_EQ(unpacked.files().size(), 5u);
}

TEST(UnpackFolder, AFileInItsPlaceIsRefused) {
  UnpackCase unpacked(two_shards().bytes());
  { std::ofstream(unpacked.options.folder) << "a file"; }
  expect_error(unpacked.refusal(), ErrorKind::kFileExists, "not a folder");
}

TEST(UnpackFolder, AFailedRunTakesBackWhatItAdded) {
  Damaged d(two_shards().bytes());
  d.source_tensor(1).digest[0] ^= 1;  // the first shard is written by then
  d.reseal();
  UnpackCase unpacked(d.bytes);
  fs::create_directories(unpacked.options.folder);
  EXPECT_EQ(unpacked.refusal().kind, ErrorKind::kInverseMismatch);
  EXPECT_TRUE(fs::exists(unpacked.options.folder)) << "it was there before";
  EXPECT_TRUE(unpacked.files().empty());
}

TEST(UnpackForm, TheTargetChoosesTheFormThatIsRead) {
  Damaged d(artifact_of(fixture("modelopt-nvfp4-llama"), {89, 120}));
  const auto plane = source_tensor(d, std::string(kDown) + ".weight");
  const auto& operand = d.operand(plane.operand);
  ASSERT_EQ(operand.form_count, 2u);
  for (uint32_t f = operand.first_form; f < operand.first_form + 2; ++f)
    if (d.form(f).layout == 3)  // native
      d.bytes[d.component(d.form(f).first_component).offset_bytes] ^= 1;
  UnpackCase native(d.bytes), mma64(d.bytes), unknown(d.bytes);
  EXPECT_EQ(native.refusal().kind, ErrorKind::kInverseMismatch);
  mma64.options.form_sm = 89;
  EXPECT_TRUE(mma64.run().ok());
  unknown.options.form_sm = 75;  // no form serves it: as if it were not given
  EXPECT_EQ(unknown.refusal().kind, ErrorKind::kInverseMismatch);
}

}  // namespace
}  // namespace imp::testing

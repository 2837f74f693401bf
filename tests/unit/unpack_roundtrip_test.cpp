// Source, artifact, source again: every tensor, every file.
#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <tuple>

#include "src/base/dtype.h"
#include "src/unpack/stream.h"
#include "tests/unit/unpack_run.h"

namespace imp::testing {
namespace {

using layouts::LayoutId;

struct Forms {
  const char* name;
  std::vector<uint32_t> sms;
  std::optional<LayoutId> layout;
};

const Forms kForms[] = {
    {"sm89", {89}, {}},
    {"sm120", {120}, {}},
    {"sm89_sm120", {89, 120}, {}},
    {"plain", {}, LayoutId::kPlain},
    {"mma64_on_sm120", {120}, LayoutId::kMma64},
};

const char* const kFixtures[] = {
    "modelopt-nvfp4-llama",
    "modelopt-nvfp4-llama-odd",
    "modelopt-nvfp4-lmhead-llama",
    "modelopt-nvfp4-sharded-llama",
    "modelopt-nvfp4-mlponly-llama",
    "modelopt-nvfp4-kvfp8-llama",
    "modelopt-nvfp4-kvnvfp4-llama",
    "modelopt-nvfp4-f16-llama",
    "modelopt-nvfp4-f32-llama",
    "modelopt-nvfp4-compress-llama",
    "modelopt-nvfp4-qwen3",
    "modelopt-nvfp4-qwen2moe",
    "modelopt-nvfp4-qwen3moe",
    "modelopt-nvfp4static-mse-llama",
    "modelopt-nvfp4static-fouroversix-llama",
};

std::string artifact_of(const std::filesystem::path& input, const Forms& forms) {
  convert::Options options = options_for(input, forms.sms);
  options.plan.layout = forms.layout;
  CollectingLog log;
  const auto bytes = convert_to_memory(options, log);
  if (!bytes.ok()) throw std::runtime_error(bytes.error().to_line());
  return *bytes;
}

class UnpackRoundtrip : public ::testing::TestWithParam<std::tuple<const char*, Forms>> {};

TEST_P(UnpackRoundtrip, GivesTheSourceBack) {
  const auto& [name, forms] = GetParam();
  UnpackCase unpacked(artifact_of(fixture(name), forms));
  CheckpointEditor want(name);
  CheckpointEditor got = unpacked.checkpoint();
  expect_same_tensors(got, want);
  EXPECT_TRUE(unpacked.log.warnings.empty());

  // Everything that is no shard and no index is there byte for byte, and nothing else.
  const auto source_files = files_in(fixture(name));
  const auto files = unpacked.files();
  EXPECT_EQ(files.size(), source_files.size());
  for (const auto& [file, bytes] : source_files) {
    ASSERT_TRUE(files.contains(file)) << file;
    if (file.ends_with(".safetensors")) {
      EXPECT_EQ(got.metadata(file), want.metadata(file)) << file;
    } else if (file.ends_with(".index.json")) {
      EXPECT_EQ(nlohmann::json::parse(files.at(file))["weight_map"],
                nlohmann::json::parse(bytes)["weight_map"]);
    } else {
      EXPECT_TRUE(files.at(file) == bytes) << file;
    }
  }
}

std::string name_of(const ::testing::TestParamInfo<UnpackRoundtrip::ParamType>& test) {
  std::string name = std::string(std::get<0>(test.param)) + "_" + std::get<1>(test.param).name;
  std::ranges::replace(name, '-', '_');
  return name;
}

INSTANTIATE_TEST_SUITE_P(Fixtures, UnpackRoundtrip,
                         ::testing::Combine(::testing::ValuesIn(kFixtures),
                                            ::testing::ValuesIn(kForms)),
                         name_of);

TEST(UnpackIndex, HoldsTheTotalSizeOfTheTensors) {
  UnpackCase unpacked(artifact_of(fixture("modelopt-nvfp4-sharded-llama"), kForms[0]));
  uint64_t total = 0;
  const CheckpointEditor got = unpacked.checkpoint();
  for (const EditedTensor& tensor : got.tensors()) total += tensor.bytes.size();
  const auto index = nlohmann::json::parse(unpacked.files().at("model.safetensors.index.json"));
  EXPECT_EQ(index["metadata"]["total_size"], total);
}

// More groups than one read of the exceptions takes, signs of both kinds, rows at the seams of
// parts.
TEST(UnpackExceptions, ZeroScalesOverLiveCodesComeBack) {
  for (const char* name : {"modelopt-nvfp4-llama", "modelopt-nvfp4-qwen3moe"}) {
    SCOPED_TRACE(name);
    CheckpointEditor edited(name);
    size_t zeros = 0;
    std::vector<std::string> scales;
    for (const EditedTensor& tensor : edited.tensors())
      if (tensor.dtype == "F8_E4M3" && tensor.name.ends_with(".weight_scale"))
        scales.push_back(tensor.name);
    for (size_t t = 0; t < scales.size(); ++t) {
      std::string& bytes = edited.tensor(scales[t]).bytes;
      const size_t step = t % 3 == 0 ? 1 : 13;  // whole tensors, and here and there
      for (size_t i = 0; i < bytes.size(); i += step, ++zeros)
        bytes[i] = i % 2 == 0 ? '\x00' : '\x80';
    }
    ASSERT_GT(zeros, 5000u);
    const TempFolder folder;
    const auto source = edited.write(folder.path());
    for (const Forms& forms : kForms) {
      SCOPED_TRACE(forms.name);
      UnpackCase unpacked(artifact_of(source, forms));
      expect_same_tensors(unpacked.checkpoint(), edited);
    }
  }
}

TEST(UnpackIgnored, ExcludedTensorsAreLeftOutWithAWarning) {
  convert::Options options = options_for(fixture("modelopt-nvfp4-llama"), {89});
  options.exclude = {"layers.0.mlp.down_proj"};
  CollectingLog log;
  const auto bytes = convert_to_memory(options, log);
  ASSERT_TRUE(bytes.ok()) << bytes.error().to_line();
  UnpackCase unpacked(*bytes);
  CheckpointEditor want("modelopt-nvfp4-llama");
  want.remove_prefix("model.layers.0.mlp.down_proj.");
  expect_same_tensors(unpacked.checkpoint(), want);
  ASSERT_EQ(unpacked.log.warnings.size(), 1u);
  EXPECT_NE(unpacked.log.warnings[0].find("model.layers.0.mlp.down_proj."), std::string::npos);
  EXPECT_NE(unpacked.log.warnings[0].find("excluded by"), std::string::npos);
}

TEST(UnpackThreads, OneAndFourGiveTheSameFiles) {
  const std::string artifact = artifact_of(fixture("modelopt-nvfp4-sharded-llama"), kForms[2]);
  for (const unpack::Mode mode : {unpack::Mode::kSafetensors, unpack::Mode::kDequantizeF32}) {
    UnpackCase one(artifact), four(artifact);
    one.options.mode = four.options.mode = mode;
    four.options.threads = 4;
    ASSERT_TRUE(one.run().ok());
    ASSERT_TRUE(four.run().ok());
    EXPECT_EQ(one.files(), four.files());
  }
}

TEST(UnpackReport, CountsFilesTensorsAndBytes) {
  const auto name = "modelopt-nvfp4-sharded-llama";
  UnpackCase unpacked(artifact_of(fixture(name), kForms[0]));
  const auto report = unpacked.run();
  ASSERT_TRUE(report.ok()) << report.error().to_line();
  uint64_t bytes = 0;
  const CheckpointEditor source(name);
  for (const EditedTensor& tensor : source.tensors()) bytes += tensor.bytes.size();
  EXPECT_EQ(report->files, files_in(fixture(name)).size());
  EXPECT_EQ(report->tensors, source.tensors().size());
  EXPECT_EQ(report->bytes, bytes);
}

// Fixtures are smaller than a slab, so the seams are looked at with the smallest one.
TEST(UnpackStream, SlabsAreSmallAndJoinWithoutASeam) {
  constexpr uint64_t kSlabBytes = 2048;
  CheckpointEditor source("modelopt-nvfp4-llama");
  std::string& scales = source.tensor("model.layers.1.mlp.up_proj.weight_scale").bytes;
  for (size_t i = 0; i < scales.size(); i += 5) scales[i] = '\x80';
  const TempFolder folder;
  const auto path = source.write(folder.path());
  for (const Forms& forms : kForms) {
    SCOPED_TRACE(forms.name);
    const auto reader = artifact::Reader::open(folder.write("a.imp", artifact_of(path, forms)));
    ASSERT_TRUE(reader.ok()) << reader.error().to_line();
    size_t in_pieces = 0;
    for (uint32_t t = 0; t < reader->source_tensors().size(); ++t) {
      const auto plane = unpack::find_plane(*reader, t, {});
      ASSERT_TRUE(plane.ok()) << plane.error().to_line();
      const EditedTensor& want = source.tensor(reader->string(reader->source_tensors()[t].name));
      std::string got;
      size_t pieces = 0;
      const auto status = unpack::stream_plane(*reader, *plane, kSlabBytes, [&](Bytes bytes) {
        got.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
        // 128 rows of codes, [N, K/2], or one slab of something without rows
        EXPECT_LE(bytes.size(),
                  std::max<size_t>(kSlabBytes, want.shape.empty() ? 0 : 128 * want.shape.back()));
        ++pieces;
        return Status{};
      });
      ASSERT_TRUE(status.ok()) << status.error().to_line();
      EXPECT_TRUE(got == want.bytes) << want.name;
      in_pieces += pieces > 1 && want.dtype != "BF16";
    }
    EXPECT_GT(in_pieces, 10u);
  }
}

}  // namespace
}  // namespace imp::testing

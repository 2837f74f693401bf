// Transcoding through the whole line: every value that comes out of the artifact is the one that
// the target's recipe gives the source's, bit for bit; every level of imp-verify passes; the errors
// that are reported are those of these values.
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>

#include "formats/imp/reader.h"
#include "src/plan/print.h"
#include "src/quant/transcode.h"
#include "tests/reference/quantise.h"
#include "tests/unit/gguf_model.h"
#include "tests/unit/transcode_run.h"
#include "tests/unit/verify_run.h"

namespace imp::testing {
namespace {

using nlohmann::json;

struct LineCase {
  const char* fixture;
  const char* module;   ///< regular expression of the rule
  const char* targets;  ///< between blanks
  bool bf16;            ///< all weights that are meant are bf16 numbers
};

constexpr LineCase kCases[] = {
    {"other-bf16-qwen3next", "layers\\.0\\.", "nvfp4 nvfp4-ct mxfp4 mxfp4-ct int8 fp8", true},
    {"other-mxfp4-gptoss", "experts\\.down_proj", "nvfp4 mxfp4-ct int8", false},
    {"modelopt-int4-llama", "up_proj|down_proj", "nvfp4 int8", false},
    {"modelopt-nvfp4-llama-odd", "mlp", "nvfp4-ct fp8", false},
    {"modelopt-other-nvfp4svd-llama", "up_proj", "int8", false},
    {"other-fp8block64-1block-qwen3moe", "experts|o_proj", "mxfp4 int8", false},
    {"ct-w3a16asym-channel-llama-odd", "down_proj|q_proj", "nvfp4 fp8", false},
    {"ct-v012-w4a16asym-g32-actordergroup-llama-small", "up_proj|down_proj", "nvfp4-ct mxfp4",
     false},
};

/// Of one expert's values as imp-unpack writes them.
struct ExpertShape {
  uint64_t rows, columns;
  bool transposed;
};

/// One expert of a transcoded module, before and after.
struct Matrix {
  std::vector<float> source;
  std::vector<float> got;
  uint64_t columns = 0;
};

/// [N, K] of one expert. Stacks of gpt-oss are [E, K, N].
std::vector<float> expert_of(const std::vector<float>& all, const ExpertShape& shape,
                             uint64_t expert) {
  const auto size = static_cast<std::ptrdiff_t>(shape.rows * shape.columns);
  const auto first = all.begin() + static_cast<std::ptrdiff_t>(expert) * size;
  std::vector<float> values(first, first + size);
  if (!shape.transposed) return values;
  for (uint64_t k = 0; k < shape.rows; ++k)
    for (uint64_t n = 0; n < shape.columns; ++n)
      values[n * shape.rows + k] = first[static_cast<std::ptrdiff_t>(k * shape.columns + n)];
  return values;
}

/// The experts of a module in order: tensors of their own, or one stack.
std::vector<Matrix> matrices_of(const std::string& module, const CheckpointEditor& source,
                                const CheckpointEditor& got) {
  std::vector<Matrix> matrices;
  const auto add = [&](const EditedTensor& was) {
    const EditedTensor* now = nullptr;
    for (const EditedTensor& t : got.tensors())
      if (t.name == was.name) now = &t;
    if (now == nullptr || now->shape != was.shape) throw std::runtime_error("lost " + was.name);
    const auto values = floats_of(was), after = floats_of(*now);
    const bool stack = was.shape.size() == 3;
    const ExpertShape shape{was.shape[stack ? 1 : 0], was.shape.back(), stack};
    for (uint64_t e = 0; e < (stack ? was.shape[0] : 1); ++e)
      matrices.push_back({expert_of(values, shape, e), expert_of(after, shape, e),
                          stack ? shape.rows : shape.columns});
  };
  const size_t star = module.find(".*.");
  for (const EditedTensor& t : source.tensors()) {
    if (t.name == module || t.name == module + ".weight") add(t);
    if (star == std::string::npos || !t.name.starts_with(module.substr(0, star + 1))) continue;
    if (t.name.ends_with(module.substr(star + 2) + ".weight")) add(t);
  }
  return matrices;
}

size_t differing(const std::vector<float>& got, const std::vector<double>& want) {
  size_t count = got.size() == want.size() ? 0 : 1;
  for (size_t i = 0; i < want.size() && i < got.size(); ++i)
    count += std::bit_cast<uint32_t>(got[i]) == std::bit_cast<uint32_t>(static_cast<float>(want[i]))
                 ? 0
                 : 1;
  return count;
}

json manifest_of(const std::filesystem::path& artifact) {
  const auto reader = artifact::Reader::open(artifact);
  if (!reader.ok()) throw std::runtime_error(reader.error().to_line());
  return json::parse(*reader->read_manifest());
}

/// The numbers of one entry of "transcoded", by plain loops over these matrices.
void expect_errors(const json& entry, const std::vector<Matrix>& matrices,
                   const std::vector<reference::Quantised>& results) {
  double squares = 0, errors = 0, largest = 0;
  for (size_t m = 0; m < matrices.size(); ++m)
    for (size_t i = 0; i < matrices[m].source.size(); ++i) {
      const double value = double{matrices[m].source[i]}, error = results[m].values[i] - value;
      squares += value * value;
      errors += error * error;
      largest = std::max(largest, std::abs(error));
    }
  EXPECT_EQ(entry.at("max_error").get<double>(), largest);
  if (errors == 0) {  // MXFP4 to MXFP4
    EXPECT_EQ(entry.at("relative_rms_error"), 0.0);
    EXPECT_TRUE(entry.at("snr_db").is_null());
    return;
  }
  const double rms = std::sqrt(errors) / std::sqrt(squares);
  EXPECT_NEAR(entry.at("relative_rms_error").get<double>() / rms, 1.0, 1e-12);
  EXPECT_NEAR(entry.at("snr_db").get<double>(), -20.0 * std::log10(rms), 1e-9);
}

/// Transcodes what `pattern` matches. `bf16`: these weights are bf16 numbers.
void expect_line(const std::filesystem::path& input, const std::string& pattern,
                 const std::string& target, bool bf16) {
  const std::string rule = pattern + "=" + target;
  UnpackCase unpacked(transcoded_artifact(input, {rule}, {75, 89, 120}));
  expect_verified(unpacked.options.artifact, input);
  const json manifest = manifest_of(unpacked.options.artifact);
  EXPECT_EQ(manifest.at("options").at("transcode"), json::array({rule}));
  ASSERT_FALSE(manifest.at("transcoded").empty());
  const CheckpointEditor source = values_of_artifact(artifact_of(input, {89}));
  unpacked.options.mode = unpack::Mode::kDequantizeF32;
  const CheckpointEditor got = unpacked.checkpoint();
  std::set<std::string> seen;
  for (const json& entry : manifest.at("transcoded")) {
    const std::string module = entry.at("module");
    SCOPED_TRACE(module);
    EXPECT_TRUE(seen.insert(module).second);
    EXPECT_EQ(entry.at("to"), target);
    const auto matrices = matrices_of(module, source, got);
    ASSERT_FALSE(matrices.empty());
    std::vector<reference::Quantised> results;
    for (const Matrix& m : matrices) {
      results.push_back(reference::quantised(target, bf16, m.source, m.columns));
      EXPECT_EQ(differing(m.got, results.back().values), 0u);
    }
    expect_errors(entry, matrices, results);
  }
}

class TranscodeLine : public ::testing::TestWithParam<LineCase> {};

TEST_P(TranscodeLine, ValuesAreTheRecipesOfTheSources) {
  std::istringstream targets(GetParam().targets);
  for (std::string target; targets >> target;) {
    SCOPED_TRACE(target);
    expect_line(fixture(GetParam().fixture), GetParam().module, target, GetParam().bf16);
  }
}

INSTANTIATE_TEST_SUITE_P(Fixtures, TranscodeLine, ::testing::ValuesIn(kCases),
                         [](const auto& made) {
                           std::string name = made.param.fixture;
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

/// Hidden and feed-forward size 256; rows of q and k are permuted, the output projection is Q4_K.
GgufModel llama_of_256() {
  GgufModel gguf = small_llama();
  gguf.number("embedding_length", 256);
  gguf.number("feed_forward_length", 256);
  std::vector<GgufTensor> small;
  std::swap(small, gguf.file.tensors);
  for (const GgufTensor& t : small) {
    std::vector<uint64_t> ne;
    for (const uint64_t dim : t.ne) ne.push_back(dim == 5 ? 5 : dim == 4 ? 128 : 256);
    if (t.name != "blk.0.attn_output.weight") {
      gguf.f32(t.name, ne);
      continue;
    }
    gguf.blocks(t.name, ne, kGgmlQ4K, 256 * 144);
    std::string& data = gguf.file.tensors.back().data;
    for (size_t i = 0; i < data.size(); ++i)  // the first two halves of a block scale it
      if (i % 144 >= 4) data[i] = static_cast<char>(i * i % 251);
  }
  return gguf;
}

TEST(TranscodeGguf, ValuesAreTheRecipesOfTheHubsRows) {
  const TempFolder folder;
  const auto input = folder.write("m.gguf", llama_of_256().file.bytes());
  for (const char* target : {"nvfp4", "nvfp4-ct", "mxfp4", "mxfp4-ct", "int8", "fp8"}) {
    SCOPED_TRACE(target);
    expect_line(input, "[qko]_proj|down_proj", target, false);
  }
}

TEST(TranscodeLine, PlanesAreThoseOfTranscodeRow) {
  CheckpointEditor source("other-bf16-qwen3next");
  const std::string module = "model.layers.0.linear_attn.out_proj";
  const auto values = floats_of(source.tensor(module + ".weight"));
  constexpr uint64_t kN = 64, kK = 64;
  for (const std::string_view name : quant::transcode_names()) {
    SCOPED_TRACE(name);
    const auto target = *quant::transcode_from_name(name);
    auto format = *quant::transcode_format(target, quant::ModelFloat::kBf16, kK);
    format.global = quant::transcode_global(target, *quant::largest_magnitude(values),
                                            quant::ModelFloat::kBf16);
    std::string codes(kN * format.code_row_bytes(), 0), scales(kN * format.scale_row_bytes(), 0);
    for (uint64_t row = 0; row < kN; ++row)
      quant::transcode_row(
          format, std::span(values).subspan(row * kK, kK),
          std::as_writable_bytes(std::span(codes)).subspan(row * format.code_row_bytes()),
          std::as_writable_bytes(std::span(scales)).subspan(row * format.scale_row_bytes()));
    if (name == "int8")
      for (char& code : codes) code = static_cast<char>(code ^ '\x80');
    UnpackCase unpacked(transcoded_artifact(
        fixture("other-bf16-qwen3next"), {"layers\\.0\\..*out_proj=" + std::string(name)}, {89}));
    CheckpointEditor got = unpacked.checkpoint();
    const bool packed = name.ends_with("-ct");
    EXPECT_TRUE(got.tensor(module + (packed ? ".weight_packed" : ".weight")).bytes == codes);
    EXPECT_TRUE(got.tensor(module + ".weight_scale").bytes == scales);
  }
}

TEST(TranscodeLine, ComputedTensorsAreNoBytesOfTheSource) {
  convert::Options options = options_for(fixture("other-bf16-qwen3next"), {89});
  const auto source_bytes = [&] {
    CollectingLog log;
    const auto prepared = convert::prepare(options, log);
    if (!prepared.ok()) throw std::runtime_error(prepared.error().to_line());
    std::ostringstream out;
    plan::print_plan_json(out, prepared->model, prepared->plan, 1);
    return json::parse(out.str()).at("inventory").at("source_bytes").get<uint64_t>();
  };
  const uint64_t before = source_bytes();
  uint64_t bytes = 0;
  const CheckpointEditor source("other-bf16-qwen3next");
  for (const EditedTensor& t : source.tensors()) bytes += t.bytes.size();
  EXPECT_EQ(before, bytes);
  options.transcode = rules_of({"down_proj=nvfp4"});
  EXPECT_EQ(source_bytes(), before);
}

TEST(TranscodeLine, ThePlanSaysWhatTheManifestSays) {
  convert::Options options = options_for(fixture("other-bf16-qwen3next"), {89});
  options.transcode = rules_of({"down_proj=nvfp4"});
  CollectingLog log;
  const auto prepared = convert::prepare(options, log);
  ASSERT_TRUE(prepared.ok()) << prepared.error().to_line();
  std::ostringstream as_json, as_text;
  plan::print_plan_json(as_json, prepared->model, prepared->plan, 1);
  plan::print_plan(as_text, prepared->model, prepared->plan, 1);
  UnpackCase unpacked(transcoded_artifact(options.input, {"down_proj=nvfp4"}, {89}));
  const json manifest = manifest_of(unpacked.options.artifact);
  ASSERT_GE(manifest.at("transcoded").size(), 2u);
  EXPECT_EQ(json::parse(as_json.str()).at("transcoded"), manifest.at("transcoded"));
  for (const json& entry : manifest.at("transcoded")) {
    const std::string text = as_text.str();
    const size_t at = text.rfind("\n" + entry.at("module").get<std::string>() + " ");
    ASSERT_NE(at, std::string::npos);
    EXPECT_NE(text.substr(at + 1, text.find('\n', at + 1) - at).find("nvfp4"), std::string::npos);
  }
}

}  // namespace
}  // namespace imp::testing

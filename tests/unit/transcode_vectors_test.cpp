// The exporters' bytes through the whole line: a checkpoint whose one weight holds their vectors'
// rows is transcoded, and what comes back out of the artifact is what they wrote.
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>

#include "tests/reference/quantise.h"
#include "tests/unit/transcode_run.h"

namespace imp::testing {
namespace {

constexpr const char* kBase = "other-bf16-qwen3next";
const std::string kModule = "model.layers.0.linear_attn.out_proj";
constexpr size_t kRows = 64, kColumns = 64;

struct Vector {
  std::vector<float> x;
  std::string codes, scale;  ///< bytes
};
/// Vectors that can share a weight.
struct Group {
  std::string dtype;  ///< "f32" or "bf16"
  float global = 1.0f;
  auto operator<=>(const Group&) const = default;
};
using Vectors = std::map<Group, std::vector<Vector>>;

nlohmann::json json_of(const std::string& file) {
  std::ifstream in(std::string(IMP_TEST_DATA) + "/" + file);
  return nlohmann::json::parse(in);
}

std::string unhex(const std::string& hex) {
  std::string bytes;
  for (size_t i = 0; i + 1 < hex.size(); i += 2)
    bytes += static_cast<char>(std::stoul(hex.substr(i, 2), nullptr, 16));
  return bytes;
}

/// Little-endian floats, one text or a list of texts.
std::vector<float> floats_at(const nlohmann::json& json) {
  std::string hex;
  if (json.is_string())
    hex = json;
  else
    for (const auto& item : json) hex += item.get<std::string>();
  return floats_of({"", "F32", {}, unhex(hex)});
}

float amax_of(const std::vector<float>& x) {
  float amax = 0;
  for (const float v : x) amax = std::max(amax, std::fabs(v));
  return amax;
}

bool all_finite(const std::vector<float>& x) {
  return std::all_of(x.begin(), x.end(), [](float v) { return std::isfinite(v); });
}

/// The next number of the model's floats, `steps` up or down.
float stepped(float value, int steps, bool bf16) {
  uint32_t bits = 0;
  std::memcpy(&bits, &value, 4);
  if (bf16) bits &= 0xFFFF0000u;
  bits += static_cast<uint32_t>(steps) * (bf16 ? 0x10000u : 1u);
  std::memcpy(&value, &bits, 4);
  return value;
}

/// A largest magnitude that gives a weight this global scale; none if there is no such float.
std::optional<float> amax_for(const std::string& target, const Group& group) {
  const bool bf16 = group.dtype == "bf16";
  const float near = target == "nvfp4" ? 2688.0f * group.global : 2688.0f / group.global;
  for (int steps = -8; steps <= 8; ++steps) {
    const float amax = stepped(near, steps, bf16);
    if (!std::isfinite(amax) || amax <= 0) continue;
    const std::vector<float> row(16, amax);
    if (reference::quantised(target, bf16, row, 16).global == group.global) return amax;
  }
  return std::nullopt;
}

std::string plane_of(const std::vector<float>& values, bool bf16) {
  const std::string bytes = f32_bytes(values);
  if (!bf16) return bytes;
  std::string halves;
  for (size_t i = 0; i < bytes.size(); i += 4) halves += bytes.substr(i + 2, 2);
  return halves;
}

/// The weight's planes as the artifact gives them back. `top`: a value of its last group.
CheckpointEditor transcoded(const std::string& target, const std::string& dtype,
                            const std::vector<Vector>& vectors, float top,
                            std::optional<layouts::LayoutId> layout = std::nullopt) {
  std::vector<float> values(kRows * kColumns, 0.0f);
  for (size_t v = 0; v < vectors.size(); ++v)
    std::copy(vectors[v].x.begin(), vectors[v].x.end(),
              values.begin() + static_cast<std::ptrdiff_t>(v * vectors[v].x.size()));
  values.back() = top;
  CheckpointEditor editor(kBase);
  EditedTensor& weight = editor.tensor(kModule + ".weight");
  weight.dtype = dtype == "bf16" ? "BF16" : "F32";
  weight.bytes = plane_of(values, dtype == "bf16");
  const TempFolder folder;
  convert::Options options = options_for(editor.write(folder.path()), {89});
  options.include = {"layers\\.0\\..*out_proj"};
  options.transcode = rules_of({"out_proj=" + target});
  options.plan.layout = layout;
  CollectingLog log;
  const auto bytes = convert_to_memory(options, log);
  if (!bytes.ok()) throw std::runtime_error(bytes.error().to_line());
  return UnpackCase(*bytes).checkpoint();
}

void expect_planes(CheckpointEditor& got, const std::vector<Vector>& vectors,
                   const std::string& codes_name) {
  const std::string& codes = got.tensor(kModule + codes_name).bytes;
  const std::string& scales = got.tensor(kModule + ".weight_scale").bytes;
  for (size_t v = 0; v < vectors.size(); ++v) {
    const size_t size = vectors[v].codes.size();
    EXPECT_EQ(codes.substr(v * size, size), vectors[v].codes) << "codes of vector " << v;
    EXPECT_EQ(scales.substr(v, 1), vectors[v].scale) << "scale of vector " << v;
  }
}

struct Counts {
  size_t compared = 0, skipped = 0;
};

/// Each group of vectors as one weight whose last value makes its global scale theirs. Vectors that
/// clip under it have a larger value themselves and are none that a weight could hold.
Counts expect_nvfp4(const std::string& target, const Vectors& all, const std::string& codes_name,
                    const std::string& global_name) {
  Counts counts;
  for (const auto& [group, vectors] : all) {
    SCOPED_TRACE(group.dtype + " " + std::to_string(group.global));
    const auto top = amax_for(target, group);
    std::vector<Vector> fitting;
    for (const Vector& v : vectors)
      if (top && amax_of(v.x) <= *top) fitting.push_back(v);
    counts.skipped += vectors.size() - fitting.size();
    counts.compared += fitting.size();
    if (fitting.empty()) continue;
    if (fitting.size() >= kRows * kColumns / 16) throw std::runtime_error("too many vectors");
    CheckpointEditor got = transcoded(target, group.dtype, fitting, *top);
    EXPECT_EQ(floats_of(got.tensor(kModule + global_name)).at(0), group.global);
    expect_planes(got, fitting, codes_name);
  }
  return counts;
}

TEST(TranscodeVectors, Nvfp4OfModelOpt) {
  Vectors all;
  const auto json = json_of("modelopt-nvfp4-vectors.json");
  for (const auto& row : json.at("rows")) {
    const auto x = floats_at(row.at("in"));
    const float global = floats_at(row.at("gs")).at(0);
    if (!all_finite(x) || !std::isfinite(global) || global == 0) continue;  // no promise
    all[{"f32", global}].push_back({x, unhex(row.at("packed")), unhex(row.at("scale"))});
  }
  const Counts counts = expect_nvfp4("nvfp4", all, ".weight", ".weight_scale_2");
  EXPECT_GE(counts.compared, 180u) << counts.skipped << " skipped";
}

TEST(TranscodeVectors, Nvfp4OfCompressedTensors) {
  Vectors all;
  const auto json = json_of("ct-nvfp4-vectors.json");
  for (const auto& row : json.at("rows")) {
    const auto x = floats_at(row.at("x"));
    const float global = floats_at(row.at("global_scale")).at(0);
    if (!all_finite(x)) continue;  // no promise
    all[{row.at("dtype"), global}].push_back(
        {x, unhex(row.at("packed")), unhex(row.at("scale_e4m3"))});
  }
  const Counts counts = expect_nvfp4("nvfp4-ct", all, ".weight_packed", ".weight_global_scale");
  EXPECT_GE(counts.compared, 160u) << counts.skipped << " skipped";
}

void expect_mxfp4(const std::string& target, const std::string& dtype,
                  const std::vector<Vector>& vectors, const std::string& codes_name) {
  ASSERT_GT(vectors.size(), 20u);
  ASSERT_LT(vectors.size(), kRows * kColumns / 32);
  // mma64 cannot hold the largest of these scales.
  CheckpointEditor got = transcoded(target, dtype, vectors, 1.0f, layouts::LayoutId::kPlain);
  expect_planes(got, vectors, codes_name);
}

TEST(TranscodeVectors, Mxfp4OfModelOpt) {
  std::vector<Vector> vectors;
  const auto json = json_of("modelopt-mx-vectors.json");
  for (const auto& row : json.at("mxfp4"))
    vectors.push_back({floats_at(row.at("in")), unhex(row.at("packed")), unhex(row.at("scale"))});
  expect_mxfp4("mxfp4", "f32", vectors, ".weight");
}

TEST(TranscodeVectors, Mxfp4OfCompressedTensors) {
  std::map<std::string, std::vector<Vector>> all;
  const auto json = json_of("ct-mx-vectors.json");
  for (const auto& row : json.at("rows")) {
    const auto x = floats_at(row.at("x"));
    if (row.at("scheme") != "MXFP4A16" || !all_finite(x)) continue;  // no promise
    all[row.at("dtype")].push_back({x, unhex(row.at("codes")), unhex(row.at("scale_byte"))});
  }
  EXPECT_EQ(all.size(), 2u);
  for (const auto& [dtype, vectors] : all) {
    SCOPED_TRACE(dtype);
    expect_mxfp4("mxfp4-ct", dtype, vectors, ".weight_packed");
  }
}

}  // namespace
}  // namespace imp::testing

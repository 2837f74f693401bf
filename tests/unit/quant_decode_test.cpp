// src/quant/decode.h against the exporters' own values: for each weight of the fixtures the
// reference (tests/reference/source_values.h) gives what the exporter's sha256 is of, and ours,
// rounded once, gives what the reference gives.
#include "src/quant/decode.h"

#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>
#include <regex>
#include <string>

#include "src/base/checked.h"
#include "src/base/digest.h"
#include "src/base/text.h"
#include "src/quant/bitmask.h"
#include "tests/reference/source_values.h"
#include "tests/unit/checkpoint_editor.h"

namespace imp::quant {
namespace {

using reference::SourceWeight;
using testing::CheckpointEditor;
using testing::EditedTensor;

const uint8_t* raw(const EditedTensor& t) {
  return reinterpret_cast<const uint8_t*>(t.bytes.data());
}

uint64_t elements(const EditedTensor& t) {
  uint64_t count = 1;
  for (const uint64_t d : t.shape) count *= d;
  return count;
}

/// The tensors of one module, by what they are.
struct Tensors {
  CheckpointEditor& source;
  std::string module;
  const EditedTensor* find(std::initializer_list<const char*> suffixes) const {
    for (const char* suffix : suffixes)
      if (source.has(module + suffix)) return &source.tensor(module + suffix);
    return nullptr;
  }
};

/// What a test needs of one weight: the reference's view of it, and where its planes are.
struct Case {
  SourceWeight w;
  Bytes codes, scales, zero_points, group_index, bitmask, row_offsets;
  Convention convention = Convention::kMultiplier;
  std::string scheme;
};

Bytes bytes_of(const EditedTensor* t) {
  return t == nullptr ? Bytes{} : std::as_bytes(std::span(t->bytes));
}

uint32_t integer_bits(const std::string& scheme) {
  std::smatch match;
  if (std::regex_search(scheme, match, std::regex("int([2-8])_|_([2-8])bit_")))
    return static_cast<uint32_t>(std::stoul(match[1].matched ? match[1] : match[2]));
  return 8;
}

Encoding code_encoding(const EditedTensor& codes, const std::string& fixture) {
  if (codes.dtype == "I32")
    return fixture.find("padded") == std::string::npos ? Encoding::kWords : Encoding::kPaddedWords;
  if (codes.dtype == "I8") return Encoding::kSignedBytes;
  return Encoding::kRows;
}

void set_codes(Case& c, const EditedTensor& codes, const nlohmann::json& want,
               const std::string& fixture) {
  const uint64_t rows = want.at("shape")[0], columns = want.at("shape")[1];
  auto encoding = code_encoding(codes, fixture);
  c.w.codes = reference::Codes::kE2m1;
  uint32_t bits = 4;
  if (codes.dtype == "F8_E4M3") {
    c.w.codes = reference::Codes::kE4m3;
    bits = 8;
  } else if (codes.dtype == "BF16") {
    c.w.codes = reference::Codes::kBf16;
    bits = 16;
  } else if (codes.dtype != "U8") {
    c.w.codes = reference::Codes::kInteger;
    bits = integer_bits(c.scheme);
  } else if (c.scheme.starts_with("int4")) {  // ModelOpt packs along N
    c.w.codes = reference::Codes::kInteger;
    encoding = Encoding::kNibblesAlongN;
  }
  c.w.code_plane = {static_cast<uint16_t>(encoding), bits, rows, columns};
  c.w.code_bytes = raw(codes);
  c.codes = bytes_of(&codes);
}

uint32_t bits_of_dtype(const std::string& dtype) {
  return dtype == "F32" ? 32 : dtype == "BF16" || dtype == "F16" ? 16 : 8;
}

void set_scales(Case& c, const EditedTensor& scales) {
  if (elements(scales) == 1 && scales.dtype.starts_with("F8") == false && scales.dtype != "U8") {
    c.w.global = reference::number_at(raw(scales), 0, scales.dtype);
    return;
  }
  const uint64_t columns = scales.shape.size() == 1   ? 1
                           : scales.shape.size() == 4 ? scales.shape[2]
                                                      : scales.shape[1];
  const uint64_t rows = scales.shape[0];
  c.w.scale_plane = {0, bits_of_dtype(scales.dtype), rows, columns};
  c.w.scale_bytes = raw(scales);
  c.w.scale_dtype = scales.dtype;
  c.scales = bytes_of(&scales);
  const bool blocks = rows != c.w.code_plane.rows;  // of 128x128, also where there is only one
  c.w.group_rows = blocks ? 128 : 1;
  c.w.group_size = blocks ? 128 : div_up(c.w.code_plane.columns, columns);
}

void set_zero_points(Case& c, const EditedTensor& zero_points, const std::string& fixture) {
  const bool padded = fixture.find("padded") != std::string::npos;
  const Encoding encoding = zero_points.dtype == "I8" ? Encoding::kSignedBytes
                            : padded                  ? Encoding::kPaddedWordsAlongN
                                                      : Encoding::kWordsAlongN;
  c.w.zero_point_plane = {static_cast<uint16_t>(encoding), c.w.code_plane.bits, c.w.code_plane.rows,
                          c.w.scale_plane.columns};
  c.w.zero_point_bytes = raw(zero_points);
  c.zero_points = bytes_of(&zero_points);
}

Case case_of(const Tensors& t, const nlohmann::json& want, const std::string& fixture) {
  Case c;
  c.scheme = want.at("scheme");
  set_codes(c, *t.find({".weight_packed", ".compressed", ".weight"}), want, fixture);
  if (const auto* scales = t.find({".weight_scale", ".weight_scale_inv"})) set_scales(c, *scales);
  if (const auto* zeros = t.find({".weight_zero_point"})) set_zero_points(c, *zeros, fixture);
  if (const auto* index = t.find({".weight_g_idx"})) {
    c.w.group_index = raw(*index);
    c.group_index = bytes_of(index);
  }
  if (const auto* mask = t.find({".bitmask"})) {
    c.w.bitmask = raw(*mask);
    c.bitmask = bytes_of(mask);
    c.row_offsets = bytes_of(t.find({".row_offsets"}));
  }
  if (const auto* global = t.find({".weight_global_scale"})) {
    c.w.global = reference::number_at(raw(*global), 0, "F32");
    c.w.order = reference::Order::kScaleOverGlobal;
    c.convention = Convention::kDivisor;
  } else if (const auto* scale_2 = t.find({".weight_scale_2"});
             scale_2 != nullptr && c.scheme.starts_with("nvfp4")) {
    c.w.global = reference::number_at(raw(*scale_2), 0, "F32");
    c.w.order = reference::Order::kGlobalTimesScale;
  }
  return c;
}

Dtype dtype_of(const std::string& name) {
  return name == "F32"       ? Dtype::kF32
         : name == "BF16"    ? Dtype::kBF16
         : name == "F16"     ? Dtype::kF16
         : name == "F8_E4M3" ? Dtype::kF8E4M3
         : name == "F8_E8M0" ? Dtype::kF8E8M0
                             : Dtype::kU8;
}

WeightFormat format_of(const Case& c) {
  WeightFormat f;
  f.kind = c.w.codes == reference::Codes::kE2m1   ? CodeKind::kE2m1
           : c.w.codes == reference::Codes::kE4m3 ? CodeKind::kE4m3
           : c.w.codes == reference::Codes::kBf16 ? CodeKind::kFloat
                                                  : CodeKind::kInteger;
  f.code_dtype = Dtype::kBF16;
  f.bits = c.w.code_plane.bits;
  f.rows = c.w.code_plane.rows;
  f.columns = c.w.code_plane.columns;
  f.group_size = c.w.scale_plane.columns == 0 ? 0 : c.w.group_size;
  f.group_rows = c.w.group_rows;
  f.scale_dtype = dtype_of(c.w.scale_dtype);
  return f;
}

PlaneCoding coding_of(const reference::HeldPlane& plane) {
  return {static_cast<Encoding>(plane.encoding), plane.bits, plane.rows, plane.columns};
}

std::vector<std::byte> canonical(const PlaneCoding& coding, Bytes source) {
  std::vector<std::byte> out(canonical_bytes(coding));
  const Status status = to_canonical(coding, source, out);
  EXPECT_TRUE(status.ok()) << status.error().message;
  return out;
}

/// Ours: planes to canonical rows, a few rows at a time to values.
std::vector<double> decode(const Case& c) {
  const WeightFormat format = format_of(c);
  PlaneCoding coding = coding_of(c.w.code_plane);
  std::vector<std::byte> dense;
  Bytes codes = c.codes;
  if (!c.bitmask.empty()) {
    PlaneCoding sparse = coding;
    sparse.encoding = c.row_offsets.empty() ? Encoding::kBitmask24 : Encoding::kBitmask;
    dense.resize(coding.rows * coding.columns * coding.bits / 8);
    const Status status = expand_bitmask(sparse, {c.codes, c.bitmask, c.row_offsets}, dense);
    EXPECT_TRUE(status.ok()) << status.error().message;
    codes = dense;
  }
  const auto code_plane = canonical(coding, codes);
  std::vector<std::byte> zero_points;
  if (!c.zero_points.empty())
    zero_points = canonical(coding_of(c.w.zero_point_plane), c.zero_points);
  const auto groups = column_groups(format, c.group_index);
  EXPECT_TRUE(groups.ok());
  std::vector<double> out(format.rows * format.columns);
  const uint64_t step = format.group_rows == 1 ? 7 : format.group_rows;
  const auto pitch = [&](size_t bytes, uint64_t rows) { return bytes / rows; };
  for (uint64_t row = 0; row < format.rows; row += step) {
    const uint64_t group_row = row / format.group_rows;
    CanonicalRows rows;
    rows.rows = std::min(step, format.rows - row);
    rows.codes = Bytes(code_plane).subspan(row * pitch(code_plane.size(), format.rows));
    if (!c.scales.empty())
      rows.scales = c.scales.subspan(group_row * pitch(c.scales.size(), c.w.scale_plane.rows));
    if (!zero_points.empty())
      rows.zero_points =
          Bytes(zero_points).subspan(group_row * pitch(zero_points.size(), format.rows));
    decode_rows(format, rows, *groups, {c.w.global, c.convention},
                std::span(out).subspan(row * format.columns, rows.rows * format.columns));
  }
  return out;
}

std::string sha_of(const std::vector<float>& values) {
  Sha256Stream stream;
  stream.update(std::as_bytes(std::span(values)));
  const Sha256 digest = stream.finish();
  return hex(digest.data(), digest.size());
}

void expect_same(const Case& c, const std::vector<double>& ours,
                 const std::vector<float>& reference) {
  ASSERT_EQ(ours.size(), reference.size());
  size_t different = 0;
  for (size_t i = 0; i < ours.size(); ++i) {
    const auto rounded = static_cast<float>(ours[i]);
    // Orders with two roundings lie within one and a half units of the exact value.
    if (c.w.order == reference::Order::kProduct)
      different += std::bit_cast<uint32_t>(rounded) != std::bit_cast<uint32_t>(reference[i]);
    else
      different += !(std::abs(ours[i] - reference[i]) <= 0x1.8p-23 * std::abs(ours[i]));
  }
  EXPECT_EQ(different, 0u);
}

class DecodeFixture : public ::testing::TestWithParam<const char*> {};

TEST_P(DecodeFixture, ValuesAreTheExporters) {
  const std::string fixture = GetParam();
  CheckpointEditor source(fixture);
  std::ifstream file(std::string(IMP_TEST_DATA) + "/" + fixture + ".expected.json");
  const auto expected = nlohmann::json::parse(file);
  size_t checked = 0;
  for (const auto& [name, want] : expected.at("tensors").items()) {
    const std::string scheme = want.value("scheme", "");
    const bool plain = scheme == "bf16" || scheme == "f16" || scheme == "f32";
    if (plain || scheme.empty() || !name.ends_with(".weight")) continue;
    SCOPED_TRACE(name + ": " + scheme);
    const Case c = case_of({source, name.substr(0, name.size() - 7)}, want, fixture);
    const auto reference = reference::source_values(c.w);
    EXPECT_EQ(sha_of(reference), want.at("sha256").get<std::string>());
    expect_same(c, decode(c), reference);
    ++checked;
  }
  EXPECT_GE(checked, 7u);
}

INSTANTIATE_TEST_SUITE_P(
    Families, DecodeFixture,
    ::testing::Values("ct-w2a16-llama-small", "ct-w3a16asym-channel-llama-odd",
                      "ct-v012-w5a16-padded-llama-small", "ct-autoround-w4a16-llama-small",
                      "ct-w4a8-llama-small", "ct-w8a8asym-static-llama-odd",
                      "ct-fp8block-llama-odd", "ct-mxfp4a16-llama-odd", "ct-v012-nvfp4-llama-small",
                      "ct-v012-sparse24-fp8dynamic-llama-small",
                      "ct-v012-sparse24-w8a8-llama-small", "ct-v012-sparsebitmask-bf16-llama-small",
                      "ct-v012-w4a16-g32-actordergroup-qwen3moe",
                      "ct-v012-w4a16asym-g32-actordergroup-llama-small", "modelopt-w4a8awq-llama",
                      "modelopt-mxfp4-qwen3moe", "modelopt-w4a8nvfp4-llama",
                      "modelopt-fp8-llama-odd", "other-fp8block-ue8m0-qwen3"),
    [](const auto& fixture) { return std::regex_replace(fixture.param, std::regex("-"), "_"); });

}  // namespace
}  // namespace imp::quant

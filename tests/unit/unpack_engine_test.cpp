// What was packed for other engines comes back: the source's tensors byte for byte, the values of a
// plain form, and an index that says which op takes which file.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <nlohmann/json.hpp>

#include "formats/imp/reader.h"
#include "tests/unit/artifact_sample.h"
#include "tests/unit/engine_line.h"
#include "tests/unit/unpack_run.h"

namespace imp::testing {
namespace {

using artifact::ComponentKind;
using layouts::LayoutId;
using unpack::Mode;

struct Line {
  const char* fixture;
  LayoutId layout;
};

class UnpackEngine : public ::testing::TestWithParam<Line> {};

TEST_P(UnpackEngine, GivesBackTheSource) {
  UnpackCase unpacked(engine_artifact(fixture(GetParam().fixture), GetParam().layout));
  EXPECT_GT(count_forms(unpacked.options.artifact, GetParam().layout), 0u);
  expect_same_tensors(unpacked.checkpoint(), CheckpointEditor(GetParam().fixture));
}

TEST_P(UnpackEngine, GivesTheValuesOfPlainForms) {
  UnpackCase unpacked(engine_artifact(fixture(GetParam().fixture), GetParam().layout));
  UnpackCase plain(engine_artifact(fixture(GetParam().fixture), LayoutId::kPlain));
  unpacked.options.mode = plain.options.mode = Mode::kDequantizeF32;
  expect_same_tensors(unpacked.checkpoint(), plain.checkpoint());
}

constexpr Line kLines[] = {
    {"modelopt-nvfp4-llama-odd", LayoutId::kMarlin},
    {"modelopt-nvfp4-llama-odd", LayoutId::kMarlinA0},
    {"modelopt-nvfp4-llama", LayoutId::kMaxSm8x},
    {"modelopt-nvfp4-qwen3moe", LayoutId::kMarlin},
    {"modelopt-other-nvfp4-gptoss", LayoutId::kMarlin},
    {"ct-v012-nvfp4-llama-small", LayoutId::kMarlin},
    {"ct-v012-nvfp4-llama-small", LayoutId::kMaxSm8x},
    {"ct-mxfp4a16-llama-odd", LayoutId::kMarlin},
    {"modelopt-fp8-llama-odd", LayoutId::kMarlin},
    {"ct-fp8-weightonly-naive-llama-small", LayoutId::kMarlin},
    {"modelopt-fp8block-edge-llama", LayoutId::kMarlin},
    {"ct-w4a16asym-llama", LayoutId::kMarlin},
    {"ct-w4a16asym-llama", LayoutId::kMachete4},
    {"ct-v012-w4a16asym-g32-actordergroup-llama-small", LayoutId::kMarlin},
    {"ct-v012-w4a16-g32-actordergroup-qwen3moe", LayoutId::kMarlin},
    {"ct-w8a8asym-static-llama-odd", LayoutId::kMarlin},
    {"ct-autoround-int8w8a8-llama-small", LayoutId::kMachete8},
};

INSTANTIATE_TEST_SUITE_P(Lines, UnpackEngine, ::testing::ValuesIn(kLines), [](const auto& test) {
  std::string name = std::string(test.param.fixture) + "_" +
                     layouts::find_layout(static_cast<uint16_t>(test.param.layout))->name;
  std::ranges::replace(name, '-', '_');
  return name;
});

TEST(UnpackEngineScales, LostOnesComeBack) {
  TempFolder folder;
  const auto odd = write_with_odd_scales(folder.path() / "odd");
  const auto tiny = write_with_tiny_global(folder.path() / "tiny");
  for (const auto& [source, layout] :
       {std::pair{odd, LayoutId::kMarlin}, std::pair{odd, LayoutId::kMarlinA0},
        std::pair{odd, LayoutId::kMaxSm8x}, std::pair{tiny, LayoutId::kMaxSm8x}}) {
    UnpackCase unpacked(engine_artifact(source, layout));
    expect_same_tensors(unpacked.checkpoint(), CheckpointEditor(source));
  }
}

/// The object beside the blocks of an operand.
nlohmann::json engine_of(const char* name, LayoutId layout, const std::string& operand) {
  UnpackCase unpacked(engine_artifact(fixture(name), layout));
  unpacked.options.mode = Mode::kRaw;
  const auto report = unpacked.run();
  if (!report.ok()) throw std::runtime_error(report.error().to_line());
  const auto files = unpacked.files();
  const auto index = nlohmann::json::parse(files.at("index.json"));
  for (const auto& entry : index["files"]) {
    if (entry["operand"] != operand || entry["component"] != "blocks") {
      EXPECT_FALSE(entry.contains("engine") && entry["component"] != "blocks");
      continue;
    }
    for (const auto& [argument, value] : entry["engine"]["arguments"].items())
      if (value.is_object() && value.contains("file")) {
        EXPECT_TRUE(files.contains(value["file"])) << argument;
      }
    return entry["engine"];
  }
  throw std::runtime_error("no blocks of " + operand);
}

using Sizes = std::vector<uint64_t>;

TEST(UnpackEngineRaw, Marlin) {
  const auto engine = engine_of("modelopt-nvfp4-llama-odd", LayoutId::kMarlin,
                                "model.layers.0.mlp.down_proj");  // 208 x 400
  EXPECT_EQ(engine["op"], "marlin_gemm");
  EXPECT_EQ(engine["status"], "as read from the engine's sources, not run with it");
  const auto& a = engine["arguments"];
  EXPECT_EQ(a["b_q_weight"]["dtype"], "int32");
  EXPECT_EQ(a["b_q_weight"]["shape"].get<Sizes>(), (Sizes{448 / 16, 2 * 256}));
  EXPECT_EQ(a["b_scales"]["dtype"], "float8_e4m3fn");
  EXPECT_EQ(a["b_scales"]["shape"].get<Sizes>(), (Sizes{448 / 16, 256}));
  EXPECT_EQ(a["global_scale"]["shape"].get<Sizes>(), (Sizes{1}));
  EXPECT_TRUE(a["b_zeros_or_none"].is_null());
  EXPECT_EQ(a["b_type_id"], "id of scalar_types.float4_e2m1f");
  EXPECT_EQ(a["size_n"], 256);
  EXPECT_EQ(a["size_k"], 448);
  EXPECT_EQ(engine["output"]["rows_of_w"], 208);
}

TEST(UnpackEngineRaw, MarlinExperts) {
  const auto engine = engine_of("modelopt-other-nvfp4-gptoss", LayoutId::kMarlin,
                                "model.layers.0.mlp.experts.down_proj");  // 128 x 96, 4 experts
  EXPECT_EQ(engine["op"], "moe_wna16_marlin_gemm");
  const auto& a = engine["arguments"];
  EXPECT_EQ(a["b_q_weight"]["shape"].get<Sizes>(), (Sizes{4, 128 / 16, 2 * 128}));
  EXPECT_EQ(a["global_scale"]["shape"].get<Sizes>(), (Sizes{4}));
  EXPECT_EQ(a["is_full_k"], true);
  EXPECT_FALSE(a.contains("is_k_full"));
  EXPECT_EQ(a["b_bias_or_none"]["shape"].get<Sizes>(), (Sizes{4, 128}));
}

TEST(UnpackEngineRaw, MarlinIntegers) {
  const auto engine = engine_of("ct-v012-w4a16asym-g32-actordergroup-llama-small",
                                LayoutId::kMarlin, "model.layers.0.mlp.down_proj");  // 128 x 256
  const auto& a = engine["arguments"];
  EXPECT_EQ(a["b_type_id"], "id of scalar_types.uint4");
  EXPECT_EQ(a["b_scales"]["dtype"], "bfloat16");
  EXPECT_EQ(a["b_zeros_or_none"]["shape"].get<Sizes>(), (Sizes{256 / 32, 128 / 8}));
  EXPECT_NE(a["a"]["columns"].get<std::string>().find("k_gather"), std::string::npos);
  EXPECT_TRUE(a["global_scale"].is_null());
}

TEST(UnpackEngineRaw, Machete) {
  const auto engine = engine_of("ct-w4a16asym-llama", LayoutId::kMachete4,
                                "model.layers.0.mlp.down_proj");  // 256 x 384
  EXPECT_EQ(engine["op"], "machete_mm");
  const auto& a = engine["arguments"];
  EXPECT_EQ(a["B"]["shape"].get<Sizes>(), (Sizes{384 / 8, 256}));
  EXPECT_EQ(a["b_type"], "id of scalar_types.uint4");
  EXPECT_EQ(a["group_zeros"]["shape"].get<Sizes>(), (Sizes{3, 256}));
  EXPECT_EQ(a["group_size"], 128);
  const auto symmetric = engine_of("ct-autoround-int8w8a8-llama-small", LayoutId::kMachete8,
                                   "model.layers.0.mlp.down_proj");
  EXPECT_EQ(symmetric["arguments"]["b_type"], "id of scalar_types.uint8b128");
  EXPECT_EQ(symmetric["arguments"]["group_size"], -1);
  EXPECT_TRUE(symmetric["arguments"]["group_zeros"].is_null());
}

TEST(UnpackEngineRaw, MaxSm8x) {
  const auto engine = engine_of("modelopt-nvfp4-llama", LayoutId::kMaxSm8x,
                                "model.layers.0.mlp.down_proj");  // 256 x 512
  const auto& a = engine["arguments"];
  EXPECT_EQ(a["weights_and_scales"]["shape"].get<Sizes>(), (Sizes{256, 320}));
  EXPECT_EQ(a["scales_begin_at_byte"], 256 * 256);
}

struct Refusal {
  const char* what;
  void (*apply)(Damaged&, artifact::FormRecord&, const std::vector<artifact::ComponentRecord*>&);
  ErrorKind kind;
  const char* fragment;
};

artifact::ComponentRecord& of_kind(const std::vector<artifact::ComponentRecord*>& components,
                                   ComponentKind kind) {
  for (artifact::ComponentRecord* c : components)
    if (c->kind == static_cast<uint16_t>(kind)) return *c;
  throw std::runtime_error("no such component");
}

TEST(UnpackEngineRefuses, WhatNoConverterWrote) {
  const std::string good = engine_artifact(fixture("modelopt-nvfp4-llama-odd"), LayoutId::kMarlin);
  const Refusal refusals[] = {
      {"a dialect", [](Damaged&, auto& form, auto&) { form.dialect = 1; },
       ErrorKind::kUnsupportedLayout, "marlin version 0 dialect 1"},
      {"padding", [](Damaged&, auto& form, auto&) { form.padded_k += 16; }, ErrorKind::kBadRecord,
       "which layout marlin does not hold [208, 400] in"},
      {"a multiplier",
       [](Damaged& d, auto&, auto& c) {
         d.bytes[of_kind(c, ComponentKind::kMultiplier).offset_bytes] ^= 1;
       },
       ErrorKind::kBadRecord, "is not the global scale times 2^119 over a power of two"},
      {"a scale that is none",
       [](Damaged& d, auto&, auto& c) {
         d.bytes[of_kind(c, ComponentKind::kBlockScale).offset_bytes] = 1;
       },
       ErrorKind::kInverseMismatch, "row 0, group 0 encodes no e4m3 scale"},
      {"padding that is not zero",
       [](Damaged& d, auto&, auto& c) {
         const auto& blocks = of_kind(c, ComponentKind::kBlocks);
         d.bytes[blocks.offset_bytes + blocks.size_bytes - 1] = 1;
       },
       ErrorKind::kInverseMismatch, "padding"}};
  for (const Refusal& refusal : refusals) {
    SCOPED_TRACE(refusal.what);
    TempFolder folder;
    Damaged damaged(good);
    const auto reader = open_bytes(folder, good);
    ASSERT_TRUE(reader.ok());
    const auto operand = reader->find_operand("model.layers.0.mlp.down_proj");
    ASSERT_TRUE(operand);
    artifact::FormRecord& form = damaged.form(damaged.operand(*operand).first_form);
    std::vector<artifact::ComponentRecord*> components;
    for (uint32_t c = form.first_component; c < form.first_component + form.component_count; ++c)
      components.push_back(&damaged.component(c));
    refusal.apply(damaged, form, components);
    make_digests_right(damaged, folder);
    UnpackCase unpacked(damaged.bytes);
    expect_error(unpacked.refusal(), refusal.kind, refusal.fragment);
  }
}

}  // namespace
}  // namespace imp::testing

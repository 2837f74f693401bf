// Forms in the layouts of other engines: components, padding, pieces, fusion, and why an operand
// has none.
#include <gtest/gtest.h>

#include <algorithm>
#include <sstream>

#include "formats/imp/targets.h"
#include "src/plan/engine_forms.h"
#include "src/plan/planes.h"
#include "src/plan/print.h"
#include "tests/unit/plan_components.h"
#include "tests/unit/plan_make.h"

namespace imp::plan {
namespace {

using testing::CheckpointEditor;
using testing::ComponentRow;
using testing::expect_components;
using testing::find_component;
using testing::find_form;
using testing::Planned;

Options by_name(LayoutId layout) { return {{}, layout}; }

constexpr ComponentKind kBlocks = ComponentKind::kBlocks, kScale = ComponentKind::kBlockScale,
                        kZero = ComponentKind::kZeroPoint;
const ComponentRow kExceptions{ComponentKind::kExceptions, "U8", {0}, 0, false};

// N = 96, K = 208: (128, 256) and (128, 256) are what both rules give.
TEST(EngineForms, OfAnOddMatrix) {
  const Planned planned("modelopt-nvfp4-llama-odd", by_name(LayoutId::kMarlin));
  const Operand& k = planned.operand("model.layers.0.self_attn.k_proj");
  const Form& form = *find_form(k, LayoutId::kMarlin);
  EXPECT_EQ(form.padded_n, 128u);
  EXPECT_EQ(form.padded_k, 256u);
  EXPECT_EQ(form.dialect, 0u);
  expect_components(form, {{kBlocks, "U8", {16, 2, 512}, 0, true},
                           {kScale, "U8", {16, 128}, 0, true},
                           {ComponentKind::kMultiplier, "F32", {1}, 0, true},
                           {ComponentKind::kInputScale, "F32", {1}, 0, false},
                           {ComponentKind::kBias, "BF16", {96}, 0, true},
                           kExceptions});
}

TEST(EngineForms, OneBufferOfCodesAndScales) {
  const Planned planned("modelopt-nvfp4-llama", by_name(LayoutId::kMaxSm8x));
  const Form& form =
      *find_form(planned.operand("model.layers.0.mlp.down_proj"), LayoutId::kMaxSm8x);
  // [256, 512]: 4 bits a code and 16 for each group of 16.
  expect_components(form, {{kBlocks, "U8", {256 * 512 / 2 + 256 * 32 * 2}, 0, true},
                           {ComponentKind::kInputScale, "F32", {1}, 0, false},
                           kExceptions});
}

TEST(EngineForms, OneMultiplierAnExpert) {
  const Planned planned("modelopt-nvfp4-qwen3moe", by_name(LayoutId::kMarlinA0));
  const Form& form =
      *find_form(planned.operand("model.layers.0.mlp.experts.gate_up_proj"), LayoutId::kMarlinA0);
  expect_components(form, {{kBlocks, "U8", {4, 8, 2, 512}, 8 * 2 * 512, true},
                           {kScale, "U8", {4, 8, 128}, 8 * 128, true},
                           {ComponentKind::kMultiplier, "F32", {4, 1}, 4, true},
                           {ComponentKind::kInputScale, "F32", {4, 2}, 8, false},
                           kExceptions});
}

TEST(EngineForms, IntegersWithZeroPointsAndActOrder) {
  const char* fixture = "ct-v012-w4a16asym-g32-actordergroup-llama-small";
  const Planned planned(fixture, by_name(LayoutId::kMarlin));
  const Form& form =
      *find_form(planned.operand("model.layers.0.self_attn.o_proj"), LayoutId::kMarlin);
  const Component* scale = find_component(form, kScale);
  ASSERT_NE(scale, nullptr);
  EXPECT_EQ(form.dialect, scale->dtype == Dtype::kF16 ? 1u : 0u);
  EXPECT_EQ(scale->shape, (Shape{4, 128}));  // K = 128 in groups of 32
  const Component* zero = find_component(form, kZero);
  ASSERT_NE(zero, nullptr);
  EXPECT_EQ(zero->shape, (Shape{4, 64}));  // two a byte
  EXPECT_EQ(dtype_name(zero->dtype), "U8");
  const Component* gather = find_component(form, ComponentKind::kKGather);
  ASSERT_NE(gather, nullptr);
  EXPECT_EQ(gather->shape, Shape{128});
}

TEST(EngineForms, Fp8ScalesAreMadeAndTheSourcesKept) {
  const Planned blocks("ct-fp8block-llama-odd", by_name(LayoutId::kMarlin));
  const Form& form = *find_form(blocks.operand("model.layers.0.mlp.down_proj"), LayoutId::kMarlin);
  // [208, 400] in blocks of 128 x 128: K to 512.
  EXPECT_EQ(form.padded_k, 512u);
  const Component* scale = find_component(form, kScale);
  ASSERT_NE(scale, nullptr);
  EXPECT_EQ(dtype_name(scale->dtype), "BF16");
  EXPECT_EQ(scale->shape, (Shape{4, form.padded_n}));
  const Component* source = find_component(form, ComponentKind::kSourceScale);
  ASSERT_NE(source, nullptr);
  EXPECT_EQ(source->shape, (Shape{2, 4}));
  EXPECT_FALSE(source->required);
  // One multiplier a module: its rows have it, and nothing else does.
  const Planned tensors("modelopt-fp8-llama-odd", by_name(LayoutId::kMarlin));
  const Form& of_tensor =
      *find_form(tensors.operand("model.layers.0.mlp.down_proj"), LayoutId::kMarlin);
  EXPECT_EQ(find_component(of_tensor, kScale)->shape, (Shape{1, of_tensor.padded_n}));
  EXPECT_EQ(find_component(of_tensor, ComponentKind::kMultiplier), nullptr);
  EXPECT_EQ(find_component(of_tensor, ComponentKind::kSourceScale), nullptr);
}

TEST(EngineForms, MacheteKeepsZeroPointsBesideWhatTheyFoldInto) {
  CheckpointEditor editor("ct-v012-w4a16asym-g32-actordergroup-llama-small");
  const Planned refused(editor, by_name(LayoutId::kMachete4));
  EXPECT_EQ(refused.operand("model.layers.0.self_attn.o_proj").refused,
            "not machete4: groups of 32, machete4 has none");
  const Planned planned("ct-w8a8asym-static-llama-odd", by_name(LayoutId::kMachete8));
  for (const Operand& o : planned.plan.operands)
    EXPECT_EQ(find_form(o, LayoutId::kMachete8), nullptr);
}

TEST(EngineForms, WithoutATargetEveryGpuThatIsServed) {
  const Planned planned("modelopt-nvfp4-llama", by_name(LayoutId::kMaxSm8x));
  const Operand& down = planned.operand("model.layers.0.mlp.down_proj");
  ASSERT_EQ(down.forms.size(), 1u);
  EXPECT_EQ(artifact::targets_to_string(down.forms[0].targets), "sm_80 sm_86 sm_87 sm_88 sm_89");
  const Planned one("modelopt-nvfp4-llama", {{89}, LayoutId::kMaxSm8x});
  EXPECT_EQ(one.operand("model.layers.0.mlp.down_proj").forms[0].targets, down.forms[0].targets);
  const testing::Imported imported("modelopt-nvfp4-llama");
  const auto plan = make_plan(*imported.model, {{90}, LayoutId::kMaxSm8x});
  ASSERT_FALSE(plan.ok());
  EXPECT_EQ(plan.error().kind, ErrorKind::kNoFormForTarget);
}

// ---- reasons

struct Reason {
  const char* fixture;
  LayoutId layout;
  const char* operand;
  const char* refused;
};

TEST(EngineForms, SayWhyNot) {
  const Reason reasons[] = {
      {"modelopt-int8wo-qwen3moe", LayoutId::kMarlin, "model.layers.0.self_attn.o_proj",
       "not marlin: scales are F32, marlin takes 16 bits"},
      {"modelopt-nvfp4-llama", LayoutId::kMachete4, "model.layers.0.mlp.down_proj",
       "not machete4: it holds no nvfp4"},
      {"modelopt-nvfp4-llama-odd", LayoutId::kMaxSm8x, "model.layers.0.self_attn.o_proj",
       "not max_sm8x: N must be a multiple of 64"},
      {"modelopt-nvfp4-llama-odd", LayoutId::kMaxSm8x, "model.layers.0.self_attn.qkv_proj",
       "not max_sm8x: K must be a multiple of 128"},
      {"ct-autoround-w4a16-llama-small", LayoutId::kMachete4, "model.layers.0.self_attn.k_proj",
       "not machete4: N must be a multiple of 128"},
      {"modelopt-mxfp8-qwen3moe", LayoutId::kMarlin, "model.layers.0.self_attn.o_proj",
       "not marlin: it holds no mxfp8"},
      {"other-fp8block64-1block-qwen3moe", LayoutId::kMarlin, "model.layers.0.self_attn.o_proj",
       "not marlin: scales are neither one a row nor of blocks of 128 x 128"},
      {"modelopt-nvfp4-llama", LayoutId::kMarlin, "model.layers.0.mlp.down_proj", ""},
      {"modelopt-nvfp4-llama", LayoutId::kMarlin, "model.embed_tokens", ""},
      {"modelopt-nvfp4-llama", LayoutId::kMarlin, "lm_head", ""},
  };
  for (const Reason& reason : reasons) {
    SCOPED_TRACE(std::string(reason.fixture) + " " + reason.operand);
    const Planned planned(reason.fixture, by_name(reason.layout));
    const Operand& operand = planned.operand(reason.operand);
    EXPECT_EQ(operand.refused, reason.refused);
    const std::string json =
        operand_json(planned.model(), planned.plan, planned.index(reason.operand));
    EXPECT_EQ(json.find("\"refused\"") != std::string::npos, !operand.refused.empty()) << json;
    std::ostringstream text;
    print_plan(text, planned.model(), planned.plan, 1);
    EXPECT_NE(text.str().find(operand.refused), std::string::npos);
  }
}

TEST(EngineForms, WhatIsRefusedKeepsTheTargetsDefault) {
  const Planned planned("modelopt-nvfp4-llama-odd", {{89}, LayoutId::kMaxSm8x});
  const Operand& k = planned.operand("model.layers.0.self_attn.k_proj");
  ASSERT_EQ(k.forms.size(), 1u);
  EXPECT_EQ(k.forms[0].layout, LayoutId::kMma64);
}

// ---- fusion

TEST(EngineForms, PartsWithOneMultiplierFuse) {
  const Planned planned("modelopt-nvfp4-llama", by_name(LayoutId::kMarlin));
  EXPECT_EQ(planned.operand("model.layers.0.self_attn.qkv_proj").fusion,
            "fused: q_proj, k_proj, v_proj");
  CheckpointEditor editor("modelopt-nvfp4-llama");
  editor.set_f32("model.layers.0.self_attn.k_proj.weight_scale_2", 0.5f);
  const Planned apart(editor, by_name(LayoutId::kMarlin));
  const Operand& k = apart.operand("model.layers.0.self_attn.k_proj");
  EXPECT_EQ(k.fusion, "not fused: multipliers differ, marlin has one for all parts");
  EXPECT_EQ(k.refused, "");
  EXPECT_NE(find_form(k, LayoutId::kMarlin), nullptr);
  // Multipliers are in the scales there.
  const Planned max(editor, by_name(LayoutId::kMaxSm8x));
  EXPECT_EQ(max.operand("model.layers.0.self_attn.qkv_proj").fusion,
            "fused: q_proj, k_proj, v_proj");
}

TEST(EngineForms, ExpertsOfTwoMultipliersKeepTheDefault) {
  CheckpointEditor editor("modelopt-nvfp4-qwen3moe");
  editor.set_f32("model.layers.0.mlp.experts.2.up_proj.weight_scale_2", 0.5f);
  for (const LayoutId layout : {LayoutId::kMarlin, LayoutId::kMarlinA0}) {
    const Planned planned(editor, {{89}, layout});
    const Operand& w13 = planned.operand("model.layers.0.mlp.experts.gate_up_proj");
    EXPECT_NE(w13.refused.find("multipliers of an expert's parts differ"), std::string::npos);
    EXPECT_EQ(w13.forms.at(0).layout, LayoutId::kMma64);
    EXPECT_EQ(w13.fusion, "fused: gate_proj, up_proj");
    EXPECT_NE(find_form(planned.operand("model.layers.1.mlp.experts.gate_up_proj"), layout),
              nullptr)
        << "the other layer's are equal";
  }
}

// ---- every byte once

struct Range {
  uint64_t begin, end;
};

std::vector<Range> ranges_of(const Write& write, uint64_t experts) {
  const Pieces& pieces = write.pieces;
  const bool in_pieces =
      write.action == Action::kEngineTiles || write.action == Action::kEngineGroups;
  std::vector<Range> ranges;
  for (uint64_t e = 0; e < experts; ++e) {
    const uint64_t at = write.offset_bytes + e * write.expert_stride_bytes;
    if (!in_pieces) {
      ranges.push_back({at, at + write.size_bytes});
      continue;
    }
    const uint64_t piece = pieces.padded_rows * pieces.row_bits / 8;
    EXPECT_EQ(write.size_bytes, piece * pieces.count);
    for (uint64_t i = 0; i < pieces.count; ++i)
      ranges.push_back({at + i * pieces.stride_bytes, at + i * pieces.stride_bytes + piece});
  }
  return ranges;
}

/// Bytes of components that conversion makes of multipliers.
bool is_made(const Operand& operand, const Form& form, const Component& c) {
  return (c.kind == ComponentKind::kMultiplier &&
          has_joint_multiplier(form.layout, operand.scheme)) ||
         (c.kind == kScale && operand.scheme == model::Scheme::kFp8 &&
          form.layout == LayoutId::kMarlin &&
          find_component(form, ComponentKind::kSourceScale) == nullptr);
}

void expect_payload_covered(const Planned& planned) {
  std::vector<Range> ranges;
  const auto add = [&](uint64_t begin, uint64_t size) { ranges.push_back({begin, begin + size}); };
  for (const Step& step : planned.plan.steps) {
    const uint64_t experts =
        step.expert == model::kNone ? planned.plan.operands[step.operand].experts : 1;
    // Every part has the same bytes of these.
    if (joint_of(step.plane) == Joint::kShared && step.part != 0) continue;
    for (const Write& write : step.writes)
      for (const Range& range : ranges_of(write, experts)) ranges.push_back(range);
  }
  for (const Constant& constant : planned.plan.constants)
    add(constant.offset_bytes, constant.bytes.size());
  for (const Operand& operand : planned.plan.operands)
    for (const Form& form : operand.forms)
      for (const Component& c : form.components)
        if (is_made(operand, form, c)) add(planned.blob(c).offset_bytes, c.size_bytes);
  std::sort(ranges.begin(), ranges.end(),
            [](const Range& a, const Range& b) { return a.begin < b.begin; });
  size_t next = 0;
  for (const Blob& blob : planned.plan.blobs) {
    uint64_t at = blob.offset_bytes;
    const uint64_t end = at + blob.size_bytes;
    while (next < ranges.size() && ranges[next].begin < end) {
      ASSERT_EQ(ranges[next].begin, at) << planned.plan.operands[blob.operand].name;
      at = ranges[next++].end;
    }
    ASSERT_EQ(at, end) << planned.plan.operands[blob.operand].name;
  }
  EXPECT_EQ(next, ranges.size());
}

TEST(EngineForms, WritesAreThePayloadAndDoNotOverlap) {
  const char* fixtures[] = {
      "modelopt-nvfp4-llama",           "modelopt-nvfp4-llama-odd",
      "modelopt-nvfp4-qwen3moe",        "modelopt-nvfp4-lmhead-llama",
      "modelopt-other-nvfp4-gptoss",    "other-mxfp4-gptoss",
      "modelopt-mxfp4-qwen3moe",        "ct-mxfp4a16-llama-odd",
      "ct-autoround-w4a16-llama-small", "ct-v012-w4a16asym-g32-actordergroup-llama-small",
      "ct-w8a8asym-static-llama-odd",   "ct-autoround-int8w8a8-llama-small",
      "modelopt-fp8-llama-odd",         "modelopt-fp8-gptoss",
      "ct-fp8block-llama-odd",          "ct-nvfp4a16-lmhead-embed-llama-small"};
  for (const char* fixture : fixtures)
    for (const layouts::LayoutInfo& layout : layouts::kLayouts) {
      if (!is_engine_layout(layout.id)) continue;
      SCOPED_TRACE(std::string(fixture) + " " + layout.name);
      expect_payload_covered(Planned(fixture, by_name(layout.id)));
      expect_payload_covered(Planned(fixture, {{layout.by_name_sms[0]}, layout.id}));
    }
}

TEST(EngineForms, ExceptionsAreBoundedByOneRecordAGroup) {
  const Planned planned("modelopt-nvfp4-llama", by_name(LayoutId::kMarlin));
  uint64_t groups = 0;
  for (const Operand& o : planned.plan.operands)
    if (find_form(o, LayoutId::kMarlin) != nullptr) groups += o.n * o.k / 16;
  EXPECT_GT(groups, 0u);
  EXPECT_EQ(planned.plan.exceptions_bound_bytes, 17 * groups);
}

}  // namespace
}  // namespace imp::plan

// The work list: each tensor once, each byte of the payload once.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <map>

#include "src/plan/index.h"
#include "tests/unit/plan_make.h"

namespace imp::plan {
namespace {

using testing::CheckpointEditor;
using testing::find_component;
using testing::find_form;
using testing::Planned;

struct Range {
  uint64_t begin, end;
  std::string what;
};

template <class Check>
void for_all_plans(const Check& check) {
  for (const std::string& fixture : testing::planned_fixtures())
    for (const Options& options : testing::all_options()) {
      const Planned planned(fixture, options);
      SCOPED_TRACE(fixture);
      check(planned);
    }
}

TEST(Steps, EveryTensorOnceInFileOrder) {
  for_all_plans([](const Planned& planned) {
    ASSERT_EQ(planned.plan.steps.size(), planned.model().source.tensors.size());
    for (uint32_t t = 0; t < planned.plan.steps.size(); ++t)
      ASSERT_EQ(planned.plan.steps[t].tensor, t);
  });
}

TEST(Steps, SayWhatTheTensorIs) {
  for_all_plans([](const Planned& planned) {
    for (const Step& step : planned.plan.steps) {
      const Part& part = planned.plan.operands.at(step.operand).parts.at(step.part);
      const model::PlaneSet* set = planned.model().weights[part.weight].find(step.plane);
      ASSERT_NE(set, nullptr);
      EXPECT_EQ(set->tensors.at(step.expert), step.tensor);
      const model::PlaneSet* scales =
          planned.model().weights[part.weight].find(ComponentKind::kBlockScale);
      const bool needs_scales = step.plane == ComponentKind::kCodes && scales != nullptr;
      EXPECT_EQ(step.scale_tensor, needs_scales ? scales->tensors[step.expert] : model::kNone);
    }
  });
}

TEST(Steps, WritesAndConstantsAreThePayloadAndDoNotOverlap) {
  for_all_plans([](const Planned& planned) {
    std::vector<Range> ranges;
    for (const Step& step : planned.plan.steps)
      for (const Write& write : step.writes)
        ranges.push_back({write.offset_bytes, write.offset_bytes + write.size_bytes,
                          planned.model().source.tensors[step.tensor].name});
    for (const Constant& constant : planned.plan.constants)
      ranges.push_back(
          {constant.offset_bytes, constant.offset_bytes + constant.bytes.size(), "constant"});
    std::sort(ranges.begin(), ranges.end(),
              [](const Range& a, const Range& b) { return a.begin < b.begin; });
    size_t next = 0;
    for (const Blob& blob : planned.plan.blobs) {
      uint64_t at = blob.offset_bytes;
      while (next < ranges.size() && ranges[next].begin < blob.offset_bytes + blob.size_bytes) {
        ASSERT_EQ(ranges[next].begin, at) << ranges[next].what << " leaves a hole or overlaps";
        ASSERT_GT(ranges[next].end, at);
        at = ranges[next++].end;
      }
      ASSERT_EQ(at, blob.offset_bytes + blob.size_bytes)
          << planned.plan.operands[blob.operand].name << " is not covered to its end";
    }
    EXPECT_EQ(next, ranges.size()) << "writes outside every blob";
  });
}

TEST(Steps, ActionsFitTheForm) {
  const Planned planned("modelopt-nvfp4-llama-odd", {{75, 89, 120}, {}});
  const std::string module = "model.layers.0.mlp.down_proj.";
  const auto actions = [&](const std::string& tensor) {
    std::vector<Action> list;
    for (const Write& write : planned.step(tensor).writes) list.push_back(write.action);
    return list;
  };
  EXPECT_EQ(actions(module + "weight"),
            (std::vector<Action>{Action::kCopy, Action::kMma64Nvfp4, Action::kNativeRows}));
  EXPECT_EQ(actions(module + "weight_scale"),
            (std::vector<Action>{Action::kCopy, Action::kSf128x4}));
  EXPECT_EQ(actions(module + "bias"), std::vector<Action>{Action::kCopy})
      << "once, though three forms have it";
  EXPECT_TRUE(actions(module + "weight_scale_2").empty()) << "lives in the index";
  EXPECT_TRUE(actions(module + "input_scale").empty());
  EXPECT_EQ(actions("model.embed_tokens.weight"), std::vector<Action>{Action::kCopy});
  const Planned ampere("modelopt-nvfp4-llama-odd", {{89}, {}});
  EXPECT_TRUE(ampere.step(module + "weight_scale").writes.empty())
      << "mma64 takes the scales with the codes";
}

// llama: q 256, k 128, v 128 rows, K = 256.
TEST(Steps, PartsBeginWhereTheirRowsDo) {
  const std::string k = "model.layers.0.self_attn.k_proj.";
  const Planned planned("modelopt-nvfp4-llama", {{75, 89, 120}, {}});
  const Operand& qkv = planned.operand("model.layers.0.self_attn.qkv_proj");
  const auto offset_in = [&](LayoutId layout, ComponentKind kind, const Write& write) {
    return write.offset_bytes -
           planned.blob(*find_component(*find_form(qkv, layout), kind)).offset_bytes;
  };
  const auto& codes = planned.step(k + "weight").writes;
  ASSERT_EQ(codes.size(), 3u);
  EXPECT_EQ(offset_in(LayoutId::kPlain, ComponentKind::kCodes, codes[0]), 256u * 128);
  EXPECT_EQ(codes[0].size_bytes, 128u * 128);
  // Row 256 is tile row 4 of 4 tiles of 2304 bytes.
  EXPECT_EQ(offset_in(LayoutId::kMma64, ComponentKind::kBlocks, codes[1]), 4u * 4 * 2304);
  EXPECT_EQ(codes[1].size_bytes, 2u * 4 * 2304);
  EXPECT_EQ(offset_in(LayoutId::kNative, ComponentKind::kCodes, codes[2]), 256u * 128);
  const auto& scales = planned.step(k + "weight_scale").writes;
  ASSERT_EQ(scales.size(), 2u);
  EXPECT_EQ(offset_in(LayoutId::kPlain, ComponentKind::kBlockScale, scales[0]), 256u * 16);
  // Row 256 is row tile 2 of 4 group tiles of 512 bytes.
  EXPECT_EQ(offset_in(LayoutId::kNative, ComponentKind::kBlockScale, scales[1]), 2u * 4 * 512);
  EXPECT_EQ(scales[1].size_bytes, 1u * 4 * 512);
}

TEST(Steps, BiasesOfFusedPartsFollowEachOther) {
  const Planned planned("modelopt-nvfp4-qwen2moe", {{89}, {}});
  const std::string module = "model.layers.0.self_attn.";
  const Operand& qkv = planned.operand(module + "qkv_proj");
  const uint64_t base =
      planned.blob(*find_component(qkv.forms[0], ComponentKind::kBias)).offset_bytes;
  EXPECT_EQ(planned.step(module + "q_proj.bias").writes.at(0).offset_bytes, base);
  EXPECT_EQ(planned.step(module + "k_proj.bias").writes.at(0).offset_bytes, base + 128 * 2);
  EXPECT_EQ(planned.step(module + "v_proj.bias").writes.at(0).offset_bytes, base + (128 + 64) * 2);
}

// qwen2moe: w13 of 4 experts, gate and up 64 rows each, K = 128: an expert is 2 x 2 blocks.
TEST(Steps, ExpertsLieAtTheirStride) {
  const Planned planned("modelopt-nvfp4-qwen2moe", {{89}, {}});
  const Operand& w13 = planned.operand("model.layers.1.mlp.experts.gate_up_proj");
  const uint64_t base = planned.blob(w13.forms[0].components[0]).offset_bytes;
  for (uint32_t e = 0; e < 4; ++e) {
    const std::string expert = "model.layers.1.mlp.experts." + std::to_string(e);
    const Step& gate = planned.step(expert + ".gate_proj.weight");
    const Step& up = planned.step(expert + ".up_proj.weight");
    EXPECT_EQ(gate.expert, e);
    EXPECT_EQ(gate.part, 0u);
    EXPECT_EQ(up.part, 1u);
    EXPECT_EQ(gate.writes.at(0).offset_bytes, base + e * 4 * 2304) << "expert-major: gate, then up";
    EXPECT_EQ(up.writes.at(0).offset_bytes, base + e * 4 * 2304 + 2 * 2304);
    EXPECT_EQ(up.writes.at(0).size_bytes, 2u * 2304);
  }
}

TEST(Steps, ExceptionsAreTheComponentOfThatForm) {
  for_all_plans([](const Planned& planned) {
    const artifact::Index index = build_index(planned.model(), planned.plan);
    const std::vector<uint32_t> first = first_component_records(planned.plan);
    for (const Step& step : planned.plan.steps)
      for (const Write& write : step.writes) {
        if (write.action != Action::kMma64Nvfp4) {
          EXPECT_EQ(write.exceptions, model::kNone);
          continue;
        }
        ASSERT_LT(write.exceptions, index.components.size());
        EXPECT_EQ(index.components[write.exceptions].kind,
                  static_cast<uint16_t>(ComponentKind::kExceptions));
        uint64_t count = 0;
        for (const Form& form : planned.plan.operands[step.operand].forms)
          count += form.components.size();
        EXPECT_GE(write.exceptions, first[step.operand]);
        EXPECT_LT(write.exceptions, first[step.operand] + count);
      }
  });
}

TEST(Steps, IgnoredTensorsHaveNone) {
  testing::Imported imported("modelopt-nvfp4-llama");
  ASSERT_TRUE(imported.ok());
  ASSERT_TRUE(select_weights(*imported.model, {}, {"mlp"}).ok());
  const auto plan = make_plan(*imported.model, {{89}, {}});
  ASSERT_TRUE(plan.ok());
  for (const Step& step : plan->steps)
    EXPECT_EQ(imported.model->source.tensors[step.tensor].name.find("mlp"), std::string::npos);
  size_t kept = 0;
  for (const model::SourceTensor& t : imported.model->source.tensors)
    kept += t.disposition != model::Disposition::kIgnored;
  EXPECT_EQ(plan->steps.size(), kept);
}

/// The constant that fills this component.
std::string constant_of(const Planned& planned, const Component& component) {
  std::string found;
  size_t times = 0;
  for (const Constant& constant : planned.plan.constants)
    if (constant.offset_bytes == planned.blob(component).offset_bytes) {
      found.assign(reinterpret_cast<const char*>(constant.bytes.data()), constant.bytes.size());
      ++times;
    }
  EXPECT_EQ(times, 1u);
  return found;
}

TEST(Constants, AreExpertMajorPartMinor) {
  CheckpointEditor editor("modelopt-nvfp4-qwen3moe");
  std::vector<uint32_t> multipliers, inputs;
  for (uint32_t e = 0; e < 4; ++e)
    for (uint32_t p = 0; p < 2; ++p) {
      const std::string module =
          "model.layers.0.mlp.experts." + std::to_string(e) + (p == 0 ? ".gate_proj" : ".up_proj");
      multipliers.push_back(0x3A000000 + 16 * e + p);
      inputs.push_back(0x3B000000 + 16 * e + p);
      editor.set_f32_bits(module + ".weight_scale_2", multipliers.back());
      editor.set_f32_bits(module + ".input_scale", inputs.back());
    }
  // An expert that calibration never reached: absent is the quiet NaN, not 0 and not 1.
  editor.remove("model.layers.0.mlp.experts.2.up_proj.input_scale");
  inputs[2 * 2 + 1] = 0x7FC00000;
  const Planned planned(editor, {{89}, {}});
  const Form& form = planned.operand("model.layers.0.mlp.experts.gate_up_proj").forms.at(0);
  EXPECT_EQ(constant_of(planned, *find_component(form, ComponentKind::kMultiplier)),
            testing::u32_bytes(multipliers));
  EXPECT_EQ(constant_of(planned, *find_component(form, ComponentKind::kInputScale)),
            testing::u32_bytes(inputs));
}

TEST(Constants, APartWithoutInputScales) {
  CheckpointEditor editor("modelopt-nvfp4-llama");
  const std::string module = "model.layers.0.self_attn.";
  editor.remove(module + "k_proj.input_scale");
  editor.set_f32_bits(module + "q_proj.input_scale", 0x3C000001);
  editor.set_f32_bits(module + "v_proj.input_scale", 0x3C000002);
  const Planned planned(editor, {{89, 120}, {}});
  const Form& form = planned.operand(module + "qkv_proj").forms.at(0);
  EXPECT_EQ(constant_of(planned, *find_component(form, ComponentKind::kInputScale)),
            testing::u32_bytes({0x3C000001, 0x7FC00000, 0x3C000002}));
}

}  // namespace
}  // namespace imp::plan

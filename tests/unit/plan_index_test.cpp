// The records that the plan fixes.
#include <gtest/gtest.h>

#include "src/plan/index.h"
#include "tests/unit/plan_make.h"

namespace imp::plan {
namespace {

using artifact::Index;
using testing::CheckpointEditor;
using testing::Planned;

std::string text(const Index& index, artifact::StringRef ref) {
  return index.strings.bytes().substr(ref.offset_bytes, ref.size_bytes);
}

const artifact::OperandRecord& record_of(const Index& index, const std::string& name) {
  for (const auto& record : index.operands)
    if (text(index, record.name) == name) return record;
  throw std::runtime_error("no record " + name);
}

TEST(PlanIndex, OperandsAreSortedByNameAndKnowTheirExecutionOrder) {
  const Planned planned("modelopt-nvfp4-qwen2moe", {{89, 120}, {}});
  const Index index = build_index(planned.model(), planned.plan);
  ASSERT_EQ(index.operands.size(), planned.plan.operands.size());
  for (size_t i = 0; i < index.operands.size(); ++i) {
    const auto& record = index.operands[i];
    EXPECT_TRUE(i == 0 || text(index, index.operands[i - 1].name) < text(index, record.name));
    const Operand& operand = planned.plan.operands.at(record.execution_index);
    EXPECT_EQ(text(index, record.name), operand.name);
    EXPECT_EQ(record.role, static_cast<uint16_t>(operand.role));
    EXPECT_EQ(record.scheme, static_cast<uint16_t>(operand.scheme));
    EXPECT_EQ(record.experts, operand.experts);
    EXPECT_EQ(record.n, operand.n);
    EXPECT_EQ(record.k, operand.k);
    EXPECT_EQ(record.layer, operand.layer);
    EXPECT_EQ(record.part_count, operand.parts.size());
    EXPECT_EQ(record.form_count, operand.forms.size());
  }
}

TEST(PlanIndex, PartsCarryTheirScalars) {
  CheckpointEditor editor("modelopt-nvfp4-qwen3moe");
  editor.set_f32_bits("model.layers.0.mlp.experts.3.up_proj.weight_scale_2", 0x3A000005);
  editor.remove("model.layers.0.mlp.experts.1.up_proj.input_scale");
  const Planned planned(editor, {{89}, {}});
  const Index index = build_index(planned.model(), planned.plan);
  const auto& record = record_of(index, "model.layers.0.mlp.experts.gate_up_proj");
  const auto& up = index.parts.at(record.first_part + 1);
  EXPECT_EQ(text(index, up.module), "model.layers.0.mlp.experts.*.up_proj");
  EXPECT_EQ(up.n0, 64u);
  EXPECT_EQ(up.n_count, 64u);
  ASSERT_EQ(up.multiplier_count, 4u);
  ASSERT_EQ(up.input_scale_count, 4u);
  EXPECT_EQ(index.scalars.at(up.first_multiplier + 3).bits, 0x3A000005u);
  EXPECT_EQ(index.scalars.at(up.first_multiplier + 3).state,
            static_cast<uint8_t>(artifact::ScalarState::kMultiplier));
  EXPECT_EQ(index.scalars.at(up.first_input_scale + 1).bits, 0u);
  EXPECT_EQ(index.scalars.at(up.first_input_scale + 1).state,
            static_cast<uint8_t>(artifact::ScalarState::kAbsent));
  const auto& norm = record_of(index, "model.norm.weight");
  EXPECT_EQ(index.parts.at(norm.first_part).multiplier_count, 0u);
}

TEST(PlanIndex, SourceTensorsSayWhereTheyWent) {
  const Planned planned("modelopt-nvfp4-sharded-llama", {{89}, {}});
  const Index index = build_index(planned.model(), planned.plan);
  ASSERT_EQ(index.source_tensors.size(), planned.model().source.tensors.size());
  for (size_t t = 0; t < index.source_tensors.size(); ++t) {
    const model::SourceTensor& source = planned.model().source.tensors[t];
    const auto& record = index.source_tensors[t];
    EXPECT_EQ(text(index, record.name), source.name);
    EXPECT_EQ(record.size_bytes, source.size_bytes);
    EXPECT_EQ(record.rank, source.shape.rank);
    const auto& operand = index.operands.at(record.operand);
    const auto& part = index.parts.at(operand.first_part + record.part);
    EXPECT_TRUE(source.name.starts_with(text(index, part.module))) << source.name;
  }
  ASSERT_EQ(index.source_files.size(), 5u);
  uint32_t next = 0;
  for (const auto& file : index.source_files) {
    EXPECT_EQ(file.first_tensor, next);
    next += file.tensor_count;
    EXPECT_EQ(text(index, file.metadata), R"({"format":"pt"})");
  }
  EXPECT_EQ(next, index.source_tensors.size());
}

TEST(PlanIndex, IgnoredTensorsBelongToNothing) {
  testing::Imported imported("modelopt-nvfp4-llama");
  ASSERT_TRUE(imported.ok());
  ASSERT_TRUE(select_weights(*imported.model, {}, {"lm_head"}).ok());
  const auto plan = make_plan(*imported.model, {{89}, {}});
  ASSERT_TRUE(plan.ok());
  const Index index = build_index(*imported.model, *plan);
  size_t ignored = 0;
  for (const auto& record : index.source_tensors) {
    const bool head = text(index, record.name) == "lm_head.weight";
    EXPECT_EQ(record.operand == artifact::kNone, head);
    EXPECT_EQ(text(index, record.reason), head ? "excluded by --exclude 'lm_head'" : "");
    ignored += head;
  }
  EXPECT_EQ(ignored, 1u);
}

TEST(PlanIndex, ComponentsOfOneOperandFollowItsFirst) {
  const Planned planned("modelopt-nvfp4-llama-odd", {{75, 89, 120}, {}});
  const Index index = build_index(planned.model(), planned.plan);
  const auto first = first_component_records(planned.plan);
  for (uint32_t o = 0; o < planned.plan.operands.size(); ++o) {
    uint32_t c = first[o];
    for (const Form& form : planned.plan.operands[o].forms)
      for (const Component& component : form.components) {
        const auto& record = index.components.at(c++);
        EXPECT_EQ(record.kind, static_cast<uint16_t>(component.kind));
        EXPECT_EQ(record.size_bytes, component.size_bytes);
        EXPECT_EQ(record.flags, component.required ? 1u : 0u);
        EXPECT_EQ(record.offset_bytes,
                  component.blob == model::kNone ? 0 : planned.blob(component).offset_bytes);
      }
  }
}

}  // namespace
}  // namespace imp::plan

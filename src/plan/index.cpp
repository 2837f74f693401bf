#include "src/plan/index.h"

#include <nlohmann/json.hpp>

#include <string>

namespace imp::plan {
namespace {

using artifact::ComponentRecord;
using artifact::Index;
using model::Model;
using model::Scalar;
using model::Weight;

void fill_dims(uint64_t (&dims)[8], const Shape& shape) {
  for (uint32_t i = 0; i < shape.rank; ++i) dims[i] = shape[i];
}

uint32_t add_scalars(Index& index, const std::vector<Scalar>& scalars) {
  const auto first = static_cast<uint32_t>(index.scalars.size());
  for (const Scalar& s : scalars)
    index.scalars.push_back({s.bits, static_cast<uint8_t>(s.state), {}});
  return scalars.empty() ? 0 : first;
}

void add_part(Index& index, const Part& part, const Weight& weight) {
  artifact::PartRecord record{};
  record.module = index.strings.add(weight.name);
  record.n0 = part.n0;
  record.n_count = part.n_count;
  record.first_multiplier = add_scalars(index, weight.multipliers);
  record.multiplier_count = static_cast<uint32_t>(weight.multipliers.size());
  record.first_input_scale = add_scalars(index, weight.input_scales);
  record.input_scale_count = static_cast<uint32_t>(weight.input_scales.size());
  index.parts.push_back(record);
}

void add_form(Index& index, const Plan& plan, const Form& form) {
  artifact::FormRecord record{};
  record.layout = static_cast<uint16_t>(form.layout);
  record.major = form.major;
  record.dialect = form.dialect;
  record.targets = form.targets;
  record.padded_n = form.padded_n;
  record.padded_k = form.padded_k;
  record.first_component = static_cast<uint32_t>(index.components.size());
  record.component_count = static_cast<uint32_t>(form.components.size());
  index.forms.push_back(record);
  for (const Component& c : form.components) {
    ComponentRecord component{};
    component.kind = static_cast<uint16_t>(c.kind);
    component.flags = c.required ? artifact::kComponentRequired : 0;
    component.dtype = static_cast<uint16_t>(c.dtype);
    component.rank = static_cast<uint16_t>(c.shape.rank);
    fill_dims(component.dims, c.shape);
    component.expert_stride_bytes = c.expert_stride_bytes;
    component.size_bytes = c.size_bytes;
    if (c.blob < plan.blobs.size()) component.offset_bytes = plan.blobs[c.blob].offset_bytes;
    index.components.push_back(component);
  }
}

void add_operand(Index& index, const Model& model, const Plan& plan, uint32_t position) {
  const Operand& operand = plan.operands[position];
  artifact::OperandRecord record{};
  record.name = index.strings.add(operand.name);
  record.role = static_cast<uint16_t>(operand.role);
  record.scheme = static_cast<uint16_t>(operand.scheme);
  record.layer = operand.layer;
  record.experts = operand.experts;
  record.n = operand.n;
  record.k = operand.k;
  record.group_size = operand.group_size;
  record.group_rows = operand.group_rows == 1 ? 0 : operand.group_rows;
  record.stored_as = static_cast<uint32_t>(operand.stored_as);
  record.flags = (operand.gemm ? artifact::kOperandGemm : 0u) |
                 (operand.tied_head ? artifact::kOperandTiedHead : 0u);
  record.first_part = static_cast<uint32_t>(index.parts.size());
  record.part_count = static_cast<uint32_t>(operand.parts.size());
  record.first_form = static_cast<uint32_t>(index.forms.size());
  record.form_count = static_cast<uint32_t>(operand.forms.size());
  record.execution_index = position;
  index.operands.push_back(record);
  for (const Part& part : operand.parts) add_part(index, part, model.weights[part.weight]);
  for (const Form& form : operand.forms) add_form(index, plan, form);
}

std::string metadata_json(const model::SourceFile& file) {
  if (!file.has_metadata) return "";
  nlohmann::ordered_json object = nlohmann::ordered_json::object();
  for (const auto& [key, value] : file.metadata) object[key] = value;
  return object.dump();
}

void add_source_files(Index& index, const Model& model) {
  uint32_t next = 0;
  const auto count = static_cast<uint32_t>(model.source.tensors.size());
  for (uint32_t f = 0; f < model.source.files.size(); ++f) {
    const model::SourceFile& file = model.source.files[f];
    artifact::SourceFileRecord record{};
    record.name = index.strings.add(file.name);
    record.metadata = index.strings.add(metadata_json(file));
    record.size_bytes = file.handle.size_bytes();
    record.first_tensor = next;
    while (next < count && model.source.tensors[next].file == f) ++next;
    record.tensor_count = next - record.first_tensor;
    index.source_files.push_back(record);
  }
}

void add_source_tensors(Index& index, const Model& model, const Plan& plan) {
  std::vector<uint32_t> record_of_operand(plan.operands.size());
  for (uint32_t r = 0; r < plan.by_name.size(); ++r) record_of_operand[plan.by_name[r]] = r;
  for (const model::SourceTensor& t : model.source.tensors) {
    artifact::SourceTensorRecord record{};
    record.name = index.strings.add(t.name);
    record.dtype = static_cast<uint16_t>(t.dtype);
    record.rank = static_cast<uint16_t>(t.shape.rank);
    record.disposition = static_cast<uint16_t>(t.disposition);
    fill_dims(record.dims, t.shape);
    record.size_bytes = t.size_bytes;
    record.operand = artifact::kNone;
    if (!t.reason.empty()) record.reason = index.strings.add(t.reason);
    index.source_tensors.push_back(record);
  }
  for (const Step& step : plan.steps) {
    artifact::SourceTensorRecord& record = index.source_tensors[step.tensor];
    record.plane = static_cast<uint16_t>(step.plane);
    record.operand = record_of_operand[step.operand];
    record.part = step.part;
    record.expert = step.expert;
    record.encoding = static_cast<uint16_t>(step.coding.encoding);
  }
}

}  // namespace

artifact::Index build_index(const Model& model, const Plan& plan) {
  Index index;
  for (const uint32_t position : plan.by_name) add_operand(index, model, plan, position);
  add_source_files(index, model);
  add_source_tensors(index, model, plan);
  index.payload_files.push_back({});
  // The companion table comes after the payload, but its names belong to the string table before
  // it.
  for (const std::string& name : model.source.companions) index.strings.add(name);
  return index;
}

std::vector<uint32_t> first_component_records(const Plan& plan) {
  std::vector<uint32_t> first(plan.operands.size());
  uint32_t next = 0;
  for (const uint32_t position : plan.by_name) {
    first[position] = next;
    for (const Form& form : plan.operands[position].forms)
      next += static_cast<uint32_t>(form.components.size());
  }
  return first;
}

}  // namespace imp::plan

// Experts: stacks taken apart into one matrix an expert, or kept as gpt-oss has them.
#include <string>

#include "src/model/gguf/block.h"

namespace imp::model {
namespace {

struct ExpertPart {
  std::string_view stack;   ///< "ffn_gate_exps"
  std::string_view legacy;  ///< "ffn_gate", before ".E"
  std::string_view ExpertNames::*hub;
  Hidden hidden;
};

constexpr ExpertPart kParts[] = {
    {"ffn_gate_exps", "ffn_gate", &ExpertNames::gate, Hidden::kIn},
    {"ffn_up_exps", "ffn_up", &ExpertNames::up, Hidden::kIn},
    {"ffn_down_exps", "ffn_down", &ExpertNames::down, Hidden::kOut},
};

std::string of_expert(std::string_view pattern, uint64_t expert) {
  const size_t star = pattern.find('*');
  return std::string(pattern.substr(0, star)) + std::to_string(expert) +
         std::string(pattern.substr(star + 1));
}

/// [E, N, K], of an only expert also [N, K].
Status check_stack(const BlockJob& job, const StoredModule& module, Hidden hidden) {
  const StoredTensor& tensor = job.weight(module);
  const uint64_t experts = job.facts.experts;
  const StoredMatrix matrix = matrix_of(tensor);
  const bool only = experts == 1 && tensor.shape.rank == 2;
  const bool stack = tensor.shape.rank == 3 && tensor.shape[0] == experts;
  const uint64_t end = hidden == Hidden::kIn ? matrix.columns : matrix.rows / experts;
  if ((only || stack) && end == job.facts.hidden) return {};
  return stored_error(job.source(), module.weight, ErrorKind::kShapeMismatch,
                      stored_text(tensor) + ", expected " + std::to_string(experts) +
                          " experts with " + (hidden == Hidden::kIn ? "columns" : "rows") +
                          " of the hidden size " + std::to_string(job.facts.hidden));
}

Status add_one_by_one(const BlockJob& job, const StoredModule& module, std::string_view pattern) {
  for (uint64_t e = 0; e < job.facts.experts; ++e)
    IMP_TRY(add_linear(job.writer, job.layer(of_expert(pattern, e)), module,
                       rows_of_expert(job.source(), module, e, job.facts.experts),
                       PlaneNames::kModule));
  return {};
}

/// Each expert's gate rows come before those of up.
Status add_gate_up(const BlockJob& job, const StoredModule& module) {
  IMP_TRY(check_stack(job, module, Hidden::kIn));
  for (uint64_t e = 0; e < job.facts.experts; ++e) {
    RowSlice gate = rows_of_expert(job.source(), module, e, job.facts.experts);
    if (gate.rows % 2 != 0)
      return stored_error(job.source(), module.weight, ErrorKind::kShapeMismatch,
                          stored_text(job.weight(module)) +
                              ": an odd number of rows is no gate and up of equal size");
    gate.rows /= 2;
    RowSlice up = gate;
    up.first += gate.rows;
    const ExpertNames& names = *job.facts.family->experts;
    IMP_TRY(add_linear(job.writer, job.layer(of_expert(names.gate, e)), module, gate,
                       PlaneNames::kModule));
    IMP_TRY(
        add_linear(job.writer, job.layer(of_expert(names.up, e)), module, up, PlaneNames::kModule));
  }
  return {};
}

bool is_mxfp4(const BlockJob& job, const StoredModule* module) {
  return module != nullptr && job.weight(*module).type == GgmlType::kMxfp4 &&
         module->scale == kNone && module->input_scale == kNone;
}

void add_stack_bias(const BlockJob& job, std::string name, std::initializer_list<uint32_t> biases,
                    uint64_t rows) {
  TensorView view;
  view.columns = 1;
  view.experts = job.facts.experts;
  view.order = biases.size() == 2 ? RowOrder::kInterleaved : RowOrder::kAsStored;
  for (uint64_t e = 0; e < view.experts; ++e)
    for (const uint32_t bias : biases) {
      view.type = job.source().stored[bias].type;
      view.pieces.push_back({bias, e * rows, rows});
    }
  const Shape shape{view.experts, rows * biases.size()};
  job.writer.add(std::move(name), shape, std::move(view));
}

Status check_stack_biases(const BlockJob& job, std::initializer_list<const StoredModule*> modules) {
  for (const StoredModule* module : modules) {
    if (module->bias == kNone)
      return stored_error(job.source(), module->weight, ErrorKind::kMissingTensor,
                          "its bias is missing");
    IMP_TRY(check_plain(job.source(), module->bias));
    const StoredTensor& bias = job.source().stored[module->bias];
    const uint64_t rows = matrix_of(job.weight(*module)).rows;
    if (bias.shape.num_elems() == rows) continue;
    return stored_error(
        job.source(), module->bias, ErrorKind::kShapeMismatch,
        stored_text(bias) + ", expected an element for each of " + std::to_string(rows) + " rows");
  }
  return {};
}

TensorView stack_view(const BlockJob& job, std::initializer_list<const StoredModule*> modules) {
  TensorView view;
  view.type = GgmlType::kMxfp4;
  view.experts = job.facts.experts;
  view.order = modules.size() == 2 ? RowOrder::kInterleaved : RowOrder::kAsStored;
  for (uint64_t e = 0; e < view.experts; ++e)
    for (const StoredModule* module : modules) {
      const StoredMatrix matrix = matrix_of(job.weight(*module));
      view.columns = matrix.columns;
      const uint64_t rows = matrix.rows / view.experts;
      view.pieces.push_back({module->weight, e * rows, rows});
    }
  return view;
}

/// gate_up_proj_blocks and its kin: the rows of gate and up alternate (5.4).
Status add_open_stacks(const BlockJob& job, const StoredModule& gate, const StoredModule& up,
                       const StoredModule& down) {
  for (const auto& [module, hidden] :
       {std::pair(&gate, Hidden::kIn), std::pair(&up, Hidden::kIn), std::pair(&down, Hidden::kOut)})
    IMP_TRY(check_stack(job, *module, hidden));
  IMP_TRY(check_stack_biases(job, {&gate, &up, &down}));
  const uint64_t experts = job.facts.experts;
  const uint64_t rows = matrix_of(job.weight(gate)).rows / experts;
  if (job.weight(up).shape != job.weight(gate).shape)
    return stored_error(
        job.source(), up.weight, ErrorKind::kShapeMismatch,
        stored_text(job.weight(up)) + ", but the gate is " + stored_text(job.weight(gate)));
  const std::string gate_up = job.layer("mlp.experts.gate_up_proj");
  const std::string of_down = job.layer("mlp.experts.down_proj");
  job.writer.add_weight(gate_up, stack_view(job, {&gate, &up}), PlaneNames::kOpenStack);
  add_stack_bias(job, gate_up + "_bias", {gate.bias, up.bias}, rows);
  job.writer.add_weight(of_down, stack_view(job, {&down}), PlaneNames::kOpenStack);
  add_stack_bias(job, of_down + "_bias", {down.bias}, job.facts.hidden);
  return {};
}

/// Files from before the stacks have a tensor an expert already.
Status add_legacy(const BlockJob& job, const ExpertPart& part) {
  for (uint64_t e = 0; e < job.facts.experts; ++e) {
    const StoredModule* module = job.find(std::string(part.legacy) + "." + std::to_string(e));
    if (module == nullptr) break;  // the layer is dense, or some are missing, which is found later
    IMP_TRY(check_matrix(job.facts, job.source(), module->weight, part.hidden));
    IMP_TRY(add_linear(job.writer, job.layer(of_expert(job.facts.family->experts->*part.hub, e)),
                       *module, all_rows(job.source(), *module), PlaneNames::kModule));
  }
  return {};
}

}  // namespace

Status add_experts(const BlockJob& job) {
  if (!job.facts.family->has(kMoe) || job.facts.experts == 0) return {};
  const StoredModule* gate = job.find("ffn_gate_exps");
  const StoredModule* up = job.find("ffn_up_exps");
  const StoredModule* down = job.find("ffn_down_exps");
  if (job.facts.family->has(kOpenStacks) && is_mxfp4(job, gate) && is_mxfp4(job, up) &&
      is_mxfp4(job, down))
    return add_open_stacks(job, *gate, *up, *down);
  for (const ExpertPart& part : kParts) {
    if (const StoredModule* module = job.find(part.stack)) {
      IMP_TRY(check_stack(job, *module, part.hidden));
      IMP_TRY(add_one_by_one(job, *module, job.facts.family->experts->*part.hub));
    }
    IMP_TRY(add_legacy(job, part));
  }
  if (const StoredModule* module = job.find("ffn_gate_up_exps")) return add_gate_up(job, *module);
  return {};
}

}  // namespace imp::model

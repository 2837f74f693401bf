#include "src/model/gguf/hub_tensors.h"

#include <string>
#include <utility>

#include "src/model/gguf/block.h"

namespace imp::model {
namespace {

std::string size_text(Hidden hidden) { return hidden == Hidden::kIn ? "columns" : "rows"; }

/// A vector under the hub's `name`.
Status add_vector(const Facts& facts, ViewWriter& writer, std::string name, uint32_t stored,
                  Hidden hidden, StoredAs stored_as) {
  const Source& source = writer.source();
  const StoredTensor& tensor = source.stored[stored];
  IMP_TRY(check_plain(source, stored));
  const StoredMatrix matrix = matrix_of(tensor);
  if (matrix.rows != 1 || (hidden == Hidden::kIn && matrix.columns != facts.hidden))
    return stored_error(
        source, stored, ErrorKind::kShapeMismatch,
        stored_text(tensor) + ", expected a vector" +
            (hidden == Hidden::kIn ? " of the hidden size " + std::to_string(facts.hidden) : ""));
  writer.add(std::move(name), Shape{matrix.columns}, view_of_rows(source, stored, 0, 1), stored_as);
  return {};
}

Status add_norm(const Facts& facts, ViewWriter& writer, const std::string& hub,
                const StoredModule& module, const ModuleRow& row) {
  IMP_TRY(check_has_weight(writer.source(), module));
  const bool plus_one = row.use == Use::kNorm && facts.family->plus_one;
  IMP_TRY(add_vector(facts, writer, hub + ".weight", module.weight, row.hidden,
                     plus_one ? StoredAs::kPlusOne : StoredAs::kItself));
  if (module.bias == kNone) return {};
  return add_vector(facts, writer, hub + ".bias", module.bias, row.hidden, StoredAs::kItself);
}

/// The row of a family; nullptr where it has no such module.
const ModuleRow* find_row(std::span<const ModuleRow> rows, std::string_view name,
                          const Facts& facts) {
  for (const ModuleRow& row : rows)
    if (row.gguf == name && (row.parts & facts.family->parts) != 0) return &row;
  return nullptr;
}

class HubTensors {
 public:
  HubTensors(const Facts& facts, uint64_t layers, const ImportOptions& options, ViewWriter& writer,
             Log& log)
      : facts_(facts), layers_(layers), options_(options), writer_(writer), log_(log) {}

  Status add_top(const StoredBlock& top, bool tied) {
    for (const auto& [name, module] : top) {
      const ModuleRow* row = find_row(top_rows(), name, facts_);
      if (row == nullptr) continue;
      const std::string hub(row->hub);
      if (row->use == Use::kNorm) {
        IMP_TRY(add_norm(facts_, writer_, hub, module, *row));
        continue;
      }
      IMP_TRY(check_has_weight(source(), module));
      IMP_TRY(check_matrix(facts_, source(), module.weight, row->hidden));
      // Rows of an embedding are looked up; only as an output head it meets a GEMM.
      const bool blocks = name == "token_embd" && !tied;
      IMP_TRY(add_linear(writer_, hub, module, all_rows(source(), module),
                         blocks ? PlaneNames::kBlocks : PlaneNames::kModule));
    }
    return {};
  }

  Status add_block(uint32_t number, const StoredBlock& stored) {
    const BlockJob job{facts_,  stored, number, prefix_of(number), options_.assume_unpermuted_qk,
                       writer_, log_};
    for (const auto& [name, module] : stored)
      if (const ModuleRow* row = find_row(block_rows(), name, facts_))
        IMP_TRY(add_row(job, module, *row));
    IMP_TRY(add_experts(job));
    IMP_TRY(add_delta(job));
    if (facts_.family->has(kLatent)) IMP_TRY(add_latent_key_value(job));
    const StoredModule* qkv = job.find("attn_qkv");
    if (facts_.family->has(kSplitQkv) && qkv != nullptr && !writer_.is_used(qkv->weight)) {
      IMP_TRY(check_matrix(facts_, source(), qkv->weight, Hidden::kIn));
      IMP_TRY(add_split_qkv(job, *qkv));
    }
    return {};
  }

  /// Factors of the rotation travel under their own names; so do vision towers, which some files
  /// hold beside the text model.
  Status add_rest() {
    uint64_t towers = 0;
    for (uint32_t i = 0; i < source().stored.size(); ++i) {
      if (writer_.is_used(i)) continue;
      const std::string& name = source().stored[i].name;
      const bool tower = name.starts_with("v.") || name.starts_with("mm.");
      const bool rope = name == "rope_freqs.weight" || name == "rope_factors_long.weight" ||
                        name == "rope_factors_short.weight";
      if (!tower && !rope)
        return stored_error(source(), i, ErrorKind::kUnknownTensor,
                            stored_text(source().stored[i]) + " has no place in architecture '" +
                                std::string(facts_.family->name) +
                                "' as it is known here; --as-is keeps the names and the order of "
                                "the file");
      towers += tower;
      writer_.add_whole(name, i);
    }
    if (towers != 0)
      log_.note(std::to_string(towers) +
                " tensors of a vision tower are carried under their own names");
    return {};
  }

 private:
  const Source& source() const { return writer_.source(); }

  /// Draft layers lie behind the last one; in some families they have numbers of their own.
  std::string prefix_of(uint64_t number) const {
    const bool own = facts_.family->has(kDeltaFused) || facts_.family->has(kDeltaTiled);
    if (number < layers_ || !own) return "model.layers." + std::to_string(number) + ".";
    return "mtp.layers." + std::to_string(number - layers_) + ".";
  }

  std::string hub_name(const BlockJob& job, const ModuleRow& row) const {
    if (row.hub.starts_with("mtp.")) return std::string(row.hub);
    if (row.gguf == "ffn_gate_inp") return job.layer(facts_.family->experts->router);
    if (row.gguf.ends_with("_shexp") && (row.parts & kShared) != 0)
      return job.layer(std::string(facts_.family->experts->shared) + "." + std::string(row.hub));
    return job.layer(row.hub);
  }

  Status add_row(const BlockJob& job, const StoredModule& module, const ModuleRow& row) {
    const std::string hub = hub_name(job, row);
    switch (row.use) {
      case Use::kNorm:
      case Use::kOwnNorm:
        return add_norm(facts_, writer_, hub, module, row);
      case Use::kParameter:
      case Use::kBiasParameter: {
        const uint32_t stored = row.use == Use::kParameter ? module.weight : module.bias;
        if (stored == kNone) return {};
        return add_vector(facts_, writer_, hub, stored, row.hidden, StoredAs::kItself);
      }
      case Use::kExperts:
      case Use::kGateUpExperts:
        return {};
      case Use::kMatrix:
      case Use::kQuery:
      case Use::kKey:
        break;
    }
    IMP_TRY(check_has_weight(source(), module));
    IMP_TRY(check_matrix(facts_, source(), module.weight, row.hidden));
    if (row.use == Use::kQuery) return add_rotated(job, hub, module, facts_.heads[job.number]);
    if (row.use == Use::kKey) return add_rotated(job, hub, module, facts_.kv_heads[job.number]);
    return add_linear(writer_, hub, module, all_rows(source(), module), PlaneNames::kModule);
  }

  const Facts& facts_;
  const uint64_t layers_;
  const ImportOptions& options_;
  ViewWriter& writer_;
  Log& log_;
};

}  // namespace

Status check_matrix(const Facts& facts, const Source& source, uint32_t stored, Hidden hidden) {
  const StoredTensor& tensor = source.stored[stored];
  const StoredMatrix matrix = matrix_of(tensor);
  bool flat = true;
  for (uint32_t i = 0; i + 2 < tensor.shape.rank; ++i) flat = flat && tensor.shape[i] == 1;
  const uint64_t end = hidden == Hidden::kIn ? matrix.columns : matrix.rows;
  if (flat && (hidden == Hidden::kAny || end == facts.hidden)) return {};
  return stored_error(
      source, stored, ErrorKind::kShapeMismatch,
      stored_text(tensor) + ", expected a matrix" +
          (hidden == Hidden::kAny ? ""
                                  : " with as many " + size_text(hidden) + " as the hidden size " +
                                        std::to_string(facts.hidden)));
}

Status add_hub_tensors(const Facts& facts, const StoredModules& stored,
                       const ImportOptions& options, ViewWriter& writer, Log& log) {
  HubTensors tensors(facts, num_layers(facts, stored), options, writer, log);
  IMP_TRY(tensors.add_top(stored.top, is_tied(stored)));
  for (const auto& [number, block] : stored.blocks) IMP_TRY(tensors.add_block(number, block));
  return tensors.add_rest();
}

}  // namespace imp::model

#include "src/inspect/artifact_json.h"

#include <algorithm>
#include <array>
#include <ostream>
#include <set>
#include <tuple>

#include "formats/imp/targets.h"
#include "src/base/dtype.h"
#include "src/base/text.h"
#include "src/model/roles.h"
#include "src/model/schemes.h"

namespace imp::inspect {
namespace {

using artifact::ComponentRecord;
using artifact::FormRecord;
using artifact::OperandRecord;
using artifact::Reader;
using nlohmann::ordered_json;

std::string dumped(const ordered_json& json) {
  return json.dump(-1, ' ', false, ordered_json::error_handler_t::replace);
}

template <class Dims>
std::vector<uint64_t> dims_of(const Dims& dims, uint32_t rank) {
  return {std::begin(dims), std::begin(dims) + std::min<size_t>(rank, std::size(dims))};
}

ordered_json scalars_json(const Reader& reader, uint32_t first, uint32_t count) {
  ordered_json list = ordered_json::array();
  for (const artifact::ScalarRecord& s : reader.scalars().subspan(first, count)) {
    if (s.state == static_cast<uint8_t>(artifact::ScalarState::kAbsent)) {
      list.push_back(nullptr);
      continue;
    }
    const bool divides = s.state == static_cast<uint8_t>(artifact::ScalarState::kDivisor);
    list.push_back({{"bits", s.bits}, {"convention", divides ? "divisor" : "multiplier"}});
  }
  return list;
}

ordered_json form_json(const Reader& reader, const Manifest& manifest, const FormRecord& form) {
  ordered_json json{{"layout", manifest.layout_name(form.layout)},
                    {"layout_number", form.layout},
                    {"major", form.major},
                    {"dialect", form.dialect},
                    {"targets", artifact::targets_to_string(form.targets)},
                    {"padded_n", form.padded_n},
                    {"padded_k", form.padded_k},
                    {"components", ordered_json::array()}};
  for (const ComponentRecord& c : reader.components_of(form))
    json["components"].push_back({{"kind", component_name(c.kind)},
                                  {"dtype", dtype_name(static_cast<Dtype>(c.dtype))},
                                  {"shape", dims_of(c.dims, c.rank)},
                                  {"expert_stride_bytes", c.expert_stride_bytes},
                                  {"offset_bytes", c.offset_bytes},
                                  {"size_bytes", c.size_bytes}});
  return json;
}

ordered_json operand_json(const Reader& reader, const Manifest& manifest, uint32_t index) {
  const OperandRecord& o = reader.operands()[index];
  ordered_json json{{"name", reader.string(o.name)},
                    {"role", model::role_name(static_cast<model::Role>(o.role))},
                    {"scheme", model::scheme_name(static_cast<model::Scheme>(o.scheme))},
                    {"gemm", (o.flags & artifact::kOperandGemm) != 0},
                    {"tied_head", (o.flags & artifact::kOperandTiedHead) != 0},
                    {"experts", o.experts},
                    {"n", o.n},
                    {"k", o.k},
                    {"group_size", o.group_size},
                    {"execution_index", o.execution_index}};
  if (o.stored_as != 0) json["stored_as"] = o.stored_as;
  if (o.layer != artifact::kNone) json["layer"] = o.layer;
  if (const auto at = manifest.fusion.find(index); at != manifest.fusion.end())
    json["fusion"] = at->second;
  json["parts"] = ordered_json::array();
  for (const artifact::PartRecord& p : reader.parts_of(o))
    json["parts"].push_back(
        {{"module", reader.string(p.module)},
         {"n0", p.n0},
         {"n", p.n_count},
         {"multipliers", scalars_json(reader, p.first_multiplier, p.multiplier_count)},
         {"input_scales", scalars_json(reader, p.first_input_scale, p.input_scale_count)}});
  json["forms"] = ordered_json::array();
  for (const FormRecord& form : reader.forms_of(o))
    json["forms"].push_back(form_json(reader, manifest, form));
  json["size_bytes"] = stored_bytes(reader, o);
  return json;
}

ordered_json head_json(const Reader& reader, const Manifest& manifest) {
  const artifact::FileHeader& h = reader.header();
  ordered_json json;
  json["artifact"] = {{"path", reader.path()},
                      {"major", h.major_version},
                      {"minor", h.minor_version},
                      {"total_bytes", h.total_bytes},
                      {"id", hex(h.artifact_id, sizeof h.artifact_id)},
                      {"serves", artifact::targets_to_string(reader.served_targets())}};
  json["manifest"] = manifest.head;
  json["source_files"] = ordered_json::array();
  for (const artifact::SourceFileRecord& f : reader.source_files())
    json["source_files"].push_back({{"name", reader.string(f.name)},
                                    {"size_bytes", f.size_bytes},
                                    {"sha256", hex(f.sha256, sizeof f.sha256)},
                                    {"tensors", f.tensor_count}});
  json["companions"] = ordered_json::array();
  for (const artifact::CompanionRecord& c : reader.companions())
    json["companions"].push_back({{"name", reader.string(c.name)}, {"size_bytes", c.raw_bytes}});
  return json;
}

ordered_json source_tensor_json(const Reader& reader, const artifact::SourceTensorRecord& t) {
  constexpr std::array<const char*, 4> kDispositions = {"?", "converted", "copied", "ignored"};
  ordered_json json{{"name", reader.string(t.name)},
                    {"dtype", dtype_name(static_cast<Dtype>(t.dtype))},
                    {"shape", dims_of(t.dims, t.rank)},
                    {"size_bytes", t.size_bytes},
                    {"disposition", kDispositions[t.disposition % kDispositions.size()]}};
  if (t.operand != artifact::kNone) {
    json["operand"] = reader.string(reader.operands()[t.operand].name);
    json["plane"] = component_name(t.plane);
  } else {
    json["reason"] = reader.string(t.reason);
  }
  return json;
}

}  // namespace

std::string component_name(uint16_t kind) {
  constexpr std::array<const char*, 24> kNames = {"?",
                                                  "codes",
                                                  "blocks",
                                                  "block_scale",
                                                  "super_scale",
                                                  "zero_point",
                                                  "group_min",
                                                  "lut",
                                                  "multiplier",
                                                  "input_scale",
                                                  "k_scale",
                                                  "k_gather",
                                                  "bias",
                                                  "svd_a",
                                                  "svd_b",
                                                  "exceptions",
                                                  "fp8_grid",
                                                  "source_shape",
                                                  "bitmask",
                                                  "row_offsets",
                                                  "input_zero_point",
                                                  "output_scale",
                                                  "group_index",
                                                  "super_min"};
  return kind < kNames.size() ? kNames[kind] : "kind " + std::to_string(kind);
}

Shape shape_of(const ComponentRecord& component) {
  Shape shape;
  shape.rank = std::min<uint32_t>(component.rank, kMaxRank);
  std::copy(component.dims, component.dims + shape.rank, shape.dims.begin());
  return shape;
}

uint64_t stored_bytes(const Reader& reader, const OperandRecord& operand) {
  std::set<std::tuple<uint32_t, uint64_t, uint64_t>> ranges;
  uint64_t total = 0;
  for (const FormRecord& form : reader.forms_of(operand))
    for (const ComponentRecord& c : reader.components_of(form))
      if (ranges.emplace(c.payload_file, c.offset_bytes, c.size_bytes).second)
        total += c.size_bytes;
  return total;
}

void print_artifact_json(const Reader& reader, const Manifest& manifest, const ScaleReport& scales,
                         std::ostream& out) {
  std::string text = dumped(head_json(reader, manifest));
  text.pop_back();
  out << text << ",\"operands\":[";
  for (uint32_t i = 0; i < reader.operands().size(); ++i)
    out << (i == 0 ? "\n" : ",\n") << dumped(operand_json(reader, manifest, i));
  out << "\n],\"source_tensors\":[";
  bool first = true;
  for (const artifact::SourceTensorRecord& t : reader.source_tensors()) {
    out << (first ? "\n" : ",\n") << dumped(source_tensor_json(reader, t));
    first = false;
  }
  out << "\n],\"scales\":" << dumped(scales.json()) << "}\n";
}

}  // namespace imp::inspect

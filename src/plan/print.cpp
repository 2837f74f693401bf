#include "src/plan/print.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <map>
#include <ostream>

#include "formats/imp/targets.h"
#include "src/base/text.h"
#include "src/plan/print_gguf.h"
#include "src/plan/print_transcoded.h"

namespace imp::plan {
namespace {

using model::Model;
using nlohmann::ordered_json;

std::string layout_names(const Operand& operand) {
  std::string text;
  for (const Form& form : operand.forms)
    text += (text.empty() ? "" : "+") +
            std::string(layouts::find_layout(static_cast<uint16_t>(form.layout))->name);
  return text;
}

uint64_t bytes_of(const Operand& operand, const Plan& plan) {
  uint64_t total = 0;
  std::vector<uint32_t> seen;
  for (const Form& form : operand.forms)
    for (const Component& c : form.components) {
      if (c.blob == model::kNone || std::find(seen.begin(), seen.end(), c.blob) != seen.end())
        continue;
      seen.push_back(c.blob);
      total += plan.blobs[c.blob].size_bytes;
    }
  return total;
}

std::string shape_text(const Operand& operand, const Model& model) {
  if (!operand.gemm) return model.weights[operand.parts[0].weight].shape.to_string();
  const std::string nk = fmt::format("{} x {}", operand.n, operand.k);
  return operand.experts == 1 ? nk : fmt::format("{} x {}", operand.experts, nk);
}

std::string padding_text(const Operand& operand) {
  std::string text;
  for (const Form& form : operand.forms)
    if (operand.gemm && (form.padded_n != operand.n || form.padded_k != operand.k))
      text += (text.empty() ? "" : "+") + fmt::format("{}x{}", form.padded_n, form.padded_k);
  return text.empty() ? "-" : text;
}

std::string remark_of(const Operand& operand) {
  const std::string text = operand.tied_head ? "also the output head (tied)" : operand.fusion;
  return text + (text.empty() || operand.refused.empty() ? "" : "; ") + operand.refused;
}

struct Totals {
  uint64_t converted = 0, copied = 0, ignored = 0, source_bytes = 0;
};

Totals totals_of(const Model& model) {
  Totals t;
  for (const model::SourceTensor& tensor : model.source.tensors) {
    if (tensor.made == nullptr) t.source_bytes += tensor.size_bytes;
    if (tensor.disposition == model::Disposition::kConverted) ++t.converted;
    if (tensor.disposition == model::Disposition::kCopied) ++t.copied;
    if (tensor.disposition == model::Disposition::kIgnored) ++t.ignored;
  }
  return t;
}

/// scheme -> (modules, source bytes of their planes)
std::map<std::string, std::pair<uint64_t, uint64_t>> histogram(const Model& model) {
  std::map<std::string, std::pair<uint64_t, uint64_t>> rows;
  for (const model::Weight& weight : model.weights) {
    auto& [count, bytes] = rows[std::string(scheme_name(weight.scheme))];
    count += weight.experts;
    for (const model::PlaneSet& set : weight.planes)
      for (const uint32_t t : set.tensors)
        if (t != model::kNone) bytes += model.source.tensors[t].size_bytes;
  }
  return rows;
}

std::string targets_text(const Plan& plan) {
  std::string text;
  for (const uint32_t sm : plan.sms) text += fmt::format("{}sm_{}", text.empty() ? "" : " ", sm);
  return text.empty() ? "any" : text;
}

std::string layout_option(const Plan& plan) {
  return plan.layout ? layouts::find_layout(static_cast<uint16_t>(*plan.layout))->name : "default";
}

ordered_json component_json(const Component& c, const Plan& plan) {
  ordered_json json;
  json["kind"] = static_cast<uint16_t>(c.kind);
  json["dtype"] = dtype_name(c.dtype);
  json["shape"] = std::vector<uint64_t>(c.shape.dims.begin(), c.shape.dims.begin() + c.shape.rank);
  if (c.blob != model::kNone) {
    json["offset_bytes"] = plan.blobs[c.blob].offset_bytes;
    json["size_bytes"] = c.size_bytes;
  }
  return json;
}

ordered_json form_json(const Form& form, const Plan& plan) {
  ordered_json json;
  json["layout"] = layouts::find_layout(static_cast<uint16_t>(form.layout))->name;
  json["major"] = form.major;
  if (form.dialect != 0) json["dialect"] = form.dialect;
  json["targets"] = artifact::targets_to_string(form.targets);
  json["padded_n"] = form.padded_n;
  json["padded_k"] = form.padded_k;
  json["components"] = ordered_json::array();
  for (const Component& c : form.components) json["components"].push_back(component_json(c, plan));
  return json;
}

}  // namespace

std::string operand_json(const Model& model, const Plan& plan, uint32_t position) {
  const Operand& operand = plan.operands[position];
  ordered_json json;
  json["name"] = operand.name;
  json["role"] = role_name(operand.role);
  json["scheme"] = scheme_name(operand.scheme);
  if (operand.layer != model::kNone) json["layer"] = operand.layer;
  json["experts"] = operand.experts;
  json["n"] = operand.n;
  json["k"] = operand.k;
  // Where the scheme does not fix it.
  if (operand.group_size != model::group_size_of(operand.scheme))
    json["group_size"] = operand.group_size;
  if (operand.group_rows != 1) json["group_rows"] = operand.group_rows;
  if (operand.tied_head) json["tied_head"] = true;
  if (!operand.fusion.empty()) json["fusion"] = operand.fusion;
  if (!operand.refused.empty()) json["refused"] = operand.refused;
  json["parts"] = ordered_json::array();
  for (const Part& part : operand.parts)
    json["parts"].push_back(
        {{"module", model.weights[part.weight].name}, {"n0", part.n0}, {"n", part.n_count}});
  json["forms"] = ordered_json::array();
  for (const Form& form : operand.forms) json["forms"].push_back(form_json(form, plan));
  json["size_bytes"] = bytes_of(operand, plan);
  return json.dump(-1, ' ', false, ordered_json::error_handler_t::replace);
}

void print_plan(std::ostream& out, const Model& model, const Plan& plan, uint64_t threads) {
  out << fmt::format("source   {} ({}, {}, {})\n", printable(model.source.folder.string()),
                     model.architecture, model.producer, model.quantization);
  out << fmt::format("targets  {}   layout {}\n\n", targets_text(plan), layout_option(plan));
  size_t width = 8, scheme_width = 9;
  for (const Operand& operand : plan.operands) {
    width = std::max(width, operand.name.size());
    scheme_width = std::max(scheme_width, scheme_name(operand.scheme).size());
  }
  const auto print_row = [&](const auto& name, const auto& role, const auto& scheme,
                             const auto& layout, const auto& shape, const auto& padded,
                             const auto& bytes, const std::string& remark) {
    out << fmt::format("{:<{}}  {:<18} {:<{}} {:<13} {:<18} {:<21} {:>15}", name, width, role,
                       scheme, scheme_width, layout, shape, padded, bytes)
        << (remark.empty() ? "" : "  ") << remark << "\n";
  };
  print_row("operand", "role", "scheme", "layout", "shape", "padded", "bytes", "fusion");
  for (const Operand& o : plan.operands)
    print_row(printable(o.name), role_name(o.role), scheme_name(o.scheme), layout_names(o),
              shape_text(o, model), padding_text(o), with_thousands(bytes_of(o, plan)),
              remark_of(o));
  out << fmt::format("\n{:<{}}  modules     source bytes\n", "scheme", scheme_width);
  for (const auto& [scheme, row] : histogram(model))
    out << fmt::format("{:<{}} {:>8} {:>16}\n", scheme, scheme_width, with_thousands(row.first),
                       with_thousands(row.second));
  print_gguf(out, model, plan);
  print_transcoded(out, model);
  const Totals totals = totals_of(model);
  out << fmt::format("\ntensors  {} converted, {} copied, {} ignored; {} bytes\n", totals.converted,
                     totals.copied, totals.ignored, with_thousands(totals.source_bytes));
  out << fmt::format("operands {}\n", plan.operands.size());
  out << fmt::format("index    {} bytes (payload starts there)\n",
                     with_thousands(plan.payload_offset_bytes));
  out << fmt::format("payload  {} bytes\n",
                     with_thousands(plan.payload_end_bytes - plan.payload_offset_bytes));
  out << fmt::format("exceptions  at most {} bytes\n", with_thousands(plan.exceptions_bound_bytes));
  out << fmt::format("tail     at most {} bytes (digests, manifest, companions)\n",
                     with_thousands(plan.tail_bound_bytes));
  out << fmt::format("memory   at most {}\n", human_bytes(peak_memory_bytes(model, plan, threads)));
}

void print_plan_json(std::ostream& out, const Model& model, const Plan& plan, uint64_t threads) {
  const Totals totals = totals_of(model);
  ordered_json head;
  head["source"] = model.source.folder.string();
  head["architecture"] = model.architecture;
  head["producer"] = model.producer;
  head["quantization"] = model.quantization;
  head["targets"] = targets_text(plan);
  head["layout"] = layout_option(plan);
  if (!model.source.stored.empty()) head["gguf"] = gguf_json(model, plan);
  if (!model.transcoded.empty()) head["transcoded"] = transcoded_json(model);
  head["inventory"] = {{"converted", totals.converted},
                       {"copied", totals.copied},
                       {"ignored", totals.ignored},
                       {"source_bytes", totals.source_bytes}};
  head["schemes"] = ordered_json::object();
  for (const auto& [scheme, row] : histogram(model))
    head["schemes"][scheme] = {{"modules", row.first}, {"source_bytes", row.second}};
  head["totals"] = {{"index_bytes", plan.payload_offset_bytes},
                    {"payload_offset_bytes", plan.payload_offset_bytes},
                    {"payload_bytes", plan.payload_end_bytes - plan.payload_offset_bytes},
                    {"exceptions_bound_bytes", plan.exceptions_bound_bytes},
                    {"tail_bound_bytes", plan.tail_bound_bytes}};
  head["peak_memory_bytes"] = peak_memory_bytes(model, plan, threads);
  std::string text = head.dump(-1, ' ', false, ordered_json::error_handler_t::replace);
  text.pop_back();
  out << text << ",\"operands\":[";
  for (uint32_t o = 0; o < plan.operands.size(); ++o)
    out << (o == 0 ? "\n" : ",\n") << operand_json(model, plan, o);
  out << "\n]}\n";
}

}  // namespace imp::plan

#include "src/inspect/import_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <ostream>
#include <string>

#include "src/base/text.h"

namespace imp::inspect {
namespace {

using model::Model;
using model::Weight;
using nlohmann::ordered_json;

std::string shape_text(const Weight& weight) {
  if (!weight.gemm) return weight.shape.to_string();
  const std::string nk = fmt::format("{} x {}", weight.n, weight.k);
  return weight.experts == 1 ? nk : fmt::format("{} x {}", weight.experts, nk);
}

}  // namespace

void print_import(const Result<Model>& imported, std::ostream& out) {
  if (!imported.ok()) {
    const Error& error = imported.error();
    out << fmt::format("\nimp-convert would refuse this checkpoint ({}):\n  {}\n",
                       error_kind_name(error.kind), error.to_line());
    return;
  }
  const Model& model = *imported;
  size_t width = 6;
  for (const Weight& w : model.weights) width = std::max(width, printable(w.name).size());
  out << fmt::format("\nimp-convert takes it as {}, {}, {}:\n", printable(model.architecture),
                     printable(model.producer), printable(model.quantization));
  out << fmt::format("{:<{}}  {:<18} {:<11} {:<18} {}\n", "module", width, "role", "scheme",
                     "shape", "why");
  for (const Weight& w : model.weights)
    out << fmt::format("{:<{}}  {:<18} {:<11} {:<18} {}{}\n", printable(w.name), width,
                       role_name(w.role), scheme_name(w.scheme), shape_text(w), printable(w.why),
                       w.tied_head ? " (also the output head, tied)" : "");
}

ordered_json import_json(const Result<Model>& imported) {
  if (!imported.ok())
    return {{"convertible", false},
            {"kind", error_kind_name(imported.error().kind)},
            {"error", imported.error().to_line()}};
  const Model& model = *imported;
  ordered_json json{{"convertible", true},
                    {"architecture", model.architecture},
                    {"producer", model.producer},
                    {"quantization", model.quantization},
                    {"modules", ordered_json::array()}};
  for (const Weight& w : model.weights)
    json["modules"].push_back({{"name", w.name},
                               {"role", role_name(w.role)},
                               {"scheme", scheme_name(w.scheme)},
                               {"gemm", w.gemm},
                               {"experts", w.experts},
                               {"n", w.n},
                               {"k", w.k},
                               {"group_size", w.group_size},
                               {"group_rows", w.group_rows},
                               {"activations_8bit", w.activations_8bit},
                               {"why", w.why},
                               {"tied_head", w.tied_head}});
  return json;
}

}  // namespace imp::inspect

#include "src/plan/print_gguf.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <map>
#include <ostream>
#include <string>
#include <tuple>
#include <vector>

#include "src/base/text.h"
#include "src/plan/forms.h"
#include "src/plan/planes.h"

namespace imp::plan {
namespace {

using model::Model;
using model::Weight;

/// type name -> tensors, the most frequent first.
std::vector<std::pair<std::string, uint64_t>> types_of(const Model& model) {
  std::map<std::string, uint64_t> counts;
  for (const model::StoredTensor& stored : model.source.stored)
    ++counts[std::string(ggml_type_info(stored.type).name)];
  std::vector<std::pair<std::string, uint64_t>> types(counts.begin(), counts.end());
  std::stable_sort(types.begin(), types.end(),
                   [](const auto& a, const auto& b) { return a.second > b.second; });
  return types;
}

/// Weights of one type that are held alike. All of it is lossless: what is quantised anew is no
/// view, and print_transcoded has it.
struct Held {
  std::string type;
  std::string scheme;
  std::string layouts;
  bool no_gemm = false;  ///< no packed layout takes it, whatever is asked for
  auto operator<=>(const Held&) const = default;
};

/// Types that do not come apart, and weights of a GEMM whose shape no packed layout takes.
bool no_gemm_layout(const Model& model, const Weight& weight) {
  if (const auto type = model::blocks_type(weight.scheme))
    return model::planes_scheme(*type) == weight.scheme;
  if (!weight.gemm || !model::is_quantized(weight.scheme)) return false;
  return std::none_of(layouts::kLayouts.begin(), layouts::kLayouts.end(),
                      [&](const layouts::LayoutInfo& layout) {
                        return !layout.any_sm && reason_not_held(layout.id, weight, model).empty();
                      });
}

std::string layouts_of(const Operand& operand) {
  std::string text;
  for (const Form& form : operand.forms)
    text += (text.empty() ? "" : " + ") +
            std::string(layouts::find_layout(static_cast<uint16_t>(form.layout))->name);
  return text;
}

/// How each is held -> how many modules, experts counted one by one.
std::map<Held, uint64_t> held_of(const Model& model, const Plan& plan) {
  std::map<Held, uint64_t> rows;
  for (const Operand& operand : plan.operands)
    for (const Part& part : operand.parts) {
      const Weight& weight = model.weights[part.weight];
      const model::PlaneSet* codes = weight.find(ComponentKind::kCodes);
      if (codes == nullptr) continue;
      const auto& view = first_tensor(model, *codes).view;
      if (!view) continue;
      rows[{std::string(ggml_type_info(view->type).name),
            std::string(model::scheme_name(weight.scheme)), layouts_of(operand),
            no_gemm_layout(model, weight)}] += weight.experts;
    }
  return rows;
}

}  // namespace

void print_gguf(std::ostream& out, const Model& model, const Plan& plan) {
  if (model.source.stored.empty()) return;
  std::string types;
  for (const auto& [type, count] : types_of(model))
    types += fmt::format("{}{} x {}", types.empty() ? "" : ", ", with_thousands(count), type);
  out << "\nGGUF     " << types << "\n";
  for (const auto& [held, count] : held_of(model, plan))
    out << fmt::format("  {:<8} {:>7} as {} in {}, lossless{}\n", held.type, with_thousands(count),
                       held.scheme, held.layouts,
                       held.no_gemm ? "; no GEMM kernel layout holds it" : "");
}

nlohmann::ordered_json gguf_json(const Model& model, const Plan& plan) {
  nlohmann::ordered_json json;
  json["types"] = nlohmann::ordered_json::object();
  for (const auto& [type, count] : types_of(model)) json["types"][type] = count;
  json["held"] = nlohmann::ordered_json::array();
  for (const auto& [held, count] : held_of(model, plan))
    json["held"].push_back({{"type", held.type},
                            {"scheme", held.scheme},
                            {"layouts", held.layouts},
                            {"modules", count},
                            {"lossless", true},
                            {"gemm_layout", !held.no_gemm}});
  return json;
}

}  // namespace imp::plan

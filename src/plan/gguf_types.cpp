#include "src/plan/gguf_types.h"

#include <fmt/format.h>

#include <ostream>
#include <string>
#include <utility>
#include <vector>

#include "formats/imp/targets.h"
#include "src/base/ggml_type.h"
#include "src/plan/forms.h"
#include "src/quant/ggml_blocks.h"

namespace imp::plan {
namespace {

using model::Scheme;
using model::Weight;

Scheme scheme_of(const GgmlTypeInfo& type) {
  switch (type.type) {
    case GgmlType::kF32:
      return Scheme::kF32;
    case GgmlType::kF16:
      return Scheme::kF16;
    case GgmlType::kBf16:
      return Scheme::kBf16;
    case GgmlType::kF64:
      return Scheme::kF64;
    default:
      return type.block_elems == 1 ? Scheme::kRaw : model::planes_scheme(type.type);
  }
}

/// A GEMM's weight of this type, of a size that every block divides.
Weight weight_of(const GgmlTypeInfo& type) {
  Weight weight;
  weight.role = model::Role::kFfnDown;
  weight.scheme = scheme_of(type);
  weight.gemm = weight.scheme != Scheme::kRaw;
  weight.n = weight.k = 256;
  if (const quant::BlockPlanes* planes = quant::block_planes(type.type))
    weight.group_size = planes->group_size;
  weight.planes.push_back({model::ComponentKind::kCodes, {0}, model::Encoding::kRows});
  return weight;
}

std::string layout_on(const Weight& weight, uint32_t sm) {
  Options options;
  options.sms = {sm};
  // No dtype of a plane matters to the default layouts.
  const auto forms = choose_forms(model::Model{}, weight, options);
  if (!forms.ok()) return "refused";
  return layouts::find_layout(static_cast<uint16_t>(forms->front().layout))->name;
}

struct Column {
  std::string targets;
  std::vector<std::string> layouts;  ///< one a type
};

std::vector<Column> columns() {
  std::vector<Column> columns;
  for (const artifact::TargetInfo& target : artifact::kTargets) {
    Column column{fmt::format("sm_{}", target.sm), {}};
    for (const GgmlTypeInfo& type : ggml_types())
      column.layouts.push_back(layout_on(weight_of(type), target.sm));
    if (!columns.empty() && columns.back().layouts == column.layouts)
      columns.back().targets += fmt::format(" {}", target.sm);
    else
      columns.push_back(std::move(column));
  }
  return columns;
}

std::string cell(Scheme scheme, const std::string& layout) {
  if (layout == "refused") return layout;
  return layout + (model::blocks_type(scheme) ? " (blocks), lossless" : ", lossless");
}

}  // namespace

void print_gguf_types(std::ostream& out) {
  const std::vector<Column> table = columns();
  out << "| type | bits per weight | scheme |";
  for (const Column& column : table) out << " " << column.targets << " |";
  out << "\n|---|---|---|";
  for (size_t c = 0; c < table.size(); ++c) out << "---|";
  out << "\n";
  const auto types = ggml_types();
  for (size_t t = 0; t < types.size(); ++t) {
    const Scheme scheme = scheme_of(types[t]);
    out << fmt::format("| {} | {} | {} |", types[t].name,
                       8.0 * types[t].block_bytes / types[t].block_elems,
                       model::scheme_name(scheme));
    for (const Column& column : table) out << " " << cell(scheme, column.layouts[t]) << " |";
    out << "\n";
  }
  out << "| any other id | | |";
  for (size_t c = 0; c < table.size(); ++c) out << " refused |";
  out << "\n";
}

}  // namespace imp::plan

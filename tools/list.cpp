#include "tools/list.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <ostream>
#include <string>
#include <vector>

#include "formats/imp/targets.h"
#include "kernels/layouts/layout_facts.h"
#include "kernels/layouts/registry.h"

namespace imp::tools {
namespace {

template <class List>
std::string sm_list(const List& list) {
  std::string text;
  for (const uint32_t sm : list)
    if (sm != 0) text += fmt::format("{}sm_{}", text.empty() ? "" : " ", sm);
  return text;
}

/// "sm_80 86 90"; "any" where all are served.
std::string targets_of(const layouts::LayoutInfo& layout) {
  if (layout.any_sm) return "any";
  std::string text;
  const auto add = [&](const auto& list, const std::string& before) {
    bool first = true;
    for (const uint32_t sm : list) {
      if (sm == 0) continue;
      text += first ? before + fmt::format("sm_{}", sm) : fmt::format(" {}", sm);
      first = false;
    }
  };
  add(layout.default_sms, "");
  add(layout.by_name_sms, text.empty() ? "by name " : "; by name ");
  return text;
}

/// Schemes whose bytes have one version and one size.
struct VariantRow {
  std::string schemes;
  uint16_t major;
  std::string bits;
};

std::vector<VariantRow> variant_rows(layouts::LayoutId layout) {
  std::vector<VariantRow> rows;
  for (const layouts::LayoutVariant& variant : layouts::kVariants) {
    if (variant.layout != layout) continue;
    const std::string bits = layouts::bits_per_weight(layout, variant.scheme);
    const bool joins =
        !rows.empty() && rows.back().major == variant.major && rows.back().bits == bits;
    if (joins)
      rows.back().schemes += fmt::format(", {}", variant.scheme_name);
    else
      rows.push_back({variant.scheme_name, variant.major, bits});
  }
  return rows;
}

/// "version 1 of nvfp4", the schemes of a layout with what is written for each.
std::string version_list(layouts::LayoutId layout) {
  std::string text;
  for (const layouts::LayoutVariant& variant : layouts::kVariants)
    if (variant.layout == layout)
      text += fmt::format("{}version {} of {}{}", text.empty() ? "" : ", ", variant.major,
                          variant.scheme_name, variant.major == 0 ? " (not frozen)" : "");
  return text;
}

/// The source comes back from every layout; of some with the help of the exceptions.
std::string lossless(const layouts::LayoutFacts& facts) {
  const std::string exceptions = facts.exceptions;
  return exceptions.empty() ? "yes" : "yes; as exceptions: " + exceptions;
}

nlohmann::ordered_json sm_json(const auto& list) {
  auto json = nlohmann::ordered_json::array();
  for (const uint32_t sm : list)
    if (sm != 0) json.push_back(fmt::format("sm_{}", sm));
  return json;
}

nlohmann::ordered_json schemes_json(layouts::LayoutId layout) {
  auto json = nlohmann::ordered_json::array();
  for (const layouts::LayoutVariant& variant : layouts::kVariants)
    if (variant.layout == layout)
      json.push_back({{"scheme", variant.scheme_name},
                      {"version", variant.major},
                      {"oldest_version_read", variant.oldest_major},
                      {"frozen", variant.major != 0},
                      {"bits_per_weight", layouts::bits_per_weight(layout, variant.scheme)},
                      {"exceptions", variant.exceptions}});
  return json;
}

nlohmann::ordered_json layout_json(const layouts::LayoutInfo& layout) {
  const layouts::LayoutFacts& facts = layouts::facts_of(layout.id);
  return {{"name", layout.name},
          {"id", static_cast<uint16_t>(layout.id)},
          {"summary", layout.summary},
          {"any_target", layout.any_sm},
          {"default_targets", sm_json(layout.default_sms)},
          {"targets_by_name", sm_json(layout.by_name_sms)},
          {"schemes", schemes_json(layout.id)},
          {"read_by", facts.engine},
          {"needs", facts.needs},
          {"padding", facts.pads},
          {"slice_n", layout.slice_n},
          {"slice_k", layout.slice_k},
          {"fusion", facts.fusion},
          {"lossless", true},
          {"exceptions", facts.exceptions},
          {"differs", facts.differs}};
}

const char* default_4bit_layout(uint32_t sm) {
  for (const layouts::LayoutInfo& layout : layouts::kLayouts)
    for (const uint32_t served : layout.default_sms)
      if (served == sm) return layout.name;
  return "plain";
}

}  // namespace

void list_targets(std::ostream& out) {
  out << "target   4-bit weights go to   cards\n";
  for (const artifact::TargetInfo& target : artifact::kTargets)
    out << fmt::format("sm_{:<5} {:<21} {}\n", target.sm, default_4bit_layout(target.sm),
                       target.examples);
}

void list_layouts(std::ostream& out) {
  for (const layouts::LayoutInfo& layout : layouts::kLayouts) {
    const layouts::LayoutFacts& facts = layouts::facts_of(layout.id);
    out << fmt::format("{} ({})\n  {}\n", layout.name, version_list(layout.id), layout.summary);
    const std::string defaults = sm_list(layout.default_sms);
    if (layout.any_sm || !defaults.empty())
      out << "  default   " << (layout.any_sm ? "whatever no other layout holds" : defaults)
          << "\n";
    if (!sm_list(layout.by_name_sms).empty())
      out << "  by name   " << sm_list(layout.by_name_sms) << "\n";
    out << "  read by   " << facts.engine << "\n";
    out << "  needs     " << facts.needs << "\n";
    out << fmt::format("  padding   {}; slices at multiples of {} x {}\n", facts.pads,
                       layout.slice_n, layout.slice_k);
    out << "  fusion    " << facts.fusion << "\n";
    out << "  lossless  " << lossless(facts) << "\n";
    if (facts.differs[0] != '\0') out << "  differs   " << facts.differs << "\n";
  }
}

void list_layouts_json(std::ostream& out) {
  auto json = nlohmann::ordered_json::array();
  for (const layouts::LayoutInfo& layout : layouts::kLayouts) json.push_back(layout_json(layout));
  out << json.dump(2) << "\n";
}

void list_layouts_markdown(std::ostream& out) {
  out << "| layout | schemes | version | bits per weight | targets | read by | needs | fusion | "
         "exceptions |\n|---|---|---|---|---|---|---|---|---|\n";
  for (const layouts::LayoutInfo& layout : layouts::kLayouts) {
    const layouts::LayoutFacts& facts = layouts::facts_of(layout.id);
    bool first = true;
    for (const VariantRow& row : variant_rows(layout.id)) {
      out << fmt::format("| {} | {} | {} | {} |", first ? fmt::format("`{}`", layout.name) : "",
                         row.schemes, row.major, row.bits);
      if (first)
        out << fmt::format(" {} | {} | {} | {} | {} |\n", targets_of(layout), facts.engine,
                           facts.needs, facts.fusion,
                           facts.exceptions[0] == '\0' ? "none" : facts.exceptions);
      else
        out << " | | | | |\n";
      first = false;
    }
  }
}

}  // namespace imp::tools

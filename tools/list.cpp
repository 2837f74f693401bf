#include "tools/list.h"

#include <fmt/format.h>

#include <ostream>
#include <string>

#include "formats/imp/targets.h"
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

/// "version 1 of nvfp4", the schemes of a layout with what is written for each.
std::string version_list(layouts::LayoutId layout) {
  std::string text;
  for (const layouts::LayoutVariant& variant : layouts::kVariants)
    if (variant.layout == layout)
      text += fmt::format("{}version {} of {}{}", text.empty() ? "" : ", ", variant.major,
                          variant.scheme_name, variant.major == 0 ? " (not frozen)" : "");
  return text;
}

/// "yes", and the schemes that need the exceptions component for it.
std::string lossless(layouts::LayoutId layout) {
  std::string schemes;
  for (const layouts::LayoutVariant& variant : layouts::kVariants)
    if (variant.layout == layout && variant.exceptions)
      schemes += fmt::format("{}{}", schemes.empty() ? "" : ", ", variant.scheme_name);
  return schemes.empty() ? "yes" : "yes; " + schemes + " with the exceptions component";
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
    out << fmt::format("{} ({})\n  {}\n", layout.name, version_list(layout.id), layout.summary);
    out << "  default   "
        << (layout.any_sm ? "whatever no other layout holds" : sm_list(layout.default_sms)) << "\n";
    if (!sm_list(layout.by_name_sms).empty())
      out << "  by name   " << sm_list(layout.by_name_sms) << "\n";
    out << fmt::format("  padding   N to {}, K to {}; slices at multiples of {} x {}\n",
                       layout.pad_n, layout.pad_k, layout.slice_n, layout.slice_k);
    out << fmt::format("  fusion    parts joined at multiples of {} rows\n", layout.fuse_unit_n);
    out << "  lossless  " << lossless(layout.id) << "\n";
  }
}

}  // namespace imp::tools

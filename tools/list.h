// --list-targets and --list-layouts.
#pragma once

#include <iosfwd>

namespace imp::tools {

void list_targets(std::ostream& out);
void list_layouts(std::ostream& out);
/// An array of objects, one a layout.
void list_layouts_json(std::ostream& out);
/// The README's table.
void list_layouts_markdown(std::ostream& out);

}  // namespace imp::tools

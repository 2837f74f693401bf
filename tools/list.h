// --list-targets and --list-layouts.
#pragma once

#include <iosfwd>

namespace imp::tools {

void list_targets(std::ostream& out);
void list_layouts(std::ostream& out);

}  // namespace imp::tools

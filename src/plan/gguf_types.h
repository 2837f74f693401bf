// What becomes of each type of GGUF tensors on each target, as a table.
#pragma once

#include <iosfwd>

namespace imp::plan {

/// A Markdown table: a row a type, a column for each group of targets that treat all types alike.
/// Every type is carried without loss, or refused; nothing rounds unless it is transcoded.
void print_gguf_types(std::ostream& out);

}  // namespace imp::plan

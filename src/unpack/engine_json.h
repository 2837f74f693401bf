// What index.json says of forms in other engines' layouts: which op takes which file as which
// tensor. Read from the engines' sources; nothing here was run with them.
#pragma once

#include <functional>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "formats/imp/reader.h"

namespace imp::unpack {

/// File that holds a component of the form; nullopt where the form has none.
using FileOf = std::function<std::optional<std::string>(artifact::ComponentKind)>;

/// An object for a form in such a layout; null for other forms.
nlohmann::ordered_json engine_json(const artifact::OperandRecord& operand,
                                   const artifact::FormRecord& form, const FileOf& file_of);

}  // namespace imp::unpack

// What quantising anew cost, as text and as JSON.
#pragma once

#include <iosfwd>
#include <nlohmann/json.hpp>

#include "src/model/model.h"

namespace imp::plan {

/// A table with a line per weight, and nothing where no weight is transcoded.
void print_transcoded(std::ostream& out, const model::Model& model);
/// The same as an array; numbers that are infinite become null.
nlohmann::ordered_json transcoded_json(const model::Model& model);

}  // namespace imp::plan

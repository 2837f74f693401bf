// What imp-convert would make of a checkpoint: its modules with the reason for each scheme, or why
// it would be refused.
#pragma once

#include <iosfwd>
#include <nlohmann/json.hpp>

#include "src/base/result.h"
#include "src/model/model.h"

namespace imp::inspect {

void print_import(const Result<model::Model>& imported, std::ostream& out);
nlohmann::ordered_json import_json(const Result<model::Model>& imported);

}  // namespace imp::inspect

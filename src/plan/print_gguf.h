// What becomes of the tensor types of a GGUF file, for people and for programs.
#pragma once

#include <nlohmann/json_fwd.hpp>

#include <iosfwd>

#include "src/plan/plan.h"

namespace imp::plan {

/// How many tensors of each type the file has, what each type is held as, and which weights no
/// kernel's layout takes. Nothing where the source is no GGUF file.
void print_gguf(std::ostream& out, const model::Model& model, const Plan& plan);

/// {"types": {"Q4_K": 224, ...}, "held": [...]}. REQUIRES: a GGUF source.
nlohmann::ordered_json gguf_json(const model::Model& model, const Plan& plan);

}  // namespace imp::plan

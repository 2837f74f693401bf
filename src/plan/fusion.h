// From weights and groups to operands: which parts become one.
#pragma once

#include <vector>

#include "src/plan/forms.h"
#include "src/plan/plan.h"

namespace imp::plan {

/// Operands in execution order, forms included, blobs not yet placed. Errors: those of
/// choose_forms; kDuplicateName.
Result<std::vector<Operand>> make_operands(const model::Model& model, const Options& options);

}  // namespace imp::plan

// The plan for people and for programs.
#pragma once

#include <iosfwd>

#include "src/plan/plan.h"

namespace imp::plan {

/// Table of operands, histogram of schemes, totals. Exact but for the lines marked "at most".
void print_plan(std::ostream& out, const model::Model& model, const Plan& plan, uint64_t threads);

/// The same as one JSON document, written piece by piece. Keys: source, targets, layout,
/// operands[], inventory, totals, peak_memory_bytes.
void print_plan_json(std::ostream& out, const model::Model& model, const Plan& plan,
                     uint64_t threads);

/// JSON of one operand: what the plan and the artifact's manifest say of it.
std::string operand_json(const model::Model& model, const Plan& plan, uint32_t operand);

}  // namespace imp::plan

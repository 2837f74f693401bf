// Which layouts an operand gets, and the components of each.
#pragma once

#include <string>
#include <vector>

#include "src/plan/plan.h"

namespace imp::plan {

/// Layout and target set of one form, before shapes.
struct FormChoice {
  LayoutId layout = LayoutId::kPlain;
  uint64_t targets = 0;
  bool operator==(const FormChoice&) const = default;
};

/// Forms of a weight under the options: one per distinct layout, in layout-number order.
/// Errors: kNoFormForTarget if options.layout can hold the weight but does not serve a target.
Result<std::vector<FormChoice>> choose_forms(const model::Model& model, const model::Weight& weight,
                                             const Options& options);

/// Why the layout does not hold this weight; empty if it does.
std::string reason_not_held(LayoutId layout, const model::Weight& weight,
                            const model::Model& model);

/// Quantised weights of a GEMM; of others, and where a role asks for plain rows, nobody expects a
/// packed form.
bool is_packed_somewhere(const model::Weight& weight);

/// Components of `operand` in this layout; blobs are not assigned yet. `first` is the weight of the
/// first part.
Form make_form(const Operand& operand, const model::Model& model, const FormChoice& choice);

}  // namespace imp::plan

// Which rows of which forms the numerics level looks at, and on which backend.
#pragma once

#include <vector>

#include "formats/imp/reader.h"
#include "src/verify/gemm_backend.h"

namespace imp::verify {

/// Rows of one expert of a form: small enough that a budget can be spread over many.
struct Unit {
  uint32_t form;
  uint32_t operand;
  uint64_t expert;
  uint64_t row0;
  uint64_t rows;
  GemmBackend* backend;
  bool regimes = false;  ///< every kernel and regime instead of the ordinary checks
};

/// The backends of a run; `cuda` may be null.
struct Backends {
  GemmBackend* cuda = nullptr;
  GemmBackend* cpu = nullptr;
  /// The first that serves the form, nullptr if none does.
  GemmBackend* find(const FormView& view) const;
};

/// Units of the GEMM forms in `forms`, up to `budget_weights` weights (0: all), so chosen that each
/// (layout, scheme, role) is met first; then, for each (layout, scheme) of the GPU, the last rows
/// of its largest operand for the regimes. Fills the counts of forms.
std::vector<Unit> choose_units(const artifact::Reader& reader, const std::vector<uint32_t>& forms,
                               uint64_t budget_weights, const Backends& backends,
                               NumericsCounts& counts);

inline FormView view_of(const artifact::Reader& reader, const Unit& unit) {
  return {reader, reader.operands()[unit.operand], reader.forms()[unit.form]};
}

}  // namespace imp::verify

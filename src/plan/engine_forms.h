// Forms in the layouts of other engines: what they hold of which operand, and where
// (kernels/layouts/README.md; formats/imp/SPEC.md).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "kernels/layouts/padded_shape.h"
#include "src/plan/plan.h"

namespace imp::plan {

/// marlin, marlin_a0, max_sm8x, machete4, machete8.
bool is_engine_layout(LayoutId layout);

/// Why the layout, which has a variant for the scheme, does not hold this weight; empty if it does:
/// "scales are F32, marlin takes 16 bits".
std::string engine_refusal(LayoutId layout, const model::Weight& weight, const model::Model& model);

/// Which side of a matrix is the experts' intermediate size.
layouts::Intermediate intermediate_of(model::Role role);

/// What the operand is padded to. REQUIRES: not refused.
layouts::PaddedShape engine_shape(LayoutId layout, const Operand& operand);

/// Parts whose rows are padded one by one: experts' gate and up, also where they are the halves of
/// one part.
bool pads_parts(LayoutId layout, model::Role role);

/// FormRecord::dialect: the activations' type, 1 for f16.
uint16_t engine_dialect(LayoutId layout, const Operand& operand, const model::Model& model);

/// One multiplier for all parts, with the layout's powers of two in it: a form's own bytes, known
/// only at conversion.
bool has_joint_multiplier(LayoutId layout, model::Scheme scheme);
/// The form has no component of multipliers: they are in its scales.
bool folds_multiplier(LayoutId layout, model::Scheme scheme);

/// A plane of the model in a form. `pieces` are those of the whole matrix of one expert.
struct EnginePlane {
  ComponentKind component = ComponentKind::kBlocks;
  std::optional<ComponentKind> from;     ///< of the model; nullopt: multipliers of the parts
  Action action = Action::kEngineTiles;  ///< kCopy: the source's bytes, shape and dtype
  bool required = true;
  Dtype dtype = Dtype::kU8;
  Shape shape;                ///< of one expert
  uint64_t offset_bytes = 0;  ///< in the component; not 0: an earlier plane's component has it
  Pieces pieces;
};

/// Codes and planes of groups. REQUIRES: not refused, parts are set.
std::vector<EnginePlane> engine_planes(LayoutId layout, const Operand& operand,
                                       const model::Model& model);

/// Rows [first_row, first_row + rows) of part `part`, as they lie in the packed matrix.
struct PackedRun {
  uint64_t first_row = 0;
  uint64_t rows = 0;
  uint64_t packed_row = 0;
  uint64_t padded_rows = 0;  ///< packed rows up to what follows
};
/// One run, or two of a part whose halves are padded one by one.
std::vector<PackedRun> packed_runs(LayoutId layout, const Operand& operand, uint32_t part);

}  // namespace imp::plan

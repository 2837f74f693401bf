// Where the scales of 8-bit and integer codes lie: over all, over rows, over groups, over blocks.
#include "src/base/checked.h"
#include "src/model/detect_family.h"
#include "src/model/scalars.h"

namespace imp::model {
namespace {

constexpr uint64_t kDefaultBlock = 128;

bool is_grid(const Shape& shape, const WeightForm& form, uint64_t rows, uint64_t columns) {
  return rows != 0 && columns != 0 && shape == Shape{div_up(form.n, rows), div_up(form.k, columns)};
}

/// [N/b, 1, K/b, 1] is how one exporter writes a grid.
Shape without_inner_ones(const Shape& shape) {
  if (shape.rank == 4 && shape[1] == 1 && shape[3] == 1) return Shape{shape[0], shape[2]};
  return shape;
}

std::string differs(const Siblings& s, Suffix scale, const std::string& said,
                    const std::string& found) {
  return "tensor '" + s.at(scale).name + "' has " + found + ", " + s.context.config.file +
         " says " + said + "; the tensor decides";
}

Status set_blocks(const Siblings& s, Suffix scale, WeightForm& form, uint64_t rows,
                  uint64_t columns) {
  if (rows > 0xFFFFFFFF || columns > 0xFFFFFFFF)
    return s.error(scale, ErrorKind::kShapeMismatch, "its blocks have more than 2^32 rows");
  form.group_rows = static_cast<uint32_t>(rows);
  form.group_size = static_cast<uint32_t>(columns);
  return {};
}

/// [N, G]: groups of columns, the last one may be short.
Status fit_groups(const Siblings& s, Suffix scale, uint64_t groups, WeightForm& form) {
  const uint64_t said = s.expected.group_size.value_or(0);
  if (said != 0 && said != kWholeRow && div_up(form.k, said) == groups)
    return set_blocks(s, scale, form, 1, groups == 1 ? form.k : said);
  if (groups == 1 || form.k % groups == 0) {
    const uint64_t found = groups == 1 ? form.k : form.k / groups;
    if (said != 0 && !(said == kWholeRow && groups == 1))
      form.warning = differs(
          s, scale, said == kWholeRow ? "a scale a row" : "groups of " + std::to_string(said),
          groups == 1 ? "a scale a row" : "groups of " + std::to_string(found));
    return set_blocks(s, scale, form, 1, found);
  }
  return s.error(scale, ErrorKind::kShapeMismatch,
                 shape_text(s.at(scale)) + ": " + std::to_string(groups) +
                     " groups do not divide K = " + std::to_string(form.k) +
                     ", and the configuration gives no group size that does");
}

Status fit_grid(const Siblings& s, Suffix scale, const Shape& shape, WeightForm& form) {
  const uint64_t rows = s.expected.block_rows.value_or(kDefaultBlock);
  const uint64_t columns =
      s.expected.block_rows ? s.expected.group_size.value_or(rows) : kDefaultBlock;
  if (is_grid(shape, form, rows, columns)) return set_blocks(s, scale, form, rows, columns);
  const Shape grid{div_up(form.n, rows), div_up(form.k, columns)};
  return s.error(scale, ErrorKind::kShapeMismatch,
                 shape_text(s.at(scale)) + ", expected one number, " + Shape{form.n}.to_string() +
                     ", " + Shape{form.n, 1}.to_string() + " or " + grid.to_string() +
                     " (blocks of " + std::to_string(rows) + "x" + std::to_string(columns) + ")");
}

}  // namespace

Status fit_scales(const Siblings& s, Suffix scale, const Shape& scale_shape, WeightForm& form) {
  const Shape shape = without_inner_ones(scale_shape);
  const bool one = shape.num_elems() == 1;
  form.scale = scale;
  if (one && is_scale_float(s.at(scale).dtype) && !s.has(Suffix::kWeightZeroPoint)) {
    form.scale_is_multiplier = true;
    return {};
  }
  if (one && !is_e8m0(s.at(scale).dtype)) return set_blocks(s, scale, form, form.n, form.k);
  const bool blocks = s.expected.block_rows.value_or(1) > 1;
  if (shape == Shape{form.n}) return set_blocks(s, scale, form, 1, form.k);
  if (shape.rank == 2 && shape[0] == form.n && !(blocks && form.n > 1) && shape[1] != 0)
    return fit_groups(s, scale, shape[1], form);
  return fit_grid(s, scale, one ? Shape{1, 1} : shape, form);
}

std::string reach_of_scales(const WeightForm& form) {
  if (form.scale_is_multiplier) return "one scale";
  if (form.group_rows > 1)
    return "blocks of " + std::to_string(form.group_rows) + "x" + std::to_string(form.group_size);
  return form.group_size == form.k ? "a scale a row"
                                   : "groups of " + std::to_string(form.group_size);
}

}  // namespace imp::model

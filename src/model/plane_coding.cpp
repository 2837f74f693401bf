#include "src/model/plane_coding.h"

#include "src/base/checked.h"
#include "src/model/group_planes.h"

namespace imp::model {

quant::PlaneCoding coding_of(const Source& source, const Weight& weight, const PlaneSet& plane,
                             uint64_t rows) {
  const uint32_t bits = code_bits(weight.scheme);
  const uint32_t dtype_bits = imp::dtype_bits(first_tensor(source, plane).dtype);
  if (plane.kind == ComponentKind::kCodes)
    return {plane.encoding, bits == 0 ? dtype_bits : bits, rows,
            code_columns(weight.scheme, weight.k)};
  if (!is_group_plane(plane.kind)) return {plane.encoding, dtype_bits, rows, 1};
  return {plane.encoding, plane.kind == ComponentKind::kZeroPoint ? bits : dtype_bits,
          div_up(rows, weight.group_rows), groups_of(plane.kind, weight.group_size, weight.k)};
}

const SourceTensor& first_tensor(const Source& source, const PlaneSet& plane) {
  size_t i = 0;
  while (plane.tensors[i] == kNone) ++i;
  return source.tensors[plane.tensors[i]];
}

}  // namespace imp::model

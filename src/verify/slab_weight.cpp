#include "src/verify/slab_weight.h"

#include "src/verify/reference.h"

namespace imp::verify {

kernels::PackedWeight packed_weight(const FormView& view, const StoredSlab& slab) {
  kernels::PackedWeight weight;
  weight.layout = view.form.layout;
  weight.scheme = view.operand.scheme;
  if (const auto* codes = view.reader.find_component(view.form, artifact::ComponentKind::kCodes))
    weight.dtype = static_cast<Dtype>(codes->dtype);
  weight.codes = slab.codes;
  weight.block_scale = slab.scales;
  weight.zero_point = slab.zero_points;
  weight.group_min = slab.mins;
  weight.super_scale = slab.super_scales;
  weight.super_min = slab.super_mins;
  weight.lut = slab.lut;
  weight.bitmask = slab.bitmask;
  weight.row_offsets = slab.row_offsets;
  weight.group_index = slab.group_index;
  weight.scale_dtype = scale_dtype(view);
  weight.group_size = view.operand.group_size;
  weight.group_rows = view.operand.group_rows;
  weight.encoding = view.form.dialect;
  weight.n = slab.rows;
  weight.k = view.operand.k;
  weight.padded_n = slab.padded_rows;
  weight.padded_k = view.form.padded_k;
  return weight;
}

bool has_reader(const FormView& view) {
  return has_reference(view) &&
         kernels::cpu_gemm_supports(view.form.layout, view.operand.scheme, view.form.dialect);
}

}  // namespace imp::verify

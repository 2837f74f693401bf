// A device weight as readers see it: one expert of it.
#pragma once

#include "kernels/gemm/gemm.h"
#include "kernels/readers/weight_view.h"

namespace imp::kernels {

/// The first expert and how far the others lie behind it.
struct DeviceView {
  WeightView first;
  uint64_t codes_stride = 0;
  uint64_t block_scale_stride = 0;
  uint64_t zero_point_stride = 0;
  uint64_t group_min_stride = 0;
  uint64_t super_scale_stride = 0;
  uint64_t super_min_stride = 0;
  uint64_t lut_stride = 0;
  uint64_t bitmask_stride = 0;
  uint64_t row_offsets_stride = 0;
  uint64_t group_index_stride = 0;

  /// Components that are not there have stride 0 and stay null.
  IMP_HD WeightView expert(uint64_t e) const {
    WeightView view = first;
    view.codes += e * codes_stride;
    view.block_scale += e * block_scale_stride;
    view.zero_point += e * zero_point_stride;
    view.group_min += e * group_min_stride;
    view.super_scale += e * super_scale_stride;
    view.super_min += e * super_min_stride;
    view.lut += e * lut_stride;
    view.bitmask += e * bitmask_stride;
    view.row_offsets += e * row_offsets_stride;
    view.group_index += e * group_index_stride;
    return view;
  }
};

/// Points `at` to the plane; gives its stride.
inline uint64_t place_plane(const DevicePlane& plane, const uint8_t*& at) {
  at = static_cast<const uint8_t*>(plane.data);
  return plane.data != nullptr ? plane.expert_stride_bytes : 0;
}

inline DeviceView view_of(const DeviceWeight& weight) {
  DeviceView view;
  WeightView& first = view.first;
  first.layout = weight.layout;
  first.scheme = weight.scheme;
  first.dialect = weight.dialect;
  first.dtype = weight.codes_dtype;
  first.scale_dtype = weight.scale_dtype;
  first.n = weight.n;
  first.k = weight.k;
  first.padded_n = weight.padded_n;
  first.padded_k = weight.padded_k;
  first.group_size = weight.group_size;
  first.group_rows = weight.group_rows;
  first.codes = static_cast<const uint8_t*>(weight.blocks);
  view.codes_stride = weight.expert_stride_bytes;
  view.block_scale_stride = place_plane(weight.block_scale, first.block_scale);
  view.zero_point_stride = place_plane(weight.zero_point, first.zero_point);
  view.group_min_stride = place_plane(weight.group_min, first.group_min);
  view.super_scale_stride = place_plane(weight.super_scale, first.super_scale);
  view.super_min_stride = place_plane(weight.super_min, first.super_min);
  view.lut_stride = place_plane(weight.lut, first.lut);
  view.bitmask_stride = place_plane(weight.bitmask, first.bitmask);
  view.row_offsets_stride = place_plane(weight.row_offsets, first.row_offsets);
  view.group_index_stride = place_plane(weight.group_index, first.group_index);
  return view;
}

}  // namespace imp::kernels

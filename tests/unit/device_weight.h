// Packed weights of the host as an operand on the device.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <span>
#include <vector>

#include "kernels/cpu/gemm.h"
#include "kernels/gemm/gemm.h"

namespace imp::testing {

template <class T>
cuda::DeviceBuffer on_device(const std::vector<T>& host) {
  const Bytes bytes = std::as_bytes(std::span(host));
  auto buffer = cuda::DeviceBuffer::allocate(std::max<uint64_t>(bytes.size(), 1));
  EXPECT_TRUE(buffer.ok());
  EXPECT_TRUE(cuda::copy_to_device(buffer->data(), bytes, nullptr).ok());
  EXPECT_TRUE(cuda::synchronize().ok());
  return std::move(buffer).take();
}

struct Parts {
  std::vector<uint64_t> end;
  std::vector<float> multiplier;  ///< [experts, parts]
};

/// Experts of one shape, each plane behind that of the expert before.
class DeviceOperand {
 public:
  DeviceOperand(const std::vector<kernels::PackedWeight>& experts, const Parts& parts) {
    const kernels::PackedWeight& first = experts[0];
    weight.layout = first.layout;
    weight.scheme = first.scheme;
    weight.dialect = first.encoding;
    weight.group_size = static_cast<uint32_t>(first.group_size);
    weight.group_rows = static_cast<uint32_t>(first.group_rows);
    weight.codes_dtype = first.dtype;
    weight.scale_dtype = first.scale_dtype;
    weight.padded_n = first.padded_n;
    weight.padded_k = first.padded_k;
    weight.n = first.n;
    weight.k = first.k;
    weight.experts = static_cast<uint32_t>(experts.size());
    const kernels::DevicePlane codes = upload(experts, &kernels::PackedWeight::codes);
    weight.blocks = codes.data;
    weight.expert_stride_bytes = codes.expert_stride_bytes;
    weight.block_scale = upload(experts, &kernels::PackedWeight::block_scale);
    weight.zero_point = upload(experts, &kernels::PackedWeight::zero_point);
    weight.group_min = upload(experts, &kernels::PackedWeight::group_min);
    weight.super_scale = upload(experts, &kernels::PackedWeight::super_scale);
    weight.super_min = upload(experts, &kernels::PackedWeight::super_min);
    weight.lut = upload(experts, &kernels::PackedWeight::lut);
    weight.bitmask = upload(experts, &kernels::PackedWeight::bitmask);
    weight.row_offsets = upload(experts, &kernels::PackedWeight::row_offsets);
    weight.group_index = upload(experts, &kernels::PackedWeight::group_index);
    buffers_.push_back(on_device(parts.multiplier));
    weight.multiplier = buffers_.back().as<const float>();
    weight.parts = static_cast<uint32_t>(parts.end.size());
    std::copy(parts.end.begin(), parts.end.end(), weight.part_end.begin());
  }

  kernels::DeviceWeight weight;

 private:
  kernels::DevicePlane upload(const std::vector<kernels::PackedWeight>& experts,
                              Bytes kernels::PackedWeight::*plane) {
    const uint64_t stride = (experts[0].*plane).size();
    if (stride == 0) return {};
    std::vector<std::byte> all;
    for (const kernels::PackedWeight& expert : experts) {
      EXPECT_EQ((expert.*plane).size(), stride);
      all.insert(all.end(), (expert.*plane).begin(), (expert.*plane).end());
    }
    buffers_.push_back(on_device(all));
    return {buffers_.back().data(), stride};
  }

  std::vector<cuda::DeviceBuffer> buffers_;
};

}  // namespace imp::testing

// Codes in rows (plain, native): a warp takes 1024 columns of one row, eight codes a lane and step.
#include "kernels/cuda/check.cuh"
#include "kernels/dequant/store.cuh"

namespace imp::kernels::dequant {
namespace {

constexpr uint32_t kSteps = 4;
constexpr uint32_t kStepColumns = 32 * kChunk;
constexpr uint32_t kWarpColumns = kSteps * kStepColumns;

struct Native {
  static __device__ uint64_t row(uint64_t block_row, uint32_t warp) {
    return native_row(block_row, warp);
  }
  static __device__ uint64_t pitch_bytes(uint64_t k) { return native_pitch_bytes(k); }
  static __device__ uint64_t scale_offset(uint64_t n, uint64_t group, uint64_t groups) {
    return sf128x4_offset(n, group, groups);
  }
};
struct Plain {
  static __device__ uint64_t row(uint64_t block_row, uint32_t warp) {
    return plain_row(block_row, warp);
  }
  static __device__ uint64_t pitch_bytes(uint64_t k) { return k / 2; }
  static __device__ uint64_t scale_offset(uint64_t n, uint64_t group, uint64_t groups) {
    return n * groups + group;
  }
};

template <class Layout, class T>
__global__ void __launch_bounds__(32 * kWarps)
    dequantise_rows(const __grid_constant__ Arguments a) {
  const auto segments = static_cast<uint32_t>((a.k + kWarpColumns - 1) / kWarpColumns);
  const uint64_t n = Layout::row(blockIdx.x / segments, threadIdx.x / 32);
  if (n >= a.n) return;
  const uint64_t k0 = uint64_t{blockIdx.x % segments} * kWarpColumns + threadIdx.x % 32 * kChunk;
  const uint8_t* const codes = a.codes + n * Layout::pitch_bytes(a.k);
  const uint64_t groups = a.k / kGroup;

  uint32_t word[kSteps], scale[kSteps];
#pragma unroll
  for (uint32_t step = 0; step < kSteps; ++step) {
    const uint64_t k = k0 + step * kStepColumns;
    const bool is_inside = k < a.k;
    word[step] = is_inside ? __ldcs(reinterpret_cast<const uint32_t*>(codes + k / 2)) : 0;
    scale[step] = is_inside ? __ldg(a.scales + Layout::scale_offset(n, k / kGroup, groups)) : 0;
  }
  const float multiplier = multiplier_of_row(a, n);
  T* const out = static_cast<T*>(a.out) + n * a.out_stride;
#pragma unroll
  for (uint32_t step = 0; step < kSteps; ++step) {
    const uint64_t k = k0 + step * kStepColumns;
    if (k >= a.k) continue;
    float value[kChunk];
    decode_canonical(word[step], scale_of_ue4m3(scale[step]), value);
    store_chunk(out + k, value, multiplier);
  }
}

template <class Layout>
Status launch(const Arguments& arguments, uint64_t block_rows, Float out_type,
              cuda::StreamHandle stream) {
  const uint64_t grid = block_rows * ((arguments.k + kWarpColumns - 1) / kWarpColumns);
  if (grid > INT32_MAX)
    return Error{ErrorKind::kBadShape, "more rows than one launch can have", "", ""};
  with_type(out_type, [&]<class T>(T) {
    dequantise_rows<Layout, T><<<static_cast<uint32_t>(grid), 32 * kWarps, 0, stream>>>(arguments);
  });
  return cuda::check(cudaGetLastError(), "dequantisation of rows");
}

}  // namespace

Status launch_native(const Arguments& arguments, Float out_type, cuda::StreamHandle stream) {
  return launch<Native>(arguments, (arguments.n + 127) / 128 * 16, out_type, stream);
}

Status launch_plain(const Arguments& arguments, Float out_type, cuda::StreamHandle stream) {
  return launch<Plain>(arguments, (arguments.n + kWarps - 1) / kWarps, out_type, stream);
}

}  // namespace imp::kernels::dequant

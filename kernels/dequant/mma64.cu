// mma64 NVFP4: a warp takes a block of 64 x 64, neighbouring warps neighbouring blocks along K.
#include "kernels/cuda/check.cuh"
#include "kernels/dequant/store.cuh"

namespace imp::kernels::dequant {
namespace {

constexpr uint32_t kBlockExtent = 64;
constexpr uint32_t kBlockBytes = 2304;
constexpr uint32_t kScalesAt = 2048;
constexpr uint32_t kRowsOfLane = 8;

struct LaneWords {
  uint32_t word[2 * kRowsOfLane];
  uint2 scales;  ///< byte j belongs to row j of the lane
};

__device__ inline LaneWords load_lane(const uint8_t* block, uint32_t lane) {
  LaneWords words;
#pragma unroll
  for (uint32_t p = 0; p < 4; ++p) {
    const uint4 vector = load_16(block + 512 * p + 16 * lane);
    words.word[4 * p] = vector.x;
    words.word[4 * p + 1] = vector.y;
    words.word[4 * p + 2] = vector.z;
    words.word[4 * p + 3] = vector.w;
  }
  words.scales = __ldcs(reinterpret_cast<const uint2*>(block + kScalesAt + 8 * lane));
  return words;
}

__device__ inline float scale_of_row(uint2 scales, uint32_t j) {
  return scale_of_mma64((j < 4 ? scales.x >> (8 * j) : scales.y >> (8 * (j - 4))) & 0xFF);
}

template <class T>
__global__ void __launch_bounds__(32 * kWarps)
    dequantise_mma64(const __grid_constant__ Arguments a) {
  // 32 bits suffice (launch_mma64), and a division of 64 would cost more than the decoding.
  const auto k_blocks = static_cast<uint32_t>((a.k + kBlockExtent - 1) / kBlockExtent);
  const auto n_blocks = static_cast<uint32_t>((a.n + kBlockExtent - 1) / kBlockExtent);
  const uint32_t block = blockIdx.x * kWarps + threadIdx.x / 32;
  if (block >= n_blocks * k_blocks) return;  // a whole warp: the shuffles below are complete
  const uint64_t n0 = uint64_t{block / k_blocks} * kBlockExtent;
  const uint64_t k0 = uint64_t{block % k_blocks} * kBlockExtent;
  const Mma64Lane lane{threadIdx.x % 32};

  const LaneWords own = load_lane(a.codes + uint64_t{block} * kBlockBytes, lane.lane);
  const uint2 other = {__shfl_xor_sync(~0u, own.scales.x, 1),
                       __shfl_xor_sync(~0u, own.scales.y, 1)};
  const uint2 scales[2] = {lane.is_own_word(0) ? own.scales : other,
                           lane.is_own_word(1) ? own.scales : other};
  const float multiplier = multiplier_of_row(a, n0);
  T* const out = static_cast<T*>(a.out) + n0 * a.out_stride + k0;
#pragma unroll
  for (uint32_t j = 0; j < kRowsOfLane; ++j) {
    const uint32_t h0 = own.word[2 * j], h1 = own.word[2 * j + 1];
    const uint32_t kept = lane.kept(h0, h1);
    const uint32_t received = __shfl_xor_sync(~0u, lane.given(h0, h1), 1);
#pragma unroll
    for (uint32_t store = 0; store < 2; ++store) {
      const uint32_t row = lane.row(j), column = lane.column(store);
      if (n0 + row >= a.n || k0 + column >= a.k) continue;
      float value[kChunk];
      decode_mma64(lane.is_own_word(store) ? kept : received, scale_of_row(scales[store], j),
                   value);
      store_chunk(out + row * a.out_stride + column, value, multiplier);
    }
  }
}

}  // namespace

Status launch_mma64(const Arguments& arguments, Float out_type, cuda::StreamHandle stream) {
  const uint64_t blocks = (arguments.n + kBlockExtent - 1) / kBlockExtent *
                          ((arguments.k + kBlockExtent - 1) / kBlockExtent);
  const uint64_t grid = (blocks + kWarps - 1) / kWarps;
  if (blocks > INT32_MAX)
    return Error{ErrorKind::kBadShape, "more blocks than one launch can have", "", ""};
  with_type(out_type, [&]<class T>(T) {
    dequantise_mma64<T><<<static_cast<uint32_t>(grid), 32 * kWarps, 0, stream>>>(arguments);
  });
  return cuda::check(cudaGetLastError(), "dequantisation of mma64");
}

}  // namespace imp::kernels::dequant

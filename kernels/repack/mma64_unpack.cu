// mma64 blocks back to canonical NVFP4 planes, with a look at everything that no pack gives.
#include "kernels/repack/checks.h"
#include "kernels/repack/device.cuh"
#include "kernels/repack/mma64_strip.cuh"
#include "kernels/repack/repack.h"

namespace imp::kernels {
namespace mma64 {
namespace {

struct UnpackArgs {
  Matrix matrix;
  const uint8_t* blocks;
  uint2* codes;  ///< a group each
  uint8_t* scales;
  uint64_t* first_wrong;

  __device__ void report(uint64_t row, uint64_t group) const {
    report_wrong(first_wrong, row * (matrix.k_tiles * kTileGroups) + group);
  }
};

/// Lane's eight stored scales of the warp's tile, decoded, into `e4m3` in the order of the blocks.
/// True if this thread has seen a zero, or has nothing to see.
__device__ bool stage_scales(const UnpackArgs& args, const Strip& strip, uint8_t* e4m3) {
  const uint64_t tile = strip.tile0 + strip.warp;
  if (tile >= args.matrix.k_tiles) return true;
  const uint2 stored = __ldg(reinterpret_cast<const uint2*>(
      args.blocks + strip.block0 + strip.warp * kBlockBytes + kCodeBytes + 8 * strip.lane));
  uint32_t decoded[2] = {0, 0};
#pragma unroll
  for (uint32_t j = 0; j < 8; ++j) {
    const uint32_t byte = (j < 4 ? stored.x : stored.y) >> (8 * (j % 4)) & 0xFF;
    const uint32_t scale = decode_scale(byte);
    const uint64_t row = strip.row0 + 8 * j + strip.lane / 4;
    const uint64_t group = tile * kTileGroups + strip.lane % 4;
    if (args.matrix.inside(row, group) ? scale == 0xFF : byte != 0) args.report(row, group);
    decoded[j / 4] |= scale << (8 * (j % 4));
  }
  *reinterpret_cast<uint2*>(e4m3 + strip.warp * kScaleStride + 8 * strip.lane) = {decoded[0],
                                                                                  decoded[1]};
  return has_zero_byte(decoded[0]) || has_zero_byte(decoded[1]);
}

__device__ void store_scales(const UnpackArgs& args, const Strip& strip, const uint8_t* e4m3) {
  const uint32_t tile = strip.tile_of_scales();
  const uint64_t group = (strip.tile0 + tile) * kTileGroups;
#pragma unroll
  for (uint32_t round = 0; round < kScaleRounds; ++round) {
    const uint64_t row = strip.row0 + strip.row_of_scales(round);
    uint32_t word = 0;
#pragma unroll
    for (uint32_t c = 0; c < kTileGroups; ++c)
      word |= static_cast<uint32_t>(
                  e4m3[tile * kScaleStride + scale_byte(strip.row_of_scales(round), c)])
              << (8 * c);
    store_bytes(args.scales, row * args.matrix.groups + group,
                args.matrix.scales_inside(row, group), word);
  }
}

/// Store a group that may be padding or lie under a zero scale.
__device__ void check_and_store(const UnpackArgs& args, uint64_t row, uint64_t group, uint2 stored,
                                bool zero_scale, uint2* out) {
  const bool inside = args.matrix.inside(row, group);
  if ((zero_scale || !inside) && (stored.x != 0 || stored.y != 0)) args.report(row, group);
  if (inside) *out = {decode_codes(stored.x), decode_codes(stored.y)};
}

/// This thread's vectors. kPlain: no padding and no zero scale in the strip.
template <bool kPlain>
__device__ void store_vectors(const UnpackArgs& args, const Strip& strip,
                              const uint4 (&vectors)[kWarpTiles], const uint8_t* e4m3) {
  const uint64_t row = strip.row(), group = strip.group();
  uint2* upper = args.codes + row * args.matrix.groups + group;
  uint2* lower = upper + kPairDistance * args.matrix.groups;
  const uint8_t* scales_at = e4m3 + strip.staged_scale();
#pragma unroll
  for (uint32_t i = 0; i < kWarpTiles; ++i) {
    const uint32_t on = i * kTileGroups;
    const uint4 in = vectors[i];
    if (kPlain) {
      upper[on] = {decode_codes(in.x), decode_codes(in.y)};
      lower[on] = {decode_codes(in.z), decode_codes(in.w)};
    } else if (strip.tile0 + strip.first_tile() + i < args.matrix.k_tiles) {
      const uint32_t scales = *reinterpret_cast<const uint16_t*>(scales_at + i * kScaleStride);
      check_and_store(args, row, group + on, {in.x, in.y}, (scales & 0x00FF) == 0, upper + on);
      check_and_store(args, row + kPairDistance, group + on, {in.z, in.w}, (scales & 0xFF00) == 0,
                      lower + on);
    }
  }
}

__global__ void __launch_bounds__(kThreads) unpack_words(UnpackArgs args) {
  __shared__ __align__(8) uint8_t e4m3[kStripTiles * kScaleStride];
  const Strip strip = Strip::of(args.matrix);
  uint4 vectors[kWarpTiles];
#pragma unroll
  for (uint32_t i = 0; i < kWarpTiles; ++i) {
    vectors[i] = {0, 0, 0, 0};
    if (strip.tile0 + strip.first_tile() + i < args.matrix.k_tiles)
      vectors[i] =
          __ldg(reinterpret_cast<const uint4*>(args.blocks + strip.vector() + i * kBlockBytes));
  }
  const bool any_zero = __syncthreads_or(stage_scales(args, strip, e4m3));
  store_scales(args, strip, e4m3);
  if (!any_zero && strip.whole(args.matrix))
    store_vectors<true>(args, strip, vectors, e4m3);
  else
    store_vectors<false>(args, strip, vectors, e4m3);
}

Status unpack_by_map(const map::Mma64Blocks& in, void* codes, void* scales, uint64_t* first_wrong,
                     cuda::StreamHandle stream) {
  IMP_TRY(launch_write(map::Mma64Codes{in}, in.rows * (in.k / 2), codes, stream));
  IMP_TRY(launch_write(map::Mma64Scales{in}, in.rows * (in.k / kGroup), scales, stream));
  const uint64_t places = (in.rows + kTileN - 1) / kTileN * kTileN * (in.k_tiles() * kTileGroups);
  return launch_find_wrong(map::Mma64Wrong{in}, places, first_wrong, stream);
}

}  // namespace
}  // namespace mma64

Status unpack_mma64_nvfp4(const void* blocks, uint64_t rows, uint64_t k, RepackPath path,
                          void* codes, void* scales, uint64_t* first_wrong,
                          cuda::StreamHandle stream) {
  IMP_TRY(check_multiple_of_16("K", k));
  if (rows == 0) return {};
  IMP_TRY(check_aligned("blocks", blocks, 16));
  IMP_TRY(check_aligned("codes", codes, 16));
  IMP_TRY(check_aligned("scales", scales, 16));
  IMP_TRY(check_aligned("first wrong place", first_wrong, 8));
  const auto* in = static_cast<const uint8_t*>(blocks);
  if (path == RepackPath::kMap)
    return mma64::unpack_by_map({in, rows, k}, codes, scales, first_wrong, stream);
  const auto matrix = mma64::Matrix::of(rows, k);
  mma64::unpack_words<<<matrix.blocks_of_threads(), mma64::kThreads, 0, stream>>>(
      {matrix, in, static_cast<uint2*>(codes), static_cast<uint8_t*>(scales), first_wrong});
  return launched("unpack from mma64");
}

}  // namespace imp::kernels

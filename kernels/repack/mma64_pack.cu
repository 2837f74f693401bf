// Canonical NVFP4 planes to mma64 blocks. Codes go through registers, scales through shared memory,
// where the threads of the codes look for zeros.
#include "kernels/repack/checks.h"
#include "kernels/repack/device.cuh"
#include "kernels/repack/mma64_strip.cuh"
#include "kernels/repack/repack.h"

namespace imp::kernels {
namespace mma64 {
namespace {

struct PackArgs {
  Matrix matrix;
  const uint2* codes;  ///< a group each
  BytePlane scales;
  uint8_t* blocks;
  LostGroups lost;
};

/// Both groups of a vector, two words each.
struct VectorGroups {
  uint2 upper;  ///< of the row row_of_vector()
  uint2 lower;  ///< 8 rows on
};

// kWords, below: nothing of the strip is padding, and four scales of a row are one aligned word.

/// The groups of this thread's vectors.
template <bool kWords>
__device__ void load_groups(const PackArgs& args, const Strip& strip,
                            VectorGroups (&groups)[kWarpTiles]) {
  const uint64_t row = strip.row(), group = strip.group();
  const uint2* upper = args.codes + row * args.matrix.groups + group;
  const uint2* lower = upper + kPairDistance * args.matrix.groups;
#pragma unroll
  for (uint32_t i = 0; i < kWarpTiles; ++i) {
    const uint32_t on = i * kTileGroups;
    groups[i] = {{0, 0}, {0, 0}};
    if (kWords || args.matrix.inside(row, group + on)) groups[i].upper = __ldg(upper + on);
    if (kWords || args.matrix.inside(row + kPairDistance, group + on))
      groups[i].lower = __ldg(lower + on);
  }
}

/// Groups under a zero scale among the `count` whose scales are the bytes of `scales`: nothing of
/// them is stored; what that loses is listed. Seldom: the codes are read again.
__device__ void list_if_lost(const PackArgs& args, uint64_t row, uint64_t group, uint32_t count,
                             uint32_t scales) {
#pragma unroll 1
  for (uint32_t c = 0; c < count; ++c) {
    const uint32_t scale = scales >> (8 * c) & 0xFF;
    if ((scale & 0x7F) != 0) continue;
    const uint64_t index = row * args.matrix.groups + group + c;
    const uint2 codes = __ldg(args.codes + index);
    if (scale == 0 && codes.x == 0 && codes.y == 0) continue;
    append_lost(args.lost,
                {2 * index + (scale >> 7), codes.x | static_cast<uint64_t>(codes.y) << 32});
  }
}

/// Stored scales of the strip into `stored`, in the order of the blocks. True if this thread has
/// seen a zero.
template <bool kWords>
__device__ bool stage_scales(const PackArgs& args, const Strip& strip, uint8_t* stored) {
  const uint32_t tile = strip.tile_of_scales();
  const uint64_t group = (strip.tile0 + tile) * kTileGroups;
  uint32_t words[kScaleRounds];
#pragma unroll
  for (uint32_t round = 0; round < kScaleRounds; ++round) {
    const uint64_t row = strip.row0 + strip.row_of_scales(round);
    const uint64_t at = row * args.matrix.groups + group;
    words[round] = kWords ? aligned_word(args.scales.at + at)
                          : load_bytes(args.scales, at, args.matrix.scales_inside(row, group));
  }
  bool any_zero = false;
#pragma unroll
  for (uint32_t round = 0; round < kScaleRounds; ++round) {
    const uint32_t in_tile = strip.row_of_scales(round);
    const uint32_t encoded = encode_scales(words[round]);
#pragma unroll
    for (uint32_t c = 0; c < kTileGroups; ++c)
      stored[tile * kScaleStride + scale_byte(in_tile, c)] =
          static_cast<uint8_t>(encoded >> (8 * c));
    if (!has_zero_byte(encoded)) continue;
    any_zero = true;
    const uint64_t row = strip.row0 + in_tile;
    list_if_lost(args, row, group, args.matrix.scales_inside(row, group), words[round]);
  }
  return any_zero;
}

/// `vector` without the groups whose stored scale, the lower and the upper byte of `scales`, is
/// zero.
__device__ uint4 without_zero_groups(uint4 vector, uint32_t scales) {
  if ((scales & 0x00FF) == 0) vector.x = vector.y = 0;
  if ((scales & 0xFF00) == 0) vector.z = vector.w = 0;
  return vector;
}

__device__ void store_scales(const PackArgs& args, const Strip& strip, const uint8_t* stored) {
  if (strip.tile0 + strip.warp >= args.matrix.k_tiles) return;
  *reinterpret_cast<uint2*>(args.blocks + strip.block0 + strip.warp * kBlockBytes + kCodeBytes +
                            8 * strip.lane) =
      *reinterpret_cast<const uint2*>(stored + strip.warp * kScaleStride + 8 * strip.lane);
}

template <bool kWords>
__device__ void pack_strip(const PackArgs& args, const Strip& strip, uint8_t* stored) {
  // All loads first: their latency is what the kernel waits for.
  VectorGroups groups[kWarpTiles];
  load_groups<kWords>(args, strip, groups);
  const bool any_zero = __syncthreads_or(stage_scales<kWords>(args, strip, stored));
  store_scales(args, strip, stored);
  uint8_t* out = args.blocks + strip.vector();
  const uint8_t* scales = stored + strip.staged_scale();
#pragma unroll
  for (uint32_t i = 0; i < kWarpTiles; ++i) {
    if (!kWords && strip.tile0 + strip.first_tile() + i >= args.matrix.k_tiles) break;
    uint4 vector = {encode_codes(groups[i].upper.x), encode_codes(groups[i].upper.y),
                    encode_codes(groups[i].lower.x), encode_codes(groups[i].lower.y)};
    if (any_zero)
      vector = without_zero_groups(vector,
                                   *reinterpret_cast<const uint16_t*>(scales + i * kScaleStride));
    *reinterpret_cast<uint4*>(out + i * kBlockBytes) = vector;
  }
}

__global__ void __launch_bounds__(kThreads) pack_words(PackArgs args) {
  __shared__ __align__(8) uint8_t stored[kStripTiles * kScaleStride];
  const Strip strip = Strip::of(args.matrix);
  if (args.matrix.has_aligned_scales() && strip.whole(args.matrix))
    pack_strip<true>(args, strip, stored);
  else
    pack_strip<false>(args, strip, stored);
}

/// One thread a group.
__global__ void list_lost(map::Mma64Lost is_lost, uint64_t groups, LostGroups list) {
  const uint64_t i = global_thread();
  LostGroup lost;
  if (i < groups && is_lost(i, lost)) append_lost(list, lost);
}

Status pack_by_map(const Nvfp4Planes& in, void* blocks, const LostGroups& lost,
                   cuda::StreamHandle stream) {
  const map::Nvfp4 planes{static_cast<const uint8_t*>(in.codes),
                          static_cast<const uint8_t*>(in.scales), in.rows, in.k};
  IMP_TRY(launch_write(map::Mma64Packed{planes}, mma64_nvfp4_packed_bytes(in.rows, in.k), blocks,
                       stream));
  const uint64_t groups = in.rows * planes.groups();
  list_lost<<<map_blocks(groups), kMapThreads, 0, stream>>>(map::Mma64Lost{planes}, groups, lost);
  return launched("lost groups through the index map");
}

}  // namespace
}  // namespace mma64

Status pack_mma64_nvfp4(const Nvfp4Planes& in, RepackPath path, void* blocks,
                        const LostGroups& lost, cuda::StreamHandle stream) {
  IMP_TRY(check_multiple_of_16("K", in.k));
  if (in.rows == 0) return {};
  IMP_TRY(check_aligned("codes", in.codes, 16));
  IMP_TRY(check_aligned("scales", in.scales, 16));
  IMP_TRY(check_aligned("blocks", blocks, 16));
  IMP_TRY(check_aligned("count of lost groups", lost.count, 8));
  if (lost.capacity != 0) IMP_TRY(check_aligned("list of lost groups", lost.groups, 16));
  if (path == RepackPath::kMap) return mma64::pack_by_map(in, blocks, lost, stream);
  const auto matrix = mma64::Matrix::of(in.rows, in.k);
  const auto* scales = static_cast<const uint8_t*>(in.scales);
  mma64::pack_words<<<matrix.blocks_of_threads(), mma64::kThreads, 0, stream>>>(
      {matrix,
       static_cast<const uint2*>(in.codes),
       {scales, in.rows * matrix.groups},
       static_cast<uint8_t*>(blocks),
       lost});
  return launched("pack to mma64");
}

}  // namespace imp::kernels

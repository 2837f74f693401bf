// mma64 blocks whose codes stand alone in their words: 4-bit integers, and MXFP4 with its scales
// behind the codes. Codes go through registers in the strips of NVFP4; scales have thread blocks of
// their own in the same launch.
#include "kernels/layouts/mma64_int4.h"
#include "kernels/layouts/mma64_mxfp4.h"
#include "kernels/repack/checks.h"
#include "kernels/repack/codes_strip.cuh"
#include "kernels/repack/device.cuh"
#include "kernels/repack/mma64_strip.cuh"
#include "kernels/repack/mxfp4_map.h"
#include "kernels/repack/repack_variants.h"

namespace imp::kernels {
namespace mma64 {
namespace {

namespace mxfp4 = layouts::mma64_mxfp4;

struct Int4 {
  static constexpr uint32_t kBytes = layouts::mma64_int4::kBlockBytes;
  __device__ static uint2 encode(uint2 codes) { return moved<true>(codes); }
  __device__ static uint2 decode(uint2 stored) { return moved<false>(stored); }
  /// Place of the first code of a sixteen that is not zero.
  __device__ static uint64_t place(const Matrix& matrix, uint64_t row, uint64_t group,
                                   uint2 codes) {
    const uint32_t code = codes.x != 0 ? (__ffs(static_cast<int>(codes.x)) - 1) / 4
                                       : 8 + (__ffs(static_cast<int>(codes.y)) - 1) / 4;
    return row * (matrix.k_tiles * kTileK) + group * kGroup + code;
  }

 private:
  template <bool kEncode>
  __device__ static uint2 moved(uint2 in) {
    const uint64_t both = in.x | static_cast<uint64_t>(in.y) << 32;
    const uint64_t out =
        kEncode ? layouts::mma64_int4::encode_words(both) : layouts::mma64_int4::decode_words(both);
    return {static_cast<uint32_t>(out), static_cast<uint32_t>(out >> 32)};
  }
};

struct Mxfp4 {
  static constexpr uint32_t kBytes = mxfp4::kBlockBytes;
  __device__ static uint2 encode(uint2 codes) {
    return {encode_codes(codes.x), encode_codes(codes.y)};
  }
  __device__ static uint2 decode(uint2 stored) {
    return {decode_codes(stored.x), decode_codes(stored.y)};
  }
  __device__ static uint64_t place(const Matrix& matrix, uint64_t row, uint64_t group, uint2) {
    return row * (matrix.k_tiles * mxfp4::kTileGroups) + group / 2;
  }
};

template <class Codes>
__device__ void pack_strip(const Matrix& matrix, const uint2* codes, uint8_t* blocks) {
  const Strip strip = Strip::of(matrix);
  const CodesAt<Codes::kBytes> at(matrix, strip);
  const bool whole = strip.whole(matrix);
  uint2 upper[kWarpTiles], lower[kWarpTiles];
#pragma unroll
  for (uint32_t i = 0; i < kWarpTiles; ++i) {
    upper[i] = lower[i] = {0, 0};
    if (whole || at.upper_inside(i)) upper[i] = __ldg(codes + at.upper(i));
    if (whole || at.lower_inside(i)) lower[i] = __ldg(codes + at.lower(i));
  }
#pragma unroll
  for (uint32_t i = 0; i < kWarpTiles; ++i) {
    if (!at.has_tile(i)) break;
    const uint2 a = Codes::encode(upper[i]), b = Codes::encode(lower[i]);
    *reinterpret_cast<uint4*>(blocks + at.vector(i)) = {a.x, a.y, b.x, b.y};
  }
}

template <class Codes>
__device__ void unpack_strip(const Matrix& matrix, const uint8_t* blocks, uint2* codes,
                             uint64_t* first_wrong) {
  const Strip strip = Strip::of(matrix);
  const CodesAt<Codes::kBytes> at(matrix, strip);
  uint4 vectors[kWarpTiles];
#pragma unroll
  for (uint32_t i = 0; i < kWarpTiles; ++i) {
    vectors[i] = {0, 0, 0, 0};
    if (at.has_tile(i)) vectors[i] = __ldg(reinterpret_cast<const uint4*>(blocks + at.vector(i)));
  }
#pragma unroll
  for (uint32_t i = 0; i < kWarpTiles; ++i) {
    const uint2 a = Codes::decode({vectors[i].x, vectors[i].y});
    const uint2 b = Codes::decode({vectors[i].z, vectors[i].w});
    if (at.upper_inside(i))
      codes[at.upper(i)] = a;
    else if (a.x != 0 || a.y != 0)
      report_wrong(first_wrong, Codes::place(matrix, at.row, at.group(i), a));
    if (at.lower_inside(i))
      codes[at.lower(i)] = b;
    else if (b.x != 0 || b.y != 0)
      report_wrong(first_wrong, Codes::place(matrix, at.row + kPairDistance, at.group(i), b));
  }
}

/// Scales of MXFP4: eight bytes of a block, j = 0..7 of one n%8 and group.
struct ScaleRun {
  uint64_t row;  ///< of j = 0; the others follow at 8
  uint64_t group;
  uint64_t byte;  ///< in the blocks

  __device__ static ScaleRun of(const Matrix& matrix, uint64_t i) {
    constexpr uint32_t kRuns = mxfp4::kScaleBytes / 8;
    const uint64_t block = i / kRuns;
    const uint32_t run = static_cast<uint32_t>(i % kRuns);
    return {block / matrix.k_tiles * kTileN + run / mxfp4::kTileGroups,
            block % matrix.k_tiles * mxfp4::kTileGroups + run % mxfp4::kTileGroups,
            block * mxfp4::kBlockBytes + mxfp4::kCodeBytes + 8 * run};
  }
};
static_assert(mxfp4::scale_byte_of_src(0, 1) - mxfp4::kCodeBytes == 8 &&
              mxfp4::scale_byte_of_src(1, 0) - mxfp4::kCodeBytes == 16 &&
              mxfp4::scale_byte_of_src(8, 0) - mxfp4::kCodeBytes == 1);

uint64_t scale_runs(const Matrix& matrix) {
  return (matrix.rows + kTileN - 1) / kTileN * matrix.k_tiles * (mxfp4::kScaleBytes / 8);
}
/// Thread blocks of the codes come first, then those of the scales.
uint32_t blocks_with_scales(const Matrix& matrix) {
  return matrix.blocks_of_threads() +
         static_cast<uint32_t>((scale_runs(matrix) + kThreads - 1) / kThreads);
}
__device__ uint64_t scale_run_of_thread(uint32_t code_blocks) {
  return static_cast<uint64_t>(blockIdx.x - code_blocks) * kThreads + threadIdx.x;
}

struct Mxfp4Args {
  Matrix matrix;
  uint32_t code_blocks;
  uint64_t scale_runs;
};
Mxfp4Args mxfp4_args(uint64_t rows, uint64_t k) {
  const Matrix matrix = Matrix::of(rows, k);
  return {matrix, matrix.blocks_of_threads(), scale_runs(matrix)};
}

__global__ void __launch_bounds__(kThreads)
    pack_int4(Matrix matrix, const uint2* codes, uint8_t* blocks) {
  pack_strip<Int4>(matrix, codes, blocks);
}
__global__ void __launch_bounds__(kThreads)
    unpack_int4(Matrix matrix, const uint8_t* blocks, uint2* codes, uint64_t* first_wrong) {
  unpack_strip<Int4>(matrix, blocks, codes, first_wrong);
}

__global__ void __launch_bounds__(kThreads)
    pack_mxfp4(Mxfp4Args args, const uint2* codes, const uint8_t* scales, uint8_t* blocks) {
  if (blockIdx.x < args.code_blocks) return pack_strip<Mxfp4>(args.matrix, codes, blocks);
  const uint64_t i = scale_run_of_thread(args.code_blocks);
  if (i >= args.scale_runs) return;
  const ScaleRun run = ScaleRun::of(args.matrix, i);
  const uint64_t groups = args.matrix.groups / 2;
  uint32_t words[2] = {0, 0};
#pragma unroll
  for (uint32_t j = 0; j < 8; ++j) {
    const uint64_t row = run.row + 8 * j;
    if (row < args.matrix.rows && run.group < groups)
      words[j / 4] |= static_cast<uint32_t>(__ldg(scales + row * groups + run.group))
                      << (8 * (j % 4));
  }
  *reinterpret_cast<uint2*>(blocks + run.byte) = {words[0], words[1]};
}

__global__ void __launch_bounds__(kThreads)
    unpack_mxfp4(Mxfp4Args args, const uint8_t* blocks, uint2* codes, uint8_t* scales,
                 uint64_t* first_wrong) {
  if (blockIdx.x < args.code_blocks)
    return unpack_strip<Mxfp4>(args.matrix, blocks, codes, first_wrong);
  const uint64_t i = scale_run_of_thread(args.code_blocks);
  if (i >= args.scale_runs) return;
  const ScaleRun run = ScaleRun::of(args.matrix, i);
  const uint64_t groups = args.matrix.groups / 2;
  const uint2 words = __ldg(reinterpret_cast<const uint2*>(blocks + run.byte));
#pragma unroll
  for (uint32_t j = 0; j < 8; ++j) {
    const uint64_t row = run.row + 8 * j;
    const uint8_t scale = static_cast<uint8_t>((j < 4 ? words.x : words.y) >> (8 * (j % 4)));
    if (row < args.matrix.rows && run.group < groups)
      scales[row * groups + run.group] = scale;
    else if (scale != 0)
      report_wrong(first_wrong, row * (args.matrix.k_tiles * mxfp4::kTileGroups) + run.group);
  }
}

}  // namespace

Status launch_pack_int4(const void* codes, uint64_t rows, uint64_t k, void* blocks,
                        cuda::StreamHandle stream) {
  const Matrix matrix = Matrix::of(rows, k);
  pack_int4<<<matrix.blocks_of_threads(), kThreads, 0, stream>>>(
      matrix, static_cast<const uint2*>(codes), static_cast<uint8_t*>(blocks));
  return launched("pack 4-bit integers to mma64");
}

Status launch_unpack_int4(const void* blocks, uint64_t rows, uint64_t k, void* codes,
                          uint64_t* first_wrong, cuda::StreamHandle stream) {
  const Matrix matrix = Matrix::of(rows, k);
  unpack_int4<<<matrix.blocks_of_threads(), kThreads, 0, stream>>>(
      matrix, static_cast<const uint8_t*>(blocks), static_cast<uint2*>(codes), first_wrong);
  return launched("unpack 4-bit integers from mma64");
}

}  // namespace mma64

namespace {

Status check_k_of_mxfp4(uint64_t k) {
  if (k != 0 && k % layouts::mma64_mxfp4::kGroup == 0) return {};
  return bad_repack("K is " + std::to_string(k) + ", expected a multiple of 32");
}

}  // namespace

Status pack_mma64_mxfp4(const Mxfp4Planes& in, RepackPath path, void* blocks,
                        cuda::StreamHandle stream) {
  IMP_TRY(check_k_of_mxfp4(in.k));
  if (in.rows == 0) return {};
  IMP_TRY(check_aligned("codes", in.codes, 16));
  IMP_TRY(check_aligned("scales", in.scales, 16));
  IMP_TRY(check_aligned("blocks", blocks, 16));
  const auto* scales = static_cast<const uint8_t*>(in.scales);
  if (path == RepackPath::kMap) {
    const map::Mxfp4 planes{static_cast<const uint8_t*>(in.codes), scales, in.rows, in.k};
    const uint64_t tiles = (in.rows + mma64::kTileN - 1) / mma64::kTileN * planes.k_tiles();
    return launch_write(map::Mxfp4Packed{planes}, tiles * layouts::mma64_mxfp4::kBlockBytes, blocks,
                        stream);
  }
  const auto args = mma64::mxfp4_args(in.rows, in.k);
  mma64::pack_mxfp4<<<mma64::blocks_with_scales(args.matrix), mma64::kThreads, 0, stream>>>(
      args, static_cast<const uint2*>(in.codes), scales, static_cast<uint8_t*>(blocks));
  return launched("pack MXFP4 to mma64");
}

Status unpack_mma64_mxfp4(const void* blocks, uint64_t rows, uint64_t k, RepackPath path,
                          void* codes, void* scales, uint64_t* first_wrong,
                          cuda::StreamHandle stream) {
  IMP_TRY(check_k_of_mxfp4(k));
  if (rows == 0) return {};
  IMP_TRY(check_aligned("blocks", blocks, 16));
  IMP_TRY(check_aligned("codes", codes, 16));
  IMP_TRY(check_aligned("scales", scales, 16));
  IMP_TRY(check_aligned("first wrong place", first_wrong, 8));
  const auto* in = static_cast<const uint8_t*>(blocks);
  if (path == RepackPath::kMap) {
    const map::Mxfp4Blocks packed{in, rows, k};
    IMP_TRY(launch_write(map::Mxfp4Codes{packed}, rows * (k / 2), codes, stream));
    IMP_TRY(launch_write(map::Mxfp4Scales{packed}, rows * (k / layouts::mma64_mxfp4::kGroup),
                         scales, stream));
    const map::Mxfp4Wrong wrong{packed};
    return launch_find_wrong(wrong, wrong.places(), first_wrong, stream);
  }
  const auto args = mma64::mxfp4_args(rows, k);
  mma64::unpack_mxfp4<<<mma64::blocks_with_scales(args.matrix), mma64::kThreads, 0, stream>>>(
      args, in, static_cast<uint2*>(codes), static_cast<uint8_t*>(scales), first_wrong);
  return launched("unpack MXFP4 from mma64");
}

}  // namespace imp::kernels

// mma64 by mma.sync for more rows of X than the decode kernel takes: tiles of 128 or
// 256 rows of W and 32 to 128 tokens.
//
// X goes through a ring of cp.async stages in shared memory and is shared by the warps along N;
// W goes from global memory straight to registers, one block ahead, because each warp has rows of
// its own. W stands on the m16 side of the MMA: its registers are made one by one and may lie where
// the instruction wants them, while those of X come four at a time.
#pragma once

#include <cuda_pipeline_primitives.h>

#include <type_traits>

#include "kernels/gemm/epilogue.cuh"
#include "kernels/gemm/launch.cuh"
#include "kernels/gemm/mma64_int4.cuh"
#include "kernels/gemm/mma64_mxfp4.cuh"
#include "kernels/gemm/mma64_nvfp4.cuh"
#include "kernels/gemm/mma_sync.cuh"
#include "kernels/gemm/partials.cuh"
#include "kernels/gemm/schedule.cuh"

namespace imp::kernels::tiled {

constexpr uint32_t kChunks = 8;  ///< 16-byte pieces of a row of X in one stage
constexpr uint32_t kRaster = 8;

/// One tile shape. A warp has 32 rows of W and at most 64 tokens: more accumulators would spill.
template <int kTileBlockCount, int kTokenCount, int kTokenWarpCount, int kStageCount,
          int kBlocksPerSm>
struct Shape {
  static constexpr int kTileBlocks = kTileBlockCount;  ///< blocks of 64 rows of W side by side
  static constexpr int kTokens = kTokenCount;
  static constexpr int kTokenWarps = kTokenWarpCount;
  static constexpr int kVectors = 2;       ///< 16-byte vectors of codes of a lane: 32 rows of W
  static constexpr int kWarpsOfBlock = 2;  ///< warps that share a block of W
  static constexpr int kRowWarps = kTileBlocks * kWarpsOfBlock;
  static constexpr int kStages = kStageCount;
  static constexpr int kThreads = 32 * kRowWarps * kTokenWarps;
  static constexpr int kTokenTiles = kTokens / kTokenWarps / 8;  ///< n8 tiles of a warp
  static constexpr int kBlocks = kBlocksPerSm;
  static constexpr uint32_t kStageBytes = kTokens * kChunks * 16;
  static constexpr uint32_t kSharedBytes = kStages * kStageBytes;
  static_assert(kThreads % kChunks == 0 && kTokens % (kThreads / kChunks) == 0);
  static constexpr int kAccumulators = kVectors * kTokenTiles * 4;
};
using Small = Shape<4, 32, 1, 6, 2>;
using SmallOfGroups = Shape<4, 32, 1, 6, 1>;  ///< int4: the sums of a group take registers too
using Middle = Shape<4, 64, 1, 4, 1>;
using Large = Shape<2, 128, 2, 4, 1>;

/// Codes and scales of one block, or of half of it, for one lane.
template <class F, int kVectors, bool kBeside = F::kScalesBeside>
struct Weights {
  uint4 codes[kVectors];
  uint32_t scales[kVectors / 2];
  __device__ __forceinline__ void load(const uint8_t* block, uint32_t first_vector, uint32_t lane) {
#pragma unroll
    for (int i = 0; i < kVectors; ++i)
      codes[i] = load_streaming16(block + 512 * (first_vector + i) + 16 * lane);
#pragma unroll
    for (int i = 0; i < kVectors / 2; ++i)
      scales[i] = load_streaming4(block + F::scales_at(lane) + 2 * first_vector + 4 * i);
  }
};
template <class F, int kVectors>
struct Weights<F, kVectors, true> {
  uint4 codes[kVectors];
  GroupNumbers<F::kGroups, 2 * kVectors, false> numbers;
  __device__ __forceinline__ void load(const uint8_t* block, uint32_t first_vector, uint32_t lane) {
#pragma unroll
    for (int i = 0; i < kVectors; ++i)
      codes[i] = load_streaming16(block + 512 * (first_vector + i) + 16 * lane);
  }
};

template <class F, class T, class S>
class Tile {
 public:
  using Accumulators = float[S::kVectors][S::kTokenTiles][4];
  using Packed = Weights<F, S::kVectors>;

  __device__ __forceinline__ Tile(const GemmArgs& a, uint8_t* shared)
      : a_(a),
        shared_(shared),
        lane_(threadIdx.x % 32),
        g_(lane_ / 4),
        c_(lane_ % 4),
        block_of_warp_(threadIdx.x / 32 % S::kRowWarps / S::kWarpsOfBlock),
        first_vector_(threadIdx.x / 32 % S::kWarpsOfBlock * S::kVectors),
        first_token_(threadIdx.x / 32 / S::kRowWarps * (S::kTokens / S::kTokenWarps)) {}

  /// Sums steps [step0, step1) of an item. Starts and ends with an empty ring.
  __device__ __forceinline__ void sum(const Item& item, uint32_t step0, uint32_t step1,
                                      Accumulators& acc) const {
    const uint32_t block_row = item.n_tile * S::kTileBlocks + block_of_warp_;
    // A warp past the last rows of W reads the last ones again and stores nothing.
    const uint32_t n_tile = min(block_row, a_.n_tiles - 1);
    const uint8_t* w = a_.blocks + item.expert * a_.expert_stride_bytes +
                       static_cast<uint64_t>(n_tile) * a_.k_tiles * F::kBlockBytes;
    GroupPlace groups;
    if constexpr (F::kScalesBeside) groups.template set<F::kHalves>(a_, item.expert, n_tile, step0);
    auto load = [&](uint32_t at, Packed& weights) {
      weights.load(w + at * F::kBlockBytes, first_vector_, lane_);
      if constexpr (F::kScalesBeside) {
        weights.numbers.load(a_, groups, 8 * g_ + 2 * first_vector_,
                             at * kBlockColumns + 32 < a_.k);
        groups.template advance<F::kHalves>(a_);
      }
    };
    Packed even, odd;
    load(step0, even);
    const Source source = source_of(item);
    for (int s = 0; s < S::kStages - 1; ++s) stage(source, step0 + s, step1, s);
    uint32_t slot = 0;
    auto step = [&](uint32_t at, Packed& now, Packed& next) {
      if (at + 1 < step1) load(at + 1, next);
      __pipeline_wait_prior(S::kStages - 2);
      __syncthreads();  // the stage is there for all, and all have left the one that is refilled
      stage(source, at + S::kStages - 1, step1, slot == 0 ? S::kStages - 1 : slot - 1);
      multiply(now, slot, acc);
      slot = slot + 1 == S::kStages ? 0 : slot + 1;
    };
    for (uint32_t at = step0; at < step1; at += 2) {
      step(at, even, odd);
      if (at + 1 < step1) step(at + 1, odd, even);
    }
    __pipeline_wait_prior(0);
    __syncthreads();
  }

  __device__ __forceinline__ void store(const Item& item, const Accumulators& acc) const {
    const uint32_t first_n =
        (item.n_tile * S::kTileBlocks + block_of_warp_) * kBlockRows + 16 * first_vector_ + g_;
#pragma unroll
    for (int i = 0; i < S::kVectors; ++i)
#pragma unroll
      for (int r = 0; r < 2; ++r) {
        const uint32_t n = first_n + 16 * i + 8 * r;
        const RowEpilogue finish = row_epilogue(a_, item.expert, n, F::template kUnit<T>);
        if (n >= a_.n) continue;
#pragma unroll
        for (int j = 0; j < S::kTokenTiles; ++j)
#pragma unroll
          for (int v = 0; v < 2; ++v) {
            const uint32_t row = item.row0 + first_token_ + 8 * j + 2 * c_ + v;
            if (row < item.row_end)
              store_value<T>(a_, row, n, finish(acc[i][j][2 * r + v], a_.bias != nullptr));
          }
      }
  }

 private:
  /// Chunk `chunk` of row `row` of X lies so that the four lanes c of two rows read eight banks of
  /// 16 bytes: the lanes of a row read every second chunk, or four in a row where halves are apart.
  static __device__ __forceinline__ uint32_t chunk_offset(uint32_t row, uint32_t chunk) {
    return row * kChunks * 16 + (chunk ^ (row & 1) * (F::kHalves ? 4 : 1)) * 16;
  }

  /// The pieces of X that a thread copies: one chunk of every kRowStep-th row of the tile.
  /// Addresses are made once an item, because 64-bit products would outnumber the copies.
  static constexpr uint32_t kRowStep = S::kThreads / kChunks;
  static constexpr uint32_t kPieces = S::kTokens / kRowStep;
  struct Source {
    const T* first;
    uint32_t column;  ///< inside a step
    uint32_t rows;    ///< of the pieces, how many lie inside the item
  };
  __device__ __forceinline__ Source source_of(const Item& item) const {
    const uint32_t row = item.row0 + threadIdx.x / kChunks, column = threadIdx.x % kChunks * 8;
    const uint32_t rows = row < item.row_end ? (item.row_end - row + kRowStep - 1) / kRowStep : 0;
    return {static_cast<const T*>(a_.x) + row * a_.x_stride + column, column, rows};
  }

  /// Begins the copy of X for step `at` into a slot of the ring; an empty copy past the end. Pieces
  /// outside of X become zeros.
  __device__ __forceinline__ void stage(const Source& source, uint32_t at, uint32_t end,
                                        uint32_t slot) const {
    if (at < end) {
      const bool inside = at * kBlockColumns + source.column < a_.k;
      const T* from = source.first + at * kBlockColumns;
      uint8_t* to = shared_ + slot * S::kStageBytes +
                    chunk_offset(threadIdx.x / kChunks, threadIdx.x % kChunks);
#pragma unroll
      for (uint32_t i = 0; i < kPieces; ++i) {
        const bool copied = inside && i < source.rows;
        __pipeline_memcpy_async(to + i * kRowStep * kChunks * 16,
                                copied ? from : static_cast<const T*>(a_.x), 16, copied ? 0 : 16);
        from += kRowStep * a_.x_stride;
      }
    }
    __pipeline_commit();
  }

  __device__ __forceinline__ void multiply(const Packed& w, uint32_t slot,
                                           Accumulators& acc) const {
    if constexpr (F::kScalesBeside)
      multiply_groups(w, slot, acc);
    else
      F::template with_way<T>(w.scales[0],
                              [&](auto way) { multiply_as<decltype(way)>(w, slot, acc); });
  }

  /// Eight columns of token g of each tile: two MMA steps.
  using Tokens = uint4[S::kTokenTiles];
  __device__ __forceinline__ void load_tokens(uint32_t slot, int h, Tokens& tokens) const {
    const uint8_t* x = shared_ + slot * S::kStageBytes;
#pragma unroll
    for (int j = 0; j < S::kTokenTiles; ++j)
      tokens[j] = *reinterpret_cast<const uint4*>(
          x + chunk_offset(first_token_ + 8 * j + g_, columns_at<F::kHalves>(c_, h) / 8));
  }

  /// Steps outside, so that no MMA waits for the one just before it.
  static __device__ __forceinline__ void multiply_tokens(const uint32_t (&low)[4],
                                                         const uint32_t (&high)[4],
                                                         const Tokens& tokens,
                                                         float (&acc)[S::kTokenTiles][4]) {
#pragma unroll
    for (int j = 0; j < S::kTokenTiles; ++j)
      mma_m16n8k16<T>(acc[j], low[0], high[0], low[1], high[1], tokens[j].x, tokens[j].y);
#pragma unroll
    for (int j = 0; j < S::kTokenTiles; ++j)
      mma_m16n8k16<T>(acc[j], low[2], high[2], low[3], high[3], tokens[j].z, tokens[j].w);
  }

  template <class Way>
  __device__ __forceinline__ void multiply_as(const Packed& w, uint32_t slot,
                                              Accumulators& acc) const {
    static_assert(S::kVectors == 2, "the way is chosen by one word of scales");
#pragma unroll
    for (int h = 0; h < 2; ++h) {
      Tokens tokens;
      load_tokens(slot, h, tokens);
#pragma unroll
      for (int i = 0; i < S::kVectors; ++i) {
        const uint32_t scales = w.scales[i / 2] >> (16 * (i % 2));
        uint32_t low[4], high[4];  // rows g and g + 8
        Way::weights(h == 0 ? w.codes[i].x : w.codes[i].y, Way::factor(scales & 0xFF), low);
        Way::weights(h == 0 ? w.codes[i].z : w.codes[i].w, Way::factor(scales >> 8 & 0xFF), high);
        multiply_tokens(low, high, tokens, acc[i]);
      }
    }
  }

  /// The sums of a group stand alone until its scale is in.
  __device__ __forceinline__ void multiply_groups(const Packed& w, uint32_t slot,
                                                  Accumulators& acc) const {
    Accumulators sum = {};
#pragma unroll
    for (int h = 0; h < 2; ++h) {
      Tokens tokens;
      load_tokens(slot, h, tokens);
#pragma unroll
      for (int i = 0; i < S::kVectors; ++i) {
        multiply_group_half(w, i, h, tokens, sum[i]);
        if (F::kHalves || h == 1) add_group(w, i, F::kHalves ? h : 0, sum[i], acc);
      }
    }
  }

  __device__ __forceinline__ void multiply_group_half(const Packed& w, int i, int h,
                                                      const Tokens& tokens,
                                                      float (&sum)[S::kTokenTiles][4]) const {
    const int group = F::kHalves ? h : 0;
    uint4 codes = w.codes[i];
    if constexpr (F::kHalves) {
      trade_words(codes.x, codes.y, c_ >= 2);
      trade_words(codes.z, codes.w, c_ >= 2);
    }
    uint32_t low[4], high[4], low_zero, high_zero;
    w.numbers.template zero_pairs<T>(a_, group, i, low_zero, high_zero);
    integer_pairs<T>(h == 0 ? codes.x : codes.y, low_zero, low);
    integer_pairs<T>(h == 0 ? codes.z : codes.w, high_zero, high);
    multiply_tokens(low, high, tokens, sum);
  }

  __device__ __forceinline__ void add_group(const Packed& w, int i, int group,
                                            float (&sum)[S::kTokenTiles][4],
                                            Accumulators& acc) const {
    const float2 scales = w.numbers.pair_of_scales(a_, group, i);
#pragma unroll
    for (int j = 0; j < S::kTokenTiles; ++j)
#pragma unroll
      for (int v = 0; v < 4; ++v) {
        acc[i][j][v] = __fmaf_rn(sum[j][v], v < 2 ? scales.x : scales.y, acc[i][j][v]);
        sum[j][v] = 0.0f;
      }
  }

  const GemmArgs& a_;
  uint8_t* shared_;
  uint32_t lane_, g_, c_, block_of_warp_, first_vector_, first_token_;
};

template <class F, class T, class S>
__global__ void __launch_bounds__(S::kThreads, S::kBlocks)
    mma64_tiled(const __grid_constant__ GemmArgs a) {
  extern __shared__ __align__(16) uint8_t shared[];
  let_next_kernel_start();
  wait_for_kernels_before();
  const uint32_t n_tiles = (a.n_tiles + S::kTileBlocks - 1) / S::kTileBlocks;
  const ItemList items(a, S::kTokens, n_tiles, kRaster,
                       reinterpret_cast<uint32_t*>(shared + S::kSharedBytes));
  if (a.rows_end != nullptr) __syncthreads();
  Segments segments(
      a.rows_end != nullptr ? deal_items(items.grouped_size(), a.k_tiles, gridDim.x) : a.shares,
      a.k_tiles);
  const Tile<F, T, S> tile(a, shared);
  constexpr uint32_t kVectors = S::kAccumulators / 4 * S::kThreads;
  uint4* partials = reinterpret_cast<uint4*>(a.partials);
  Segment segment;
  while (segments.next(segment)) {
    float acc[S::kVectors][S::kTokenTiles][4] = {};
    auto& flat = reinterpret_cast<float(&)[S::kAccumulators]>(acc);
    const Item item = items[segment.item];
    tile.sum(item, segment.step0, segment.step1, acc);
    if (segment.step0 != 0) {
      publish_registers(partials + segments.rank() * kVectors, S::kThreads, threadIdx.x, flat);
      continue;
    }
    if (segment.step1 != a.k_tiles) {
      const uint32_t last = segments.last_rank_of(segment.item);
      collect_registers<8>(partials, S::kThreads, threadIdx.x, segments.rank() + 1, last, flat);
    }
    tile.store(item, acc);
  }
}

template <class F, class S>
Status launch_as(const GemmArgs& args, const LaunchShape& shape, Float type, bool overlap,
                 cudaStream_t stream) {
  GemmArgs dealt = args;
  const uint32_t n_tiles = (args.n_tiles + S::kTileBlocks - 1) / S::kTileBlocks;
  dealt.shares =
      deal_items((args.m + S::kTokens - 1) / S::kTokens * n_tiles, args.k_tiles, shape.grid);
  return launch(type == Float::kBf16 ? mma64_tiled<F, __nv_bfloat16, S> : mma64_tiled<F, __half, S>,
                dim3(shape.grid), dim3(S::kThreads), shape.shared_bytes, overlap, stream, dealt);
}

template <class F>
Status launch_format(const GemmArgs& args, const LaunchShape& shape, Float type, bool overlap,
                     cudaStream_t stream) {
  if (shape.token_tile == Small::kTokens)
    return launch_as<F, std::conditional_t<F::kScalesBeside, SmallOfGroups, Small>>(
        args, shape, type, overlap, stream);
  if (shape.token_tile == Middle::kTokens)
    return launch_as<F, Middle>(args, shape, type, overlap, stream);
  return launch_as<F, Large>(args, shape, type, overlap, stream);
}

// Each in a source file of its own: they compile long.
Status launch_mxfp4(const GemmArgs& args, const LaunchShape& shape, Float type, bool overlap,
                    cudaStream_t stream);
Status launch_int4(const GemmArgs& args, const LaunchShape& shape, Float type, bool overlap,
                   cudaStream_t stream);

}  // namespace imp::kernels::tiled

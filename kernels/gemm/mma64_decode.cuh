// mma64, few rows of X: every warp of the card streams one run of blocks.
//
// The blocks of all items are one list, tile of W rows major and k fastest; each warp takes one
// contiguous run of it, so that loads never wait for another warp. W stands on the m16 side of the
// MMA, tokens on n8. Partial sums meet once, at the end: inside the CTA through shared memory,
// between CTAs through partials.cuh, always in the order of k.
#pragma once

#include "kernels/gemm/epilogue.cuh"
#include "kernels/gemm/launch.cuh"
#include "kernels/gemm/mma64_int4.cuh"
#include "kernels/gemm/mma64_mxfp4.cuh"
#include "kernels/gemm/mma64_nvfp4.cuh"
#include "kernels/gemm/mma_sync.cuh"
#include "kernels/gemm/partials.cuh"
#include "kernels/gemm/schedule.cuh"

namespace imp::kernels::decode {

constexpr uint32_t kItemsWithTable = 4;  ///< items of a CTA whose epilogue is fetched beforehand

/// What a lane holds of one block and of the rows of X that meet it.
template <class F, int kTokenTiles, bool kBeside = F::kScalesBeside>
struct Fragment {
  uint4 codes[4];  ///< 16 rows each: {row g: h 0, 1; row g + 8: h 0, 1}
  uint2 scales;    ///< rows g + 8j, one byte each
  uint4 x[kTokenTiles][2];
};
template <class F, int kTokenTiles>
struct Fragment<F, kTokenTiles, true> {
  uint4 codes[4];
  GroupNumbers<F::kGroups, 8, F::kHalves && kTokenTiles == 2> numbers;
  uint4 x[kTokenTiles][2];
};

/// A place in the list of blocks.
template <class T, int kTokenTiles>
struct Cursor {
  const uint8_t* w;
  const T* x[kTokenTiles];
  uint32_t item;
  uint32_t kt;
  GroupPlace groups;  ///< where scales lie beside the blocks
};

template <class F, class T, int kTokenTiles, bool kGrouped>
class Decoder {
 public:
  using Place = Cursor<T, kTokenTiles>;
  using Loaded = Fragment<F, kTokenTiles>;

  __device__ __forceinline__ Decoder(const GemmArgs& a, const ItemList& items)
      : a_(a), items_(items), lane_(threadIdx.x % 32), g_(lane_ / 4), c_(lane_ % 4) {}

  __device__ __forceinline__ Place place(uint32_t item, uint32_t kt) const {
    Place p;
    p.kt = kt;
    go_to(p, item);
    p.w += kt * F::kBlockBytes;
    if constexpr (F::kScalesBeside) set_groups(p);
    return p;
  }

  /// The blocks of a dense call follow each other in memory, and all meet the same rows of X.
  __device__ __forceinline__ void advance(Place& p) const {
    p.w += F::kBlockBytes;
    if (++p.kt < a_.k_tiles) {
      if constexpr (F::kScalesBeside) p.groups.template advance<F::kHalves>(a_);
      return;
    }
    p.kt = 0;
    if constexpr (kGrouped)
      go_to(p, p.item + 1);
    else
      ++p.item;
    if constexpr (F::kScalesBeside) set_groups(p);
  }

  __device__ __forceinline__ void load_weights(const Place& p, Loaded& f) const {
#pragma unroll
    for (int i = 0; i < 4; ++i) f.codes[i] = load_streaming16(p.w + 512 * i + 16 * lane_);
    if constexpr (F::kScalesBeside)
      f.numbers.load(a_, p.groups, 8 * g_, p.kt * kBlockColumns + 32 < a_.k);
    else
      f.scales = load_streaming8(p.w + F::scales_at(lane_));
  }

  __device__ __forceinline__ void load_x(const Place& p, Loaded& f) const {
#pragma unroll
    for (int j = 0; j < kTokenTiles; ++j)
#pragma unroll
      for (uint32_t h = 0; h < 2; ++h) {
        const uint32_t column = p.kt * kBlockColumns + columns_at<F::kHalves>(c_, h);
        // K is a multiple of 16: a lane's two eights lie inside together, unless halves are apart.
        const bool inside = (F::kHalves ? column : column - 8 * h) < a_.k;
        f.x[j][h] = inside ? *reinterpret_cast<const uint4*>(p.x[j] + column) : uint4{0, 0, 0, 0};
      }
  }

  __device__ __forceinline__ void multiply(const Loaded& f, float (&acc)[4][kTokenTiles][4]) const {
    if constexpr (F::kScalesBeside)
      multiply_groups(f, acc);
    else
      F::template with_way<T>(f.scales.x | f.scales.y,
                              [&](auto way) { multiply_as<decltype(way)>(f, acc); });
  }

  /// Word of a slot that holds (token, row n of the tile). The XOR keeps the lanes of a store in
  /// different banks.
  static __device__ __forceinline__ uint32_t slot_word(uint32_t token, uint32_t n) {
    return token * kBlockRows + (n ^ (token / 2 % 4 * 8));
  }

  __device__ __forceinline__ void to_slot(const float (&acc)[4][kTokenTiles][4],
                                          float* slot) const {
#pragma unroll
    for (int i = 0; i < 4; ++i)
#pragma unroll
      for (int j = 0; j < kTokenTiles; ++j)
#pragma unroll
        for (int v = 0; v < 4; ++v)
          slot[slot_word(8 * j + 2 * c_ + v % 2, 16 * i + g_ + v / 2 * 8)] = acc[i][j][v];
  }

  /// An item that one warp summed from first to last block, from that warp's slot.
  __device__ __forceinline__ void slot_to_output(const float* slot, uint32_t item) const {
    const Item it = items_[item];
    const uint32_t words = (it.row_end - it.row0) * kBlockRows;
    __syncwarp();
    for (uint32_t i = lane_; i < words; i += 32) {
      const uint32_t n = it.n_tile * kBlockRows + i % kBlockRows;
      if (n >= a_.n) continue;
      const RowEpilogue finish = row_epilogue(a_, it.expert, n, F::template kUnit<T>);
      store_value<T>(a_, it.row0 + i / kBlockRows, n,
                     finish(slot[slot_word(i / kBlockRows, i % kBlockRows)], a_.bias != nullptr));
    }
    __syncwarp();
  }

 private:
  /// Steps 2h and 2h + 1 for one 16 x 8 tile.
  __device__ __forceinline__ static void multiply_half(const uint32_t (&low)[4],
                                                       const uint32_t (&high)[4], const uint4& x,
                                                       int t, float (&acc)[4]) {
    mma_m16n8k16<T>(acc, low[2 * t], high[2 * t], low[2 * t + 1], high[2 * t + 1],
                    t == 0 ? x.x : x.z, t == 0 ? x.y : x.w);
  }

  template <class Way>
  __device__ __forceinline__ void multiply_as(const Loaded& f,
                                              float (&acc)[4][kTokenTiles][4]) const {
    constexpr int kAtOnce = Way::kSixteensAtOnce;
#pragma unroll
    for (int h = 0; h < 2; ++h)
#pragma unroll
      for (int first = 0; first < 4; first += kAtOnce) {
        uint32_t low[kAtOnce][4], high[kAtOnce][4];  // rows g and g + 8 of each 16
#pragma unroll
        for (int i = 0; i < kAtOnce; ++i) {
          const uint4& codes = f.codes[first + i];
          const uint32_t scales =
              (first + i < 2 ? f.scales.x : f.scales.y) >> (16 * ((first + i) % 2));
          Way::weights(h == 0 ? codes.x : codes.y, Way::factor(scales & 0xFF), low[i]);
          Way::weights(h == 0 ? codes.z : codes.w, Way::factor(scales >> 8 & 0xFF), high[i]);
        }
#pragma unroll
        for (int t = 0; t < 2; ++t)
#pragma unroll
          for (int i = 0; i < kAtOnce; ++i)
#pragma unroll
            for (int j = 0; j < kTokenTiles; ++j)
              multiply_half(low[i], high[i], f.x[j][h], t, acc[first + i][j]);
      }
  }

  /// Sixteen rows after the other, because each has sums of its own until the group's scale is in.
  __device__ __forceinline__ void multiply_groups(const Loaded& f,
                                                  float (&acc)[4][kTokenTiles][4]) const {
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      uint4 codes = f.codes[i];
      if constexpr (F::kHalves) {
        trade_words(codes.x, codes.y, c_ >= 2);
        trade_words(codes.z, codes.w, c_ >= 2);
      }
      float sum[kTokenTiles][4] = {};
#pragma unroll
      for (int h = 0; h < 2; ++h) {
        const int group = F::kHalves ? h : 0;
        uint32_t low[4], high[4], low_zero, high_zero;
        f.numbers.template zero_pairs<T>(a_, group, i, low_zero, high_zero);
        integer_pairs<T>(h == 0 ? codes.x : codes.y, low_zero, low);
        integer_pairs<T>(h == 0 ? codes.z : codes.w, high_zero, high);
#pragma unroll
        for (int t = 0; t < 2; ++t)
#pragma unroll
          for (int j = 0; j < kTokenTiles; ++j) multiply_half(low, high, f.x[j][h], t, sum[j]);
        if (!F::kHalves && h == 0) continue;
        const float2 scales = f.numbers.pair_of_scales(a_, group, i);
#pragma unroll
        for (int j = 0; j < kTokenTiles; ++j)
#pragma unroll
          for (int v = 0; v < 4; ++v) {
            acc[i][j][v] = __fmaf_rn(sum[j][v], v < 2 ? scales.x : scales.y, acc[i][j][v]);
            sum[j][v] = 0.0f;
          }
      }
    }
  }

  __device__ __forceinline__ void set_groups(Place& p) const {
    const Item it = items_[p.item];
    p.groups.template set<F::kHalves>(a_, it.expert, it.n_tile, p.kt);
  }

  __device__ __forceinline__ void go_to(Place& p, uint32_t item) const {
    const Item it = items_[item];
    p.item = item;
    p.w = a_.blocks + it.expert * a_.expert_stride_bytes +
          static_cast<uint64_t>(it.n_tile) * a_.k_tiles * F::kBlockBytes;
#pragma unroll
    for (int j = 0; j < kTokenTiles; ++j) {
      const uint32_t row =
          min(it.row0 + 8 * j + g_, it.row_end - 1);  // spare tokens repeat the last
      p.x[j] = static_cast<const T*>(a_.x) + row * a_.x_stride;
    }
  }

  const GemmArgs& a_;
  const ItemList& items_;
  uint32_t lane_, g_, c_;
};

template <int kTokenTiles>
constexpr uint32_t kSlotWords = 8 * kTokenTiles* kBlockRows;

/// How the parts of one item lie in the slots of this CTA and in the other CTAs.
struct ItemParts {
  Item item;
  uint32_t first_slot;  ///< part of the first warp; those of the warps behind are two slots apart
  uint32_t next_slot;
  uint32_t more_warps;
  uint32_t last_rank;
  bool skip;   ///< one warp did all of it and has stored it
  bool owner;  ///< this CTA has the first blocks
};

/// Sums the slots of the CTA's warps item by item and hands the sums on.
template <class F, class T, int kTokenTiles, int kWarps, bool kGrouped>
class Reducer {
 public:
  __device__ __forceinline__ Reducer(const GemmArgs& a, const ItemList& items, const Share& share,
                                     const float* slots, RowEpilogue* table, ItemParts* parts)
      : a_(a),
        items_(items),
        share_(share),
        slots_(slots),
        table_(table),
        parts_(parts),
        rank_(work_rank()),
        begin_(share.begin(rank_ * kWarps)),
        end_(share.begin((rank_ + 1) * kWarps)) {}

  __device__ __forceinline__ bool idle() const { return begin_ == end_; }

  /// Divisions take long, and multipliers and biases are far away when they are needed: done while
  /// the first blocks are on their way.
  __device__ __forceinline__ void prepare() const {
    const uint32_t first = begin_ / a_.k_tiles, last = (end_ - 1) / a_.k_tiles;
    if (threadIdx.x >= kItemsWithTable * kBlockRows) return;
    const uint32_t item = first + threadIdx.x / kBlockRows;
    if (item > last) return;
    const Item it = items_[item];
    table_[threadIdx.x] = row_epilogue(
        a_, it.expert, it.n_tile * kBlockRows + threadIdx.x % kBlockRows, F::template kUnit<T>);
    if (threadIdx.x % kBlockRows == 0) parts_[threadIdx.x / kBlockRows] = parts_of(item);
  }

  __device__ __forceinline__ void run() const {
    const uint32_t first = begin_ / a_.k_tiles, last = (end_ - 1) / a_.k_tiles;
    const uint32_t in_tile = threadIdx.x % kBlockRows;
    for (uint32_t item = first; item <= last; ++item) {
      const uint32_t nth = item - first;
      if (nth < kItemsWithTable) {
        reduce(parts_[nth], table_[nth * kBlockRows + in_tile]);
      } else {
        const ItemParts parts = parts_of(item);
        reduce(parts, row_epilogue(a_, parts.item.expert, parts.item.n_tile * kBlockRows + in_tile,
                                   F::template kUnit<T>));
      }
    }
  }

 private:
  static constexpr uint32_t kWords = kSlotWords<kTokenTiles>;

  __device__ __forceinline__ ItemParts parts_of(uint32_t item) const {
    const uint32_t from = item * a_.k_tiles, to = from + a_.k_tiles;
    const uint32_t w0 = share_.rank_of(max(from, begin_));
    const uint32_t w1 = share_.rank_of(min(to, end_) - 1);
    const uint32_t w0_begin = share_.begin(w0);
    ItemParts parts;
    parts.item = items_[item];
    parts.first_slot = 2 * (w0 - rank_ * kWarps) + (w0_begin < from ? 1 : 0);
    parts.next_slot = 2 * (w0 + 1 - rank_ * kWarps);
    parts.more_warps = w1 - w0;
    parts.last_rank = share_.rank_of(to - 1) / kWarps;
    parts.skip = w0 == w1 && from >= w0_begin && to <= share_.begin(w0 + 1);
    parts.owner = from >= begin_;
    return parts;
  }

  __device__ __forceinline__ void reduce(const ItemParts& parts, const RowEpilogue& finish) const {
    if (parts.skip) return;
    const uint32_t n = parts.item.n_tile * kBlockRows + threadIdx.x % kBlockRows;
    const uint32_t words = (parts.item.row_end - parts.item.row0) * kBlockRows;
    for (uint32_t i = threadIdx.x; i < words; i += kWarps * 32) {
      const uint32_t word =
          Decoder<F, T, kTokenTiles, kGrouped>::slot_word(i / kBlockRows, i % kBlockRows);
      const float* next = slots_ + parts.next_slot * kWords + word;
      float sum = slots_[parts.first_slot * kWords + word];
#pragma unroll 4
      for (uint32_t w = 0; w < parts.more_warps; ++w) sum += next[2 * w * kWords];
      if (!parts.owner) {
        store_partial(at(rank_, i), __float_as_uint(sum));
        continue;
      }
      sum = collect(sum, i, parts.last_rank);
      if (n < a_.n)
        store_value<T>(a_, parts.item.row0 + i / kBlockRows, n, finish(sum, a_.bias != nullptr));
    }
  }

  /// Adds the partials of the ranks behind this one, in order, four loads in flight.
  __device__ __forceinline__ float collect(float sum, uint32_t i, uint32_t last_rank) const {
    for (uint32_t rank = rank_ + 1; rank <= last_rank; rank += 4) {
      uint32_t v[4];
#pragma unroll
      for (uint32_t d = 0; d < 4; ++d)
        if (rank + d <= last_rank) v[d] = load_partial(at(rank + d, i));
#pragma unroll
      for (uint32_t d = 0; d < 4; ++d) {
        if (rank + d > last_rank) break;
        while (v[d] == kEmptyPartial) v[d] = load_partial(at(rank + d, i));
        store_partial(at(rank + d, i), kEmptyPartial);
        sum += __uint_as_float(v[d]);
      }
    }
    return sum;
  }
  __device__ __forceinline__ uint32_t* at(uint32_t rank, uint32_t i) const {
    return a_.partials + rank * kWords + i;
  }

  const GemmArgs& a_;
  const ItemList& items_;
  const Share& share_;
  const float* slots_;
  RowEpilogue* table_;
  ItemParts* parts_;
  uint32_t rank_, begin_, end_;
};

/// One warp's run of blocks [lo, hi): sums into its two slots (first and last item of the run) or,
/// for an item that is all its own, to Y. `meanwhile` is done while the first blocks arrive.
template <class F, class T, int kTokenTiles, bool kGrouped, class Meanwhile>
__device__ __forceinline__ void sum_run(const GemmArgs& a,
                                        const Decoder<F, T, kTokenTiles, kGrouped>& decoder,
                                        uint32_t lo, uint32_t hi, float* slots,
                                        const Meanwhile& meanwhile) {
  auto place = decoder.place(lo / a.k_tiles, lo % a.k_tiles);
  Fragment<F, kTokenTiles> even, odd;
  decoder.load_weights(place, even);
  wait_for_kernels_before();
  decoder.load_x(place, even);
  uint32_t item = place.item, kt = place.kt, left = hi - lo;
  meanwhile();

  float acc[4][kTokenTiles][4] = {};
  bool from_start = kt == 0, first_item = true;
  // One block: the next one is on its way into the other fragment while this one is multiplied.
  auto step = [&](Fragment<F, kTokenTiles>& now, Fragment<F, kTokenTiles>& next) {
    if (left > 1) {
      decoder.advance(place);
      decoder.load_weights(place, next);
      decoder.load_x(place, next);
    }
    decoder.multiply(now, acc);
    --left;
    const bool item_ends = ++kt == a.k_tiles;
    if (!item_ends && left > 0) return;
    const bool all_of_it = item_ends && from_start;
    float* slot = slots + (first_item && !all_of_it ? 0 : kSlotWords<kTokenTiles>);
    decoder.to_slot(acc, slot);
    if (all_of_it) decoder.slot_to_output(slot, item);
    for (auto& rows : acc)
      for (auto& tokens : rows)
        for (float& value : tokens) value = 0.0f;
    first_item = false;
    from_start = true;
    kt = 0;
    ++item;
  };
  while (true) {
    step(even, odd);
    if (left == 0) break;
    step(odd, even);
    if (left == 0) break;
  }
}

template <class F, class T, int kTokenTiles, int kWarps, bool kGrouped>
__global__ void __launch_bounds__(kWarps * 32, 1) mma64_decode(const __grid_constant__ GemmArgs a) {
  extern __shared__ float slots[];  // [kWarps][2][kSlotWords]
  __shared__ RowEpilogue table[kItemsWithTable * kBlockRows];
  __shared__ ItemParts parts[kItemsWithTable];
  uint32_t* tiles_before =
      reinterpret_cast<uint32_t*>(slots + 2 * kWarps * kSlotWords<kTokenTiles>);
  let_next_kernel_start();
  if constexpr (kGrouped) wait_for_kernels_before();
  const ItemList items(a, 8 * kTokenTiles, a.n_tiles, 1, tiles_before);
  WorkShares shares = a.shares;
  if constexpr (kGrouped) {
    __syncthreads();
    deal(items.grouped_size() * a.k_tiles, gridDim.x * kWarps, shares);
  }
  const Share share(shares);
  const Reducer<F, T, kTokenTiles, kWarps, kGrouped> reducer(a, items, share, slots, table, parts);
  if (reducer.idle()) return;
  const uint32_t warp = threadIdx.x / 32, rank = work_rank() * kWarps + warp;
  const uint32_t lo = share.begin(rank), hi = share.begin(rank + 1);
  const auto prepare = [&] { reducer.prepare(); };
  if (lo < hi) {
    sum_run<F, T, kTokenTiles, kGrouped>(a, Decoder<F, T, kTokenTiles, kGrouped>(a, items), lo, hi,
                                         slots + 2 * warp * kSlotWords<kTokenTiles>, prepare);
  } else {
    wait_for_kernels_before();
    prepare();
  }
  __syncthreads();
  reducer.run();
}

/// As many as their registers leave room for; even, because a thread reduces every other row of a
/// slot for one row of W.
template <int kTokenTiles>
constexpr int kWarpsFor = kTokenTiles == 1 ? 16 : 12;

template <int kTokenTiles>
uint32_t slot_bytes() {
  return 2 * kWarpsFor<kTokenTiles> * kSlotWords<kTokenTiles> * sizeof(float);
}

template <class F, class T, int kTokenTiles>
Status launch_as(const GemmArgs& args, const LaunchShape& shape, bool overlap,
                 cudaStream_t stream) {
  constexpr int kWarps = kWarpsFor<kTokenTiles>;
  GemmArgs dealt = args;
  deal(args.n_tiles * args.k_tiles, shape.grid * kWarps, dealt.shares);
  return launch(args.rows_end != nullptr ? mma64_decode<F, T, kTokenTiles, kWarps, true>
                                         : mma64_decode<F, T, kTokenTiles, kWarps, false>,
                dim3(shape.grid), dim3(kWarps * 32), shape.shared_bytes, overlap, stream, dealt);
}

template <class F>
Status launch_format(const GemmArgs& args, const LaunchShape& shape, Float type, bool overlap,
                     cudaStream_t stream) {
  if (shape.token_tile == 8)
    return type == Float::kBf16 ? launch_as<F, __nv_bfloat16, 1>(args, shape, overlap, stream)
                                : launch_as<F, __half, 1>(args, shape, overlap, stream);
  return type == Float::kBf16 ? launch_as<F, __nv_bfloat16, 2>(args, shape, overlap, stream)
                              : launch_as<F, __half, 2>(args, shape, overlap, stream);
}

// Each in a source file of its own: they compile long.
Status launch_mxfp4(const GemmArgs& args, const LaunchShape& shape, Float type, bool overlap,
                    cudaStream_t stream);
Status launch_int4(const GemmArgs& args, const LaunchShape& shape, Float type, bool overlap,
                   cudaStream_t stream);

}  // namespace imp::kernels::decode

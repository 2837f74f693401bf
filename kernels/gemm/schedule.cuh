// Which part of a GEMM a CTA does. Items (one output tile: expert, tile of tokens, tile of W rows)
// are one list; each takes `steps` steps along K.
#pragma once

#include "kernels/gemm/args.h"
#include "kernels/gemm/partials.cuh"

namespace imp::kernels {

/// `total` for `ranks`, as even as it gets, in order.
__host__ __device__ inline void deal(uint32_t total, uint32_t ranks, WorkShares& shares) {
  shares.base = total / ranks;
  shares.remainder = total - shares.base * ranks;
}

/// Whole items while there are enough of them for every CTA, then even shares of the steps of the
/// rest. Items whose last wave is nearly full stay whole.
__host__ __device__ inline WorkShares deal_items(uint32_t items, uint32_t steps, uint32_t grid) {
  WorkShares shares;
  shares.items = items;
  const uint32_t waves = items / grid, rest = items - waves * grid;
  if (rest == 0 || (grid - rest) * 16 <= items)
    shares.whole = items;
  else if (waves > 1)
    shares.whole = (waves - 1) * grid;
  deal((items - shares.whole) * steps, grid, shares);
  return shares;
}

/// CTAs for `items`: a few multiprocessors stay idle where each item then belongs to CTAs of its
/// own, so that a CTA meets its neighbours once, not at both ends of its share.
inline uint32_t grid_for_items(uint32_t items, uint32_t steps, uint32_t ctas) {
  const uint32_t splits = items == 0 ? 0 : ctas / items;
  const bool even = splits > 1 && steps % splits == 0 && splits * items * 16 >= ctas * 15;
  return even ? splits * items : ctas;
}

/// [begin(rank), begin(rank + 1)) of each rank.
struct Share {
  uint32_t base, remainder;
  __device__ __forceinline__ explicit Share(const WorkShares& shares)
      : base(shares.base), remainder(shares.remainder) {}
  __device__ __forceinline__ uint32_t begin(uint32_t rank) const {
    return rank * base + min(rank, remainder);
  }
  /// The rank whose range holds `at`. REQUIRES: at is below the total.
  __device__ __forceinline__ uint32_t rank_of(uint32_t at) const {
    const uint32_t large = remainder * (base + 1);
    return at < large ? at / (base + 1) : remainder + (at - large) / base;
  }
};

/// One output tile.
struct Item {
  uint32_t expert;
  uint32_t row0;     ///< first row of X
  uint32_t row_end;  ///< behind the last row of X of the tile or expert, whichever is first
  uint32_t n_tile;   ///< in tiles of the kernel
};

/// The list of items. Dense calls know it from the arguments; grouped ones sum the row counts of
/// the experts, on the device, into shared memory.
class ItemList {
 public:
  /// REQUIRES: `tiles_before` has room for experts + 1 counts when the call is grouped; all threads
  /// of the CTA call it, and synchronise after it.
  __device__ __forceinline__ ItemList(const GemmArgs& a, uint32_t token_tile, uint32_t n_tiles,
                                      uint32_t raster, uint32_t* tiles_before)
      : a_(a),
        token_tile_(token_tile),
        n_tiles_(n_tiles),
        raster_(raster),
        tiles_before_(tiles_before) {
    if (a.rows_end != nullptr && threadIdx.x < 32) sum_experts();
  }

  /// Of a grouped call. REQUIRES: the CTA has synchronised since the constructor.
  __device__ __forceinline__ uint32_t grouped_size() const {
    return tiles_before_[a_.experts] * n_tiles_;
  }

  __device__ __forceinline__ Item operator[](uint32_t index) const {
    return a_.rows_end != nullptr ? grouped(index) : dense(index);
  }

 private:
  /// Token tiles of a raster group run fastest, so that CTAs of one wave share both W and X in L2.
  __device__ __forceinline__ Item dense(uint32_t index) const {
    uint32_t token = 0, n = index;
    if (a_.m > token_tile_) {
      const uint32_t token_tiles = (a_.m + token_tile_ - 1) / token_tile_;
      const uint32_t group = index / (raster_ * n_tiles_);
      const uint32_t in_group = index - group * raster_ * n_tiles_;
      const uint32_t width = min(raster_, token_tiles - group * raster_);
      n = in_group / width;
      token = group * raster_ + in_group - n * width;
    }
    const uint32_t row0 = token * token_tile_;
    return {0, row0, min(row0 + token_tile_, a_.m), n};
  }

  __device__ __forceinline__ Item grouped(uint32_t index) const {
    const uint32_t token_tile = index / n_tiles_;
    uint32_t low = 0, high = a_.experts;  // tiles_before[low] <= token_tile < tiles_before[high]
    while (high - low > 1) {
      const uint32_t middle = (low + high) / 2;
      if (tiles_before_[middle] <= token_tile)
        low = middle;
      else
        high = middle;
    }
    const uint32_t first = tiles_before_[low];
    const uint32_t width = tiles_before_[low + 1] - first;
    const uint32_t in_expert = index - first * n_tiles_;
    const uint32_t n = in_expert / width;
    const uint32_t rows_begin = low == 0 ? 0 : a_.rows_end[low - 1];
    const uint32_t row0 = rows_begin + (in_expert - n * width) * token_tile_;
    return {low, row0, min(row0 + token_tile_, a_.rows_end[low]), n};
  }

  __device__ void sum_experts() {
    uint32_t before = 0;
    for (uint32_t first = 0; first < a_.experts; first += 32) {
      const uint32_t e = first + threadIdx.x;
      uint32_t tiles = 0;
      if (e < a_.experts) {
        const uint32_t rows = a_.rows_end[e] - (e == 0 ? 0 : a_.rows_end[e - 1]);
        tiles = (rows + token_tile_ - 1) / token_tile_;
      }
      uint32_t sum = tiles;
      for (uint32_t d = 1; d < 32; d *= 2) {
        const uint32_t other = __shfl_up_sync(0xFFFFFFFFu, sum, d);
        if (threadIdx.x >= d) sum += other;
      }
      if (e < a_.experts) tiles_before_[e] = before + sum - tiles;
      before += __shfl_sync(0xFFFFFFFFu, sum, 31);
    }
    if (threadIdx.x == 0) tiles_before_[a_.experts] = before;
  }

  const GemmArgs& a_;
  uint32_t token_tile_, n_tiles_, raster_;
  uint32_t* tiles_before_;
};

/// Steps [step0, step1) of one item.
struct Segment {
  uint32_t item, step0, step1;
};

/// What one CTA does, in order: whole items, then its share of the steps of the rest, which may
/// begin and end inside an item.
class Segments {
 public:
  __device__ __forceinline__ Segments(const WorkShares& shares, uint32_t steps)
      : steps_(steps),
        rank_(work_rank()),
        next_whole_(rank_),
        whole_(shares.whole),
        share_(shares),
        at_(share_.begin(rank_)),
        end_(share_.begin(rank_ + 1)) {}

  __device__ __forceinline__ bool next(Segment& segment) {
    if (next_whole_ < whole_) {
      segment = {next_whole_, 0, steps_};
      next_whole_ += gridDim.x;
      return true;
    }
    if (at_ >= end_) return false;
    const uint32_t item = at_ / steps_, step0 = at_ - item * steps_;
    const uint32_t step1 = min(steps_, step0 + (end_ - at_));
    segment = {whole_ + item, step0, step1};
    at_ += step1 - step0;
    return true;
  }

  /// The last rank that works on `item`. REQUIRES: this rank has its first steps.
  __device__ __forceinline__ uint32_t last_rank_of(uint32_t item) const {
    if (item < whole_) return rank_;
    return share_.rank_of((item - whole_ + 1) * steps_ - 1);
  }
  __device__ __forceinline__ uint32_t rank() const { return rank_; }

 private:
  uint32_t steps_, rank_, next_whole_, whole_;
  Share share_;
  uint32_t at_, end_;
};

}  // namespace imp::kernels

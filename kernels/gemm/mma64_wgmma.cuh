// mma64 by wgmma (sm_90a): W decoded into the register operand A, X [tokens, k] in shared
// memory as B, so that the tokens are the width of the instruction (kernel-layouts 13).
//
// A CTA has two or three consumer warpgroups with 64 rows of W each, and two producing threads. A
// stage of the ring holds kUnits k64 steps: the blocks of W as they lie in the file, by bulk
// copies, and X in the layout's k order by a tensor copy with the 128-byte swizzle. A consumer
// decodes the next step while the tensor cores work on the last one: two sets of A registers, one
// group of wgmma in flight.
//
// Int4: the sums of a group stand in accumulators of their own, and each thread adds them, times
// the scale, to those of the tile; meanwhile the tensor cores work for the other warpgroups. Groups
// of 32 want X in an order of their own (mma64_int4.cuh), which the prologue makes.
#pragma once

#include "kernels/gemm/epilogue.cuh"
#include "kernels/gemm/launch.cuh"
#include "kernels/gemm/mma64_int4.cuh"
#include "kernels/gemm/mma64_mxfp4.cuh"
#include "kernels/gemm/mma64_nvfp4.cuh"
#include "kernels/gemm/partials.cuh"
#include "kernels/gemm/ptx_sm90.cuh"
#include "kernels/gemm/schedule.cuh"

namespace imp::kernels::wgmma {

constexpr uint32_t kRaster = 4;
constexpr uint32_t kOutTokens =
    16;  ///< tokens that pass through shared memory at once on their way to Y
constexpr uint32_t kOutBytes = kOutTokens * kBlockRows * 2;
constexpr uint32_t kMaxStages = 12;
constexpr uint32_t kRowBytes = kBlockColumns * 2;  ///< of X in one k64 step

/// One tile shape: kConsumers x 64 rows of W, kTokens rows of X, stages of kUnits k64 steps. Three
/// consumers share one X and hide more latency, two split small matrices more evenly.
template <class F, int kTokenCount, int kUnitCount, int kConsumerCount>
struct Tile {
  using Format = F;
  static constexpr int kTokens = kTokenCount;
  static constexpr int kUnits = kUnitCount;
  static constexpr uint32_t kConsumers = kConsumerCount;  ///< warpgroups
  static constexpr int kAcc = kTokens / 2;                ///< accumulators of a thread
  static constexpr uint32_t kConsumerThreads = 128 * kConsumers;
  static constexpr uint32_t kThreads = kConsumerThreads + 128;  ///< registers move by warpgroups

  static constexpr uint32_t kXBytes = kTokens * kRowBytes;      ///< of one k64 step
  static constexpr uint32_t kWAt = kUnits * kXBytes;            ///< where W begins in a stage
  static constexpr uint32_t kWBytes = kUnits * F::kBlockBytes;  ///< of one warpgroup
  /// Of int4: the groups that a stage meets have a row of scales each, and one of zero points.
  static constexpr uint32_t kGroups = !F::kScalesBeside     ? 0
                                      : F::kHalves          ? 2 * kUnits
                                      : F::kPairsShareGroup ? 1
                                                            : kUnits;
  static constexpr uint32_t kNumbersAt = kWAt + kConsumers * kWBytes;
  static constexpr uint32_t kZerosAt = kGroups * kBlockRows * 4;  ///< in the numbers of a warpgroup
  static constexpr uint32_t kNumbersBytes = kZerosAt + kGroups * kBlockRows;
  static constexpr uint32_t kStageBytes =
      (kNumbersAt + kConsumers * kNumbersBytes + 1023) / 1024 * 1024;
  /// Arrivals that fill a stage: W, X, and the lanes that copy numbers.
  static constexpr uint32_t kFillers = F::kScalesBeside ? 2 + 32 : 2;

  /// Of a multiprocessor's 512 registers a thread of each of four warps; multiples of 8.
  static constexpr int kEntryRegisters = 512 / (kConsumers + 1) / 8 * 8;
  static constexpr int kProducerRegisters = F::kScalesBeside ? 56 : 32;
  static constexpr int kConsumerRegisters =
      (kEntryRegisters * (kConsumers + 1) - kProducerRegisters) / kConsumers / 8 * 8;
};

/// Addresses in shared memory. The ring is aligned to 1024 bytes, the period of the swizzle.
template <class S>
struct Shared {
  uint32_t ring, out, barriers, stages;
  __device__ __forceinline__ Shared(uint8_t* base, uint32_t stage_count)
      : ring((shared_address(base) + 1023) / 1024 * 1024),
        out(ring + stage_count * S::kStageBytes),
        barriers(out + S::kConsumers * kOutBytes),
        stages(stage_count) {
    asm volatile("" : "+r"(ring));  // else its making is repeated in the main loop
  }
  __device__ __forceinline__ uint32_t stage(uint32_t i) const { return ring + i * S::kStageBytes; }
  __device__ __forceinline__ uint32_t full(uint32_t i) const { return barriers + 8 * i; }
  __device__ __forceinline__ uint32_t empty(uint32_t i) const {
    return barriers + 8 * (kMaxStages + i);
  }
  static constexpr uint32_t kBarrierBytes = 16 * kMaxStages;
};

/// A place in the ring and how often it was passed.
struct RingPlace {
  uint32_t slot = 0, parity = 0;
  __device__ __forceinline__ void advance(uint32_t stages) {
    if (++slot == stages) {
      slot = 0;
      parity ^= 1;
    }
  }
};

/// The threads that fill the ring, one with W, one with X and one with the numbers of int4's
/// groups: a single one would be the bottleneck. Each announces its bytes on the stage's barrier.
template <class S>
class Producer {
 public:
  __device__ __forceinline__ Producer(const GemmArgs& a, const CUtensorMap& x,
                                      const Shared<S>& shared)
      : a_(a), x_(x), shared_(shared) {}

  /// Weights do not depend on the kernel before: the first ring of them is on its way before X may
  /// be read.
  __device__ __forceinline__ void fill_w(Segments segments, const ItemList& items) const {
    RingPlace place;
    Segment segment;
    while (segments.next(segment)) {
      const Item item = items[segment.item];
      const uint32_t tile = item.n_tile * S::kConsumers;
      const uint32_t tiles = min(S::kConsumers, a_.n_tiles - tile);
      const uint64_t pitch = uint64_t{a_.k_tiles} * S::Format::kBlockBytes;
      const uint8_t* from = a_.blocks + item.expert * a_.expert_stride_bytes + tile * pitch +
                            segment.step0 * S::kUnits * S::Format::kBlockBytes;
      for (uint32_t step = segment.step0; step < segment.step1; ++step) {
        const uint32_t bytes = units(step) * S::Format::kBlockBytes;
        const uint32_t full = wait_empty(place);
        barrier_expect_bytes(full, tiles * bytes);
        const uint32_t to = shared_.stage(place.slot) + S::kWAt;
#pragma unroll
        for (uint32_t i = 0; i < S::kConsumers; ++i)
          if (i < tiles) copy_bulk(to + i * S::kWBytes, from + i * pitch, bytes, full);
        from += S::kUnits * S::Format::kBlockBytes;
        place.advance(shared_.stages);
      }
    }
  }

  __device__ __forceinline__ void fill_x(Segments segments, const ItemList& items) const {
    wait_for_kernels_before();
    RingPlace place;
    Segment segment;
    while (segments.next(segment)) {
      const Item item = items[segment.item];
      for (uint32_t step = segment.step0; step < segment.step1; ++step) {
        const uint32_t full = wait_empty(place);
        barrier_expect_bytes(full, S::kUnits * S::kXBytes);  // a box past K counts in full
        copy_box(shared_.stage(place.slot), x_, item.row0, step * S::kUnits, full);
        place.advance(shared_.stages);
      }
    }
  }

  /// Of int4, by a warp: rows are too short for the copy engine, which takes as long for one as for
  /// a block. Past the last group of K the last one is copied again; X is zero there.
  __device__ __forceinline__ void fill_numbers(Segments segments, const ItemList& items) const {
    const uint32_t lane = threadIdx.x % 32;
    const uint32_t chunks = a_.scale_type == Float::kF32 ? 16 : 8;  // of 16 bytes in a row
    RingPlace place;
    Segment segment;
    while (segments.next(segment)) {
      const Item item = items[segment.item];
      const uint32_t tile = item.n_tile * S::kConsumers;
      const uint32_t rows = min(S::kConsumers, a_.n_tiles - tile) * S::kGroups;
      const uint32_t first = (item.expert * a_.n_tiles + tile) * a_.groups;
      for (uint32_t step = segment.step0; step < segment.step1; ++step) {
        const uint32_t full = wait_empty(place);
        const uint32_t to = shared_.stage(place.slot) + S::kNumbersAt;
        copy_rows(to, a_.scales, chunks, rows, first, step, lane);
        if (a_.zeros != nullptr) copy_rows(to + S::kZerosAt, a_.zeros, 4, rows, first, step, lane);
        barrier_arrive_with_copies(full);
        place.advance(shared_.stages);
      }
    }
  }

 private:
  /// Row r is of warpgroup r / kGroups.
  __device__ __forceinline__ void copy_rows(uint32_t to, const uint8_t* plane, uint32_t chunks,
                                            uint32_t rows, uint32_t first, uint32_t step,
                                            uint32_t lane) const {
#pragma unroll 1
    for (uint32_t i = lane; i < rows * chunks; i += 32) {
      const uint32_t row = i / chunks, chunk = i % chunks, r = row % S::kGroups;
      const uint32_t group =
          S::Format::kHalves ? step * S::kGroups + r : (step * S::kUnits + r) / a_.group_blocks;
      const uint64_t from = first + row / S::kGroups * a_.groups + min(group, a_.groups - 1);
      copy16(to + row / S::kGroups * S::kNumbersBytes + (r * chunks + chunk) * 16,
             plane + (from * chunks + chunk) * 16);
    }
  }

  __device__ __forceinline__ uint32_t units(uint32_t step) const {
    return min(static_cast<uint32_t>(S::kUnits), a_.k_tiles - step * S::kUnits);
  }
  /// The barrier that the stage's bytes are announced on, once the stage is free. In the first
  /// round it is: waiting for the phase before the first passes at once.
  __device__ __forceinline__ uint32_t wait_empty(const RingPlace& place) const {
    barrier_wait(shared_.empty(place.slot), place.parity ^ 1);
    return shared_.full(place.slot);
  }

  const GemmArgs& a_;
  const CUtensorMap& x_;
  const Shared<S>& shared_;
};

/// One warpgroup that multiplies 64 rows of W.
template <class T, class S>
class Consumer {
 public:
  static constexpr int kAcc = S::kAcc, kUnits = S::kUnits;
  using Accumulators = float[kAcc];
  using F = typename S::Format;

  __device__ __forceinline__ Consumer(const GemmArgs& a, const Shared<S>& shared)
      : a_(a),
        shared_(shared),
        group_(threadIdx.x / 128),
        warp_(threadIdx.x / 32 % 4),
        lane_(threadIdx.x % 32),
        w_at_(S::kWAt + group_ * S::kWBytes + warp_ * 512 + lane_ * 16),
        scale_at_(scales_at()) {}

  /// Units of k64 go in pairs, so that each has its own A registers and the loop has no branch
  /// around a wgmma: ptxas would otherwise make the tensor cores wait. A unit without partner goes
  /// alone.
  __device__ __forceinline__ void sum(const Segment& segment, Accumulators& acc) {
    if constexpr (F::kScalesBeside)
      sum_groups(segment, acc);
    else
      sum_all(segment, acc);
  }

  __device__ __forceinline__ void store(const Item& item, const Accumulators& acc) const {
    const uint32_t tile = item.n_tile * S::kConsumers + group_;
    if (tile >= a_.n_tiles) return;
    const uint32_t n0 = tile * kBlockRows;
    const uint32_t n = n0 + 16 * warp_ + lane_ / 4;
    const RowEpilogue low = row_epilogue(a_, item.expert, n, F::template kUnit<T>);
    const RowEpilogue high = row_epilogue(a_, item.expert, n + 8, F::template kUnit<T>);
    if (a_.y_type == Float::kF32)
      store_f32(item, n, low, high, acc);
    else
      store_16(item, n0, low, high, acc);
  }

 private:
  __device__ __forceinline__ void sum_all(const Segment& segment, Accumulators& acc) {
    uint32_t even[16], odd[16];
    const uint32_t begin = segment.step0 * kUnits;
    const uint32_t units = min(segment.step1 * kUnits, a_.k_tiles) - begin;
    const uint32_t pairs = units / 2;
    Packed packed[2];
    place_.slot = __shfl_sync(0xFFFFFFFFu, place_.slot, 0);  // see make_uniform()
    fetch(packed);                                           // outside of any branch: see pair()
    for (uint32_t i = 0; i < pairs; ++i) pair(i > 0, i + 1 < pairs, packed, even, odd, acc);
    wgmma_wait<0>();
    if (pairs > 0) release();
    if (units % 2 != 0) alone(even, acc);
    wgmma_results_ready(acc);
  }

  /// What a lane has of one unit.
  struct Packed {
    uint4 codes;
    uint32_t scales;
  };
  /// The same of int4: numbers of rows g and g + 8, for each group.
  struct PackedGroups {
    uint4 codes;
    float2 scales[F::kHalves ? 2 : 1];
    uint32_t zeros[F::kHalves ? 2 : 1];
  };

  /// Where the numbers of rows g and g + 8 begin in a stage; of int4 the element in a row of them.
  __device__ __forceinline__ uint32_t scales_at() const {
    if constexpr (F::kScalesBeside)
      return lane_ / 4 * 8 + warp_ * 2;
    else
      return S::kWAt + group_ * S::kWBytes + F::scales_at(lane_) + warp_ * 2;
  }

  __device__ __forceinline__ void wait_full() const {
    barrier_wait_warp(shared_.full(place_.slot), place_.parity);
  }
  __device__ __forceinline__ Packed load(uint32_t u) const {
    const uint32_t at = shared_.stage(place_.slot) + u * F::kBlockBytes;
    return {load_shared16(at + w_at_), load_shared2(at + scale_at_)};
  }
  /// The units that begin the next pair and lie in one stage.
  __device__ __forceinline__ void fetch(Packed (&packed)[2]) const {
    wait_full();
    packed[0] = load(0);
    if constexpr (kUnits == 2) packed[1] = load(1);
  }

  /// Gives decoded unit `u` of stage `slot` to the tensor cores; the unit before it is done
  /// afterwards.
  __device__ __forceinline__ void issue(uint32_t slot, uint32_t u, uint32_t (&w)[16],
                                        Accumulators& acc) const {
    wgmma_operands_ready(w);
    const uint64_t x = swizzled_rows_descriptor(shared_.stage(slot) + u * S::kXBytes);
    wgmma_fence();
#pragma unroll
    for (int t = 0; t < 4; ++t) Wgmma<T, S::kTokens>::template run<1>(acc, w + 4 * t, x + 2 * t);
    wgmma_commit();
    wgmma_wait<1>();
  }

  /// What is decoded next leaves shared memory before the tensor cores get their work, which blocks
  /// the warp.
  __device__ __forceinline__ void pair(bool behind, bool more, Packed (&packed)[2],
                                       uint32_t (&even)[16], uint32_t (&odd)[16],
                                       Accumulators& acc) {
    const uint32_t even_slot = place_.slot;
    decode(packed[0], even);
    if constexpr (kUnits == 1) {
      place_.advance(shared_.stages);
      wait_full();
      packed[1] = load(0);
    }
    issue(even_slot, 0, even, acc);
    if (behind) release();  // the last stage of the pair before
    const uint32_t odd_slot = place_.slot;
    decode(packed[1], odd);
    RingPlace next = place_;
    next.advance(shared_.stages);
    // The last pair fetches itself again: a branch around the wait makes ptxas give up uniform
    // registers, which costs seven instructions more a unit.
    if (more) place_ = next;
    fetch(packed);
    issue(odd_slot, kUnits - 1, odd, acc);
    place_ = next;
    if constexpr (kUnits == 1) release();  // the stage of `even`
  }

  __device__ __forceinline__ void alone(uint32_t (&w)[16], Accumulators& acc) {
    wait_full();
    decode(load(0), w);
    issue(place_.slot, 0, w, acc);
    wgmma_wait<0>();
    release();
    place_.advance(shared_.stages);
  }

  /// Step t's operand is w[4t .. 4t + 3]: rows g and g + 8 of columns 4t, 4t + 1, then of 4t + 2,
  /// 4t + 3.
  static __device__ __forceinline__ void decode(const Packed& packed, uint32_t (&w)[16]) {
    F::template with_way<T>(packed.scales, [&](auto way) {
      using Way = decltype(way);
      const auto low = Way::factor(packed.scales & 0xFF);
      const auto high = Way::factor(packed.scales >> 8);
      uint32_t r[4][4];
      Way::weights(packed.codes.x, low, r[0]);
      Way::weights(packed.codes.y, low, r[1]);
      Way::weights(packed.codes.z, high, r[2]);
      Way::weights(packed.codes.w, high, r[3]);
      to_operands(r, w);
    });
  }
  static __device__ __forceinline__ void to_operands(const uint32_t (&r)[4][4], uint32_t (&w)[16]) {
#pragma unroll
    for (int t = 0; t < 4; ++t) {
      w[4 * t] = r[t / 2][t % 2 * 2];
      w[4 * t + 1] = r[2 + t / 2][t % 2 * 2];
      w[4 * t + 2] = r[t / 2][t % 2 * 2 + 1];
      w[4 * t + 3] = r[2 + t / 2][t % 2 * 2 + 1];
    }
  }

  // Int4.

  /// As sum_all(), two units in a stage; the next one is decoded while the tensor cores work.
  __device__ __forceinline__ void sum_groups(const Segment& segment, Accumulators& acc) {
    static_assert(kUnits == 2 || !F::kScalesBeside);
    uint32_t even[16], odd[16];
    Accumulators sums;
#pragma unroll
    for (float& value : sums) value = 0.0f;
    const uint32_t begin = segment.step0 * kUnits;
    const uint32_t units = min(segment.step1 * kUnits, a_.k_tiles) - begin;
    const uint32_t pairs = units / 2;
    place_.slot = __shfl_sync(0xFFFFFFFFu, place_.slot, 0);  // see make_uniform()
    PackedGroups packed[2];
    fetch_groups(packed);
    decode_groups(packed[0], even);
    for (uint32_t i = 0; i < pairs; ++i)
      pair_groups(i + 1 < units - pairs, packed, even, odd, sums, acc);
    if (units % 2 != 0) {
      multiply_unit<true, true>(place_.slot, 0, even, packed[0], sums, acc);
      release();
      place_.advance(shared_.stages);
    }
  }

  __device__ __forceinline__ PackedGroups load_groups(uint32_t u) const {
    const uint32_t stage = shared_.stage(place_.slot);
    const uint32_t numbers = stage + S::kNumbersAt + group_ * S::kNumbersBytes;
    PackedGroups packed;
    packed.codes = load_shared16(stage + u * F::kBlockBytes + w_at_);
#pragma unroll
    for (uint32_t group = 0; group < (F::kHalves ? 2 : 1); ++group) {
      const uint32_t row = F::kPairsShareGroup ? 0 : u * (F::kHalves ? 2 : 1) + group;
      const uint32_t element = row * kBlockRows + scale_at_;
      packed.scales[group] = load_scales(numbers, element);
      packed.zeros[group] =
          a_.zeros != nullptr ? load_shared2(numbers + S::kZerosAt + element) : kSymmetricZeros;
    }
    return packed;
  }
  __device__ __forceinline__ float2 load_scales(uint32_t numbers, uint32_t element) const {
    if (a_.scale_type == Float::kF32) {
      const uint2 v = load_shared8(numbers + element * 4);
      return {__uint_as_float(v.x), __uint_as_float(v.y)};
    }
    const uint32_t both = load_shared4(numbers + element * 2);
    if (a_.scale_type == Float::kBf16)
      return {__uint_as_float(both << 16), __uint_as_float(both & 0xFFFF0000u)};
    return __half22float2(reinterpret_cast<const __half2&>(both));
  }
  __device__ __forceinline__ void fetch_groups(PackedGroups (&packed)[2]) const {
    wait_full();
    packed[0] = load_groups(0);
    // Of a unit without partner what the stage held before: not used.
    if constexpr (F::kPairsShareGroup) {
      packed[1] = packed[0];
      packed[1].codes = load_shared16(shared_.stage(place_.slot) + F::kBlockBytes + w_at_);
    } else {
      packed[1] = load_groups(1);
    }
  }

  static __device__ __forceinline__ void decode_groups(const PackedGroups& packed,
                                                       uint32_t (&w)[16]) {
    uint4 codes = packed.codes;
    if constexpr (F::kHalves) {
      const bool upper = threadIdx.x % 4 >= 2;
      trade_words(codes.x, codes.y, upper);
      trade_words(codes.z, codes.w, upper);
    }
    constexpr int kSecond = F::kHalves ? 1 : 0;
    uint32_t r[4][4];
    integer_pairs<T>(codes.x, zero_pair<T>(packed.zeros[0], 0), r[0]);
    integer_pairs<T>(codes.y, zero_pair<T>(packed.zeros[kSecond], 0), r[1]);
    integer_pairs<T>(codes.z, zero_pair<T>(packed.zeros[0], 1), r[2]);
    integer_pairs<T>(codes.w, zero_pair<T>(packed.zeros[kSecond], 1), r[3]);
    to_operands(r, w);
  }

  /// Steps [kFirst, kFirst + kCount) of unit `u`. kAdd 0: the sums begin anew.
  template <int kFirst, int kCount, int kAdd>
  __device__ __forceinline__ void issue_steps(uint32_t slot, uint32_t u, uint32_t (&w)[16],
                                              Accumulators& sums) const {
    wgmma_operands_ready(w);
    const uint64_t x = swizzled_rows_descriptor(shared_.stage(slot) + u * S::kXBytes);
    wgmma_fence();
    Wgmma<T, S::kTokens>::template run<kAdd>(sums, w + 4 * kFirst, x + 2 * kFirst);
#pragma unroll
    for (int t = kFirst + 1; t < kFirst + kCount; ++t)
      Wgmma<T, S::kTokens>::template run<1>(sums, w + 4 * t, x + 2 * t);
    wgmma_commit();
  }

  /// What the tensor cores have summed, times its scales, to the tile's accumulators.
  static __device__ __forceinline__ void add_sums(const float2& scales, Accumulators& sums,
                                                  Accumulators& acc) {
    wgmma_wait<0>();
    wgmma_results_ready(sums);
#pragma unroll
    for (int i = 0; i < kAcc; ++i)
      acc[i] = __fmaf_rn(sums[i], i % 4 < 2 ? scales.x : scales.y, acc[i]);
  }

  /// Gives unit `u` to the tensor cores; its last sums are left there unless `kFinish`.
  template <bool kBegins, bool kFinish>
  __device__ __forceinline__ void multiply_unit(uint32_t slot, uint32_t u, uint32_t (&w)[16],
                                                const PackedGroups& packed, Accumulators& sums,
                                                Accumulators& acc) const {
    if constexpr (F::kHalves) {
      issue_steps<0, 2, 0>(slot, u, w, sums);
      add_sums(packed.scales[0], sums, acc);
      issue_steps<2, 2, 0>(slot, u, w, sums);
    } else {
      issue_steps<0, 4, kBegins ? 0 : 1>(slot, u, w, sums);
    }
    if constexpr (kFinish) add_sums(packed.scales[F::kHalves ? 1 : 0], sums, acc);
  }

  /// `even` is decoded already; leaves the next pair's so where there is more.
  __device__ __forceinline__ void pair_groups(bool more, PackedGroups (&packed)[2],
                                              uint32_t (&even)[16], uint32_t (&odd)[16],
                                              Accumulators& sums, Accumulators& acc) {
    constexpr int kLast = F::kHalves ? 1 : 0;
    const uint32_t slot = place_.slot;
    multiply_unit<true, false>(slot, 0, even, packed[0], sums, acc);
    decode_groups(packed[1], odd);
    if constexpr (!F::kPairsShareGroup) add_sums(packed[0].scales[kLast], sums, acc);
    // The next pair leaves shared memory before the tensor cores get this one.
    const PackedGroups second = packed[1];
    RingPlace next = place_;
    next.advance(shared_.stages);
    if (more) place_ = next;  // else this pair again: see pair()
    fetch_groups(packed);
    multiply_unit<!F::kPairsShareGroup, false>(slot, 1, odd, second, sums, acc);
    wgmma_wait<1>();  // `even` is free
    decode_groups(packed[0], even);
    add_sums(second.scales[kLast], sums, acc);
    release();
    place_ = next;
  }

  /// Hands the oldest stage that was not handed back yet to the producer.
  __device__ __forceinline__ void release() {
    if (lane_ == 0) barrier_arrive(shared_.empty(released_));
    released_ = released_ + 1 == shared_.stages ? 0 : released_ + 1;
  }

  /// A lane has two neighbouring tokens of a row; the eight lanes of a token write 32 bytes.
  __device__ __forceinline__ void store_f32(const Item& item, uint32_t n, const RowEpilogue& low,
                                            const RowEpilogue& high,
                                            const Accumulators& acc) const {
    const bool has_bias = a_.bias != nullptr;
#pragma unroll
    for (int i = 0; i < kAcc / 4; ++i)
#pragma unroll
      for (int v = 0; v < 2; ++v) {
        const uint32_t row = item.row0 + 8 * i + lane_ % 4 * 2 + v;
        if (row >= item.row_end) continue;
        float* y = static_cast<float*>(a_.y) + row * a_.y_stride;
        if (n < a_.n) y[n] = low(acc[4 * i + v], has_bias);
        if (n + 8 < a_.n) y[n + 8] = high(acc[4 * i + 2 + v], has_bias);
      }
  }

  /// Through shared memory, transposed, so that Y is written 16 bytes at a time.
  __device__ __forceinline__ void store_16(const Item& item, uint32_t n0, const RowEpilogue& low,
                                           const RowEpilogue& high, const Accumulators& acc) const {
    const uint32_t out = shared_.out + group_ * kOutBytes;
    const bool vectors = a_.y_stride % 8 == 0 && reinterpret_cast<uint64_t>(a_.y) % 16 == 0;
#pragma unroll
    for (int i = 0; i < S::kTokens / static_cast<int>(kOutTokens); ++i) {
      const uint32_t first = item.row0 + i * kOutTokens;
      if (first >= item.row_end) break;
      const float* d = acc + 8 * i;
      store_matrix_transposed(out_tile(out), pack(d[0], d[1], low), pack(d[2], d[3], high),
                              pack(d[4], d[5], low), pack(d[6], d[7], high));
      warpgroup_sync(1 + group_);
      out_to_y(out, first, item.row_end, n0, vectors);
      warpgroup_sync(1 + group_);
    }
  }

  __device__ __forceinline__ uint32_t pack(float d0, float d1, const RowEpilogue& finish) const {
    const bool has_bias = a_.bias != nullptr;
    const T pair[2] = {round_to<T>(finish(d0, has_bias)), round_to<T>(finish(d1, has_bias))};
    return static_cast<uint32_t>(reinterpret_cast<const uint16_t&>(pair[0])) |
           static_cast<uint32_t>(reinterpret_cast<const uint16_t&>(pair[1])) << 16;
  }

  /// Where this lane's row of its 8 x 8 tile goes: [token][64 n], chunks of 16 bytes XORed by
  /// token.
  __device__ __forceinline__ uint32_t out_tile(uint32_t out) const {
    const uint32_t token = lane_ / 16 * 8 + lane_ % 8;
    const uint32_t chunk = 2 * warp_ + lane_ / 8 % 2;
    return out + token * kRowBytes + (chunk ^ (token % 8)) * 16;
  }

  __device__ __forceinline__ void out_to_y(uint32_t out, uint32_t first, uint32_t row_end,
                                           uint32_t n0, bool vectors) const {
    const uint32_t thread = threadIdx.x % 128, token = thread / 8, chunk = thread % 8;
    const uint32_t row = first + token, n = n0 + 8 * chunk;
    if (row >= row_end || n >= a_.n) return;
    const uint4 v = load_shared16(out + token * kRowBytes + (chunk ^ (token % 8)) * 16);
    uint16_t* y = static_cast<uint16_t*>(a_.y) + row * a_.y_stride + n;
    if (vectors && n + 8 <= a_.n) {
      *reinterpret_cast<uint4*>(y) = v;
      return;
    }
    const uint32_t words[4] = {v.x, v.y, v.z, v.w};
#pragma unroll
    for (uint32_t i = 0; i < 8; ++i)
      if (n + i < a_.n) y[i] = static_cast<uint16_t>(words[i / 2] >> (16 * (i % 2)));
  }

  const GemmArgs& a_;
  const Shared<S>& shared_;
  uint32_t group_, warp_, lane_, w_at_, scale_at_;
  RingPlace place_;
  uint32_t released_ = 0;
};

/// Tells the compiler that a warp's lanes agree, so that ring slots and matrix descriptors stay in
/// uniform registers: eight instructions less a unit.
__device__ __forceinline__ void make_uniform(Segment& segment) {
  segment.item = __shfl_sync(0xFFFFFFFFu, segment.item, 0);
  segment.step0 = __shfl_sync(0xFFFFFFFFu, segment.step0, 0);
  segment.step1 = __shfl_sync(0xFFFFFFFFu, segment.step1, 0);
}

template <class T, class S>
__device__ __forceinline__ void consume(const GemmArgs& a, const Shared<S>& shared,
                                        Segments segments, const ItemList& items, uint32_t steps) {
  Consumer<T, S> consumer(a, shared);
  constexpr uint32_t kVectors = S::kAcc / 4 * S::kConsumerThreads;
  uint4* partials = reinterpret_cast<uint4*>(a.partials);
  Segment segment;
  while (segments.next(segment)) {
    make_uniform(segment);
    float acc[S::kAcc];
#pragma unroll
    for (float& value : acc) value = 0.0f;
    consumer.sum(segment, acc);
    if (segment.step0 != 0) {
      publish_registers(partials + segments.rank() * kVectors, S::kConsumerThreads, threadIdx.x,
                        acc);
      continue;
    }
    if (segment.step1 != steps) {
      const uint32_t last = segments.last_rank_of(segment.item);
      collect_registers(partials, S::kConsumerThreads, threadIdx.x, segments.rank() + 1, last, acc);
    }
    consumer.store(items[segment.item], acc);
  }
}

template <class T, class S>
__global__ void __launch_bounds__(S::kThreads, 1)
    mma64_wgmma(const __grid_constant__ GemmArgs a, const __grid_constant__ CUtensorMap x_map,
                uint32_t stages) {
  extern __shared__ uint8_t base[];
  const Shared<S> shared(base, stages);
  let_next_kernel_start();
  if (threadIdx.x == S::kConsumerThreads + 32) prefetch_map(x_map);
  if (threadIdx.x == 0) {
    for (uint32_t i = 0; i < stages; ++i) {
      barrier_init(shared.full(i), S::kFillers);
      barrier_init(shared.empty(i), 4 * S::kConsumers);
    }
    barrier_init_fence();
  }
  if (a.rows_end != nullptr) wait_for_kernels_before();
  const uint32_t n_tiles = (a.n_tiles + S::kConsumers - 1) / S::kConsumers;
  const uint32_t steps = (a.k_tiles + S::kUnits - 1) / S::kUnits;
  uint32_t* tiles_before = reinterpret_cast<uint32_t*>(
      base + (shared.barriers - shared_address(base)) + shared.kBarrierBytes);
  const ItemList items(a, S::kTokens, n_tiles, kRaster, tiles_before);
  __syncthreads();
  const Segments segments(
      a.rows_end != nullptr ? deal_items(items.grouped_size(), steps, gridDim.x) : a.shares, steps);
  if (threadIdx.x >= S::kConsumerThreads) {
    registers_down<S::kProducerRegisters>();
    const Producer<S> producer(a, x_map, shared);
    if (threadIdx.x == S::kConsumerThreads) producer.fill_w(segments, items);
    if (threadIdx.x == S::kConsumerThreads + 32) producer.fill_x(segments, items);
    if constexpr (S::Format::kScalesBeside)
      if (threadIdx.x / 32 == S::kConsumerThreads / 32 + 2) producer.fill_numbers(segments, items);
  } else {
    registers_up<S::kConsumerRegisters>();
    wait_for_kernels_before();
    consume<T, S>(a, shared, segments, items, steps);
  }
}

template <class S>
uint32_t item_count(const GemmArgs& args) {
  return (args.m + S::kTokens - 1) / S::kTokens *
         ((args.n_tiles + S::kConsumers - 1) / S::kConsumers);
}
template <class S>
uint32_t step_count(const GemmArgs& args) {
  return (args.k_tiles + S::kUnits - 1) / S::kUnits;
}

/// X [m, k_tiles * 64] as [k_tiles][m][64], in boxes of `units` x `tokens` x 64: a stage as the
/// ring wants it. What lies past the ends reads as zero.
Result<CUtensorMap> map_of_x(const GemmArgs& args, Float type, uint32_t tokens, uint32_t units);

template <class S>
Status launch_as(const GemmArgs& args, const LaunchShape& shape, Float type, bool overlap,
                 cudaStream_t stream) {
  IMP_ASSIGN(const CUtensorMap map, map_of_x(args, type, S::kTokens, S::kUnits));
  GemmArgs dealt = args;
  dealt.shares = deal_items(item_count<S>(args), step_count<S>(args), shape.grid);
  return launch(type == Float::kBf16 ? mma64_wgmma<__nv_bfloat16, S> : mma64_wgmma<__half, S>,
                dim3(shape.grid), dim3(S::kThreads), shape.shared_bytes, overlap, stream, dealt,
                map, shape.stages);
}

/// Calls `use` with the tile type of (tokens, rows of W). Int4 has two sets of accumulators, which
/// leave no room for the largest tiles, nor for three consumers.
template <class F, class Use>
auto with_tile(uint32_t tokens, uint32_t rows, const Use& use) {
  if constexpr (F::kScalesBeside) {
    if (tokens == 32) return use(Tile<F, 32, 2, 2>());
    if (tokens == 64) return use(Tile<F, 64, 2, 2>());
    return use(Tile<F, 128, 2, 2>());
  } else {
    const bool three = rows == 3 * kBlockRows;
    if (tokens == 32) return three ? use(Tile<F, 32, 2, 3>()) : use(Tile<F, 32, 2, 2>());
    if (tokens == 64) return three ? use(Tile<F, 64, 2, 3>()) : use(Tile<F, 64, 2, 2>());
    if (tokens == 128) return three ? use(Tile<F, 128, 2, 3>()) : use(Tile<F, 128, 2, 2>());
    return use(Tile<F, 256, 1, 2>());
  }
}

template <class F>
Status launch_format(const GemmArgs& args, const LaunchShape& shape, Float type, bool overlap,
                     cudaStream_t stream) {
  return with_tile<F>(shape.token_tile, shape.row_tile, [&](auto tile) {
    return launch_as<decltype(tile)>(args, shape, type, overlap, stream);
  });
}

// Each in a source file of its own: they compile long.
Status launch_mxfp4(const GemmArgs& args, const LaunchShape& shape, Float type, bool overlap,
                    cudaStream_t stream);
Status launch_int4(const GemmArgs& args, const LaunchShape& shape, Float type, bool overlap,
                   cudaStream_t stream);
/// Of int4, groups of 32, and those whose blocks are no pairs.
Status launch_int4_small_groups(const GemmArgs& args, const LaunchShape& shape, Float type,
                                bool overlap, cudaStream_t stream);

}  // namespace imp::kernels::wgmma

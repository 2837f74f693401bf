// mma64 NVFP4 by wgmma (sm_90a): W decoded into the register operand A, X [tokens, k] in shared
// memory as B, so that the tokens are the width of the instruction (kernel-layouts 13).
//
// A CTA has 128 rows of W (two consumer warpgroups, 64 each) and one producing thread. A stage of
// the ring holds kUnits k64 steps: the blocks of W as they lie in the file, by bulk copies, and X
// in the layout's k order by tensor copies with the 128-byte swizzle. A consumer decodes the next
// step while the tensor cores work on the last one: two sets of A registers, one group of wgmma in
// flight.
#include "kernels/gemm/epilogue.cuh"
#include "kernels/gemm/launch.cuh"
#include "kernels/gemm/partials.cuh"
#include "kernels/gemm/ptx_sm90.cuh"
#include "kernels/gemm/schedule.cuh"

namespace imp::kernels {
namespace {

constexpr uint32_t kConsumers = 2;  ///< warpgroups
constexpr uint32_t kConsumerThreads = 128 * kConsumers;
constexpr uint32_t kThreads = kConsumerThreads + 128;  ///< registers are moved by warpgroups
constexpr int kEntryRegisters = 168, kConsumerRegisters = 232, kProducerRegisters = 40;
static_assert(kConsumers * kConsumerRegisters + kProducerRegisters <=
              (kConsumers + 1) * kEntryRegisters);
constexpr uint32_t kRaster = 4;
constexpr uint32_t kOutTokens =
    16;  ///< tokens that pass through shared memory at once on their way to Y
constexpr uint32_t kOutBytes = kOutTokens * kBlockRows * 2;
constexpr uint32_t kMaxStages = 12;
constexpr uint32_t kRowBytes = kBlockColumns * 2;  ///< of X in one k64 step

template <int kTokens, int kUnits>
struct Stage {
  static constexpr uint32_t kXBytes = kTokens * kRowBytes;             ///< of one k64 step
  static constexpr uint32_t kWAt = kUnits * kXBytes;                   ///< where W begins
  static constexpr uint32_t kWBytes = kUnits * kMma64Nvfp4BlockBytes;  ///< of one warpgroup
  static constexpr uint32_t kBytes = (kWAt + kConsumers * kWBytes + 1023) / 1024 * 1024;
};

/// Addresses in shared memory. The ring is aligned to 1024 bytes, the period of the swizzle.
template <int kTokens, int kUnits>
struct Shared {
  uint32_t ring, out, barriers, stages;
  __device__ __forceinline__ Shared(uint8_t* base, uint32_t stage_count)
      : ring((shared_address(base) + 1023) / 1024 * 1024),
        out(ring + stage_count * Stage<kTokens, kUnits>::kBytes),
        barriers(out + kConsumers * kOutBytes),
        stages(stage_count) {
    asm volatile("" : "+r"(ring));  // else its making is repeated in the main loop
  }
  __device__ __forceinline__ uint32_t stage(uint32_t i) const {
    return ring + i * Stage<kTokens, kUnits>::kBytes;
  }
  __device__ __forceinline__ uint32_t full(uint32_t i) const { return barriers + 8 * i; }
  __device__ __forceinline__ uint32_t empty(uint32_t i) const {
    return barriers + 8 * (kMaxStages + i);
  }
  static constexpr uint32_t kBarrierBytes = 16 * kMaxStages;
  __device__ __forceinline__ void init_barriers() const {
    for (uint32_t i = 0; i < stages; ++i) {
      barrier_init(full(i), 1);
      barrier_init(empty(i), 4 * kConsumers);
    }
    barrier_init_fence();
  }
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

/// Walks the stages of a CTA's segments.
struct StageCursor {
  Segments segments;
  Segment segment;
  Item item;
  uint32_t step;
  bool valid;
  __device__ __forceinline__ StageCursor(const Segments& s, const ItemList& items) : segments(s) {
    next_segment(items);
  }
  __device__ __forceinline__ void advance(const ItemList& items) {
    if (++step == segment.step1) next_segment(items);
  }

 private:
  __device__ __forceinline__ void next_segment(const ItemList& items) {
    valid = segments.next(segment);
    if (!valid) return;
    item = items[segment.item];
    step = segment.step0;
  }
};

/// One thread that fills the ring.
template <int kTokens, int kUnits>
class Producer {
 public:
  using S = Stage<kTokens, kUnits>;
  __device__ __forceinline__ Producer(const GemmArgs& a, const CUtensorMap& x,
                                      const Shared<kTokens, kUnits>& shared)
      : a_(a), x_(x), shared_(shared) {}

  /// Weights do not depend on the kernel before: the first ring of them is on its way before X may
  /// be read.
  __device__ __forceinline__ void start(const Segments& segments, const ItemList& items) const {
    StageCursor w(segments, items);
    for (uint32_t i = 0; i < shared_.stages && w.valid; ++i, w.advance(items)) copy_w(w, i);
  }

  __device__ __forceinline__ void run(const Segments& segments, const ItemList& items) const {
    StageCursor at(segments, items);
    wait_for_kernels_before();
    for (uint32_t i = 0; i < shared_.stages && at.valid; ++i, at.advance(items)) copy_x(at, i);
    RingPlace place;
    for (; at.valid; at.advance(items), place.advance(shared_.stages)) {
      barrier_wait(shared_.empty(place.slot), place.parity);
      copy_w(at, place.slot);
      copy_x(at, place.slot);
    }
  }

 private:
  __device__ __forceinline__ uint32_t units(const StageCursor& at) const {
    return min(static_cast<uint32_t>(kUnits), a_.k_tiles - at.step * kUnits);
  }
  __device__ __forceinline__ void copy_w(const StageCursor& at, uint32_t slot) const {
    const uint32_t count = units(at), bytes = count * kMma64Nvfp4BlockBytes;
    const uint32_t tile = at.item.n_tile * kConsumers;
    const uint32_t tiles = min(kConsumers, a_.n_tiles - tile);
    const uint32_t full = shared_.full(slot);
    barrier_expect_bytes(full, tiles * bytes + count * S::kXBytes);
    const uint8_t* from =
        a_.blocks + at.item.expert * a_.expert_stride_bytes +
        (static_cast<uint64_t>(tile) * a_.k_tiles + at.step * kUnits) * kMma64Nvfp4BlockBytes;
    const uint32_t to = shared_.stage(slot) + S::kWAt;
    copy_bulk(to, from, bytes, full);
    if (tiles == kConsumers)
      copy_bulk(to + S::kWBytes, from + a_.k_tiles * kMma64Nvfp4BlockBytes, bytes, full);
  }
  __device__ __forceinline__ void copy_x(const StageCursor& at, uint32_t slot) const {
    const uint32_t count = units(at);
    for (uint32_t u = 0; u < count; ++u)
      copy_box(shared_.stage(slot) + u * S::kXBytes, x_, (at.step * kUnits + u) * kBlockColumns,
               at.item.row0, shared_.full(slot));
  }

  const GemmArgs& a_;
  const CUtensorMap& x_;
  const Shared<kTokens, kUnits>& shared_;
};

/// One warpgroup that multiplies 64 rows of W.
template <class T, int kTokens, int kUnits>
class Consumer {
 public:
  using S = Stage<kTokens, kUnits>;
  static constexpr int kAcc = kTokens / 2;
  using Accumulators = float[kAcc];

  __device__ __forceinline__ Consumer(const GemmArgs& a, const Shared<kTokens, kUnits>& shared)
      : a_(a),
        shared_(shared),
        group_(threadIdx.x / 128),
        warp_(threadIdx.x / 32 % 4),
        lane_(threadIdx.x % 32),
        w_at_(S::kWAt + group_ * S::kWBytes + warp_ * 512 + lane_ * 16),
        scale_at_(S::kWAt + group_ * S::kWBytes + 2048 + lane_ * 8 + warp_ * 2) {}

  /// Units of k64 go in pairs, so that each has its own A registers and the loop has no branch
  /// around a wgmma: ptxas would otherwise make the tensor cores wait. A unit without partner goes
  /// alone.
  __device__ __forceinline__ void sum(const Segment& segment, Accumulators& acc) {
    uint32_t even[16], odd[16];
    const uint32_t begin = segment.step0 * kUnits;
    const uint32_t units = min(segment.step1 * kUnits, a_.k_tiles) - begin;
    const uint32_t pairs = units / 2;
    place_.slot = __shfl_sync(0xFFFFFFFFu, place_.slot, 0);  // see make_uniform()
    if constexpr (kUnits == 2) {
      Packed packed[2];
      fetch(packed);  // outside of any branch: see pair_of_units()
      for (uint32_t i = 0; i < pairs; ++i)
        pair_of_units(i > 0, i + 1 < pairs, packed, even, odd, acc);
    } else {
      for (uint32_t i = 0; i < pairs; ++i) pair_of_stages(i > 0, even, odd, acc);
    }
    wgmma_wait<0>();
    if (pairs > 0) release();
    if (units % 2 != 0) alone(even, acc);
    wgmma_results_ready(acc);
  }

  /// Multipliers and biases of the lane's two rows, asked for before the main loop.
  struct Finish {
    RowEpilogue low, high;
  };
  __device__ __forceinline__ Finish finish_of(const Item& item) const {
    const uint32_t n = row_of_lane(item);
    return {row_epilogue(a_, item.expert, n), row_epilogue(a_, item.expert, n + 8)};
  }

  __device__ __forceinline__ void store(const Item& item, const Finish& finish,
                                        const Accumulators& acc) const {
    const uint32_t tile = item.n_tile * kConsumers + group_;
    if (tile >= a_.n_tiles) return;
    if (a_.y_type == Float::kF32)
      store_f32(item, row_of_lane(item), finish.low, finish.high, acc);
    else
      store_16(item, tile * kBlockRows, finish.low, finish.high, acc);
  }

 private:
  __device__ __forceinline__ uint32_t row_of_lane(const Item& item) const {
    return (item.n_tile * kConsumers + group_) * kBlockRows + 16 * warp_ + lane_ / 4;
  }

  /// What a lane has of one unit.
  struct Packed {
    uint4 codes;
    uint32_t scales;
  };

  __device__ __forceinline__ void wait_full() const {
    barrier_wait_warp(shared_.full(place_.slot), place_.parity);
  }
  __device__ __forceinline__ Packed load(uint32_t u) const {
    const uint32_t at = shared_.stage(place_.slot) + u * kMma64Nvfp4BlockBytes;
    return {load_shared16(at + w_at_), load_shared2(at + scale_at_)};
  }
  __device__ __forceinline__ void fetch(Packed (&packed)[2]) const {
    wait_full();
    packed[0] = load(0);
    packed[1] = load(1);
  }

  /// Gives decoded unit `u` of stage `slot` to the tensor cores; the unit before it is done
  /// afterwards.
  __device__ __forceinline__ void issue(uint32_t slot, uint32_t u, uint32_t (&w)[16],
                                        Accumulators& acc) const {
    wgmma_operands_ready(w);
    const uint64_t x = swizzled_rows_descriptor(shared_.stage(slot) + u * S::kXBytes);
    wgmma_fence();
#pragma unroll
    for (int t = 0; t < 4; ++t) Wgmma<T, kTokens>::run(acc, w + 4 * t, x + 2 * t);
    wgmma_commit();
    wgmma_wait<1>();
  }

  /// Both units of a stage. What is decoded next leaves shared memory before the tensor cores get
  /// their work, which blocks the warp.
  __device__ __forceinline__ void pair_of_units(bool behind, bool more, Packed (&packed)[2],
                                                uint32_t (&even)[16], uint32_t (&odd)[16],
                                                Accumulators& acc) {
    const uint32_t slot = place_.slot;
    decode(packed[0], even);
    issue(slot, 0, even, acc);
    if (behind) release();  // the stage before
    decode(packed[1], odd);
    RingPlace next = place_;
    next.advance(shared_.stages);
    // The last pair fetches itself again: a branch around the wait makes ptxas give up uniform
    // registers, which costs seven instructions more a unit.
    if (more) place_ = next;
    fetch(packed);
    issue(slot, 1, odd, acc);
    place_ = next;
  }

  /// Two stages of one unit. Beside 128 accumulators there are no registers to fetch ahead.
  __device__ __forceinline__ void pair_of_stages(bool behind, uint32_t (&even)[16],
                                                 uint32_t (&odd)[16], Accumulators& acc) {
    wait_full();
    decode(load(0), even);
    issue(place_.slot, 0, even, acc);
    if (behind) release();
    place_.advance(shared_.stages);
    wait_full();
    decode(load(0), odd);
    issue(place_.slot, 0, odd, acc);
    release();
    place_.advance(shared_.stages);
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
    const uint4& codes = packed.codes;
    const uint32_t scales = packed.scales;
    const uint32_t low = Mma64Decode<T>::scale_pair(scales & 0xFF);
    const uint32_t high = Mma64Decode<T>::scale_pair(scales >> 8);
    uint32_t r[4][4];
    weight_pairs<T>(codes.x, low, r[0]);
    weight_pairs<T>(codes.y, low, r[1]);
    weight_pairs<T>(codes.z, high, r[2]);
    weight_pairs<T>(codes.w, high, r[3]);
#pragma unroll
    for (int t = 0; t < 4; ++t) {
      w[4 * t] = r[t / 2][t % 2 * 2];
      w[4 * t + 1] = r[2 + t / 2][t % 2 * 2];
      w[4 * t + 2] = r[t / 2][t % 2 * 2 + 1];
      w[4 * t + 3] = r[2 + t / 2][t % 2 * 2 + 1];
    }
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
    for (int i = 0; i < kTokens / static_cast<int>(kOutTokens); ++i) {
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
  const Shared<kTokens, kUnits>& shared_;
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

template <class T, int kTokens, int kUnits>
__device__ __forceinline__ void consume(const GemmArgs& a, const Shared<kTokens, kUnits>& shared,
                                        Segments segments, const ItemList& items, uint32_t steps) {
  Consumer<T, kTokens, kUnits> consumer(a, shared);
  constexpr int kAcc = kTokens / 2;
  constexpr uint32_t kVectors = kAcc / 4 * kConsumerThreads;
  constexpr bool kFinishFirst =
      kAcc <= 64;  // beside more accumulators there are no registers for it
  uint4* partials = reinterpret_cast<uint4*>(a.partials);
  Segment segment;
  while (segments.next(segment)) {
    make_uniform(segment);
    float acc[kAcc];
#pragma unroll
    for (float& value : acc) value = 0.0f;
    const Item item = items[segment.item];
    typename Consumer<T, kTokens, kUnits>::Finish finish;
    if constexpr (kFinishFirst) finish = consumer.finish_of(item);
    consumer.sum(segment, acc);
    if (segment.step0 != 0) {
      publish_registers(partials + segments.rank() * kVectors, kConsumerThreads, threadIdx.x, acc);
      continue;
    }
    if (segment.step1 != steps) {
      const uint32_t last = segments.last_rank_of(segment.item);
      collect_registers(partials, kConsumerThreads, threadIdx.x, segments.rank() + 1, last, acc);
    }
    if constexpr (!kFinishFirst) finish = consumer.finish_of(item);
    consumer.store(item, finish, acc);
  }
}

template <class T, int kTokens, int kUnits>
__global__ void __launch_bounds__(kThreads, 1)
    mma64_nvfp4_wgmma(const __grid_constant__ GemmArgs a, const __grid_constant__ CUtensorMap x_map,
                      uint32_t stages) {
  extern __shared__ uint8_t base[];
  const Shared<kTokens, kUnits> shared(base, stages);
  let_next_kernel_start();
  const bool producer = threadIdx.x == kConsumerThreads, grouped = a.rows_end != nullptr;
  const uint32_t n_tiles = (a.n_tiles + kConsumers - 1) / kConsumers;
  const uint32_t steps = (a.k_tiles + kUnits - 1) / kUnits;
  uint32_t* tiles_before = reinterpret_cast<uint32_t*>(
      base + (shared.barriers - shared_address(base)) + shared.kBarrierBytes);
  if (grouped) wait_for_kernels_before();
  const ItemList items(a, kTokens, n_tiles, kRaster, tiles_before);
  if (grouped) __syncthreads();
  const Segments segments(grouped ? deal_items(items.grouped_size(), steps, gridDim.x) : a.shares,
                          steps);
  const Producer<kTokens, kUnits> fill(a, x_map, shared);
  if (producer) {  // the first weights are asked for before anything else is done
    prefetch_map(x_map);
    shared.init_barriers();
    fill.start(segments, items);
  }
  __syncthreads();
  if (threadIdx.x >= kConsumerThreads) {
    registers_down<kProducerRegisters>();
    if (producer) fill.run(segments, items);
  } else {
    registers_up<kConsumerRegisters>();
    wait_for_kernels_before();
    consume<T, kTokens, kUnits>(a, shared, segments, items, steps);
  }
}

template <int kTokens, int kUnits>
Result<LaunchShape> shape_of(const GemmArgs& args, const cuda::Device& device, uint64_t limit) {
  using S = Stage<kTokens, kUnits>;
  const uint64_t fixed = 1024 + kConsumers * kOutBytes + Shared<kTokens, kUnits>::kBarrierBytes +
                         (args.rows_end != nullptr ? (args.experts + 1) * sizeof(uint32_t) : 0);
  LaunchShape shape;
  shape.token_tile = kTokens;
  if (limit >= fixed)
    shape.stages =
        static_cast<uint32_t>(std::min<uint64_t>(kMaxStages, (limit - fixed) / S::kBytes));
  if (shape.stages < 2)
    return Error{ErrorKind::kUnsupportedLayout,
                 "the wgmma kernel needs " + std::to_string(fixed + 2 * S::kBytes) +
                     " bytes of shared memory a block, there are " + std::to_string(limit),
                 "", ""};
  shape.shared_bytes = static_cast<uint32_t>(fixed + shape.stages * S::kBytes);
  shape.grid = device.multiprocessors;
  shape.partial_bytes = static_cast<uint64_t>(shape.grid) * kConsumerThreads * kTokens / 2 * 4;
  return shape;
}

using EncodeTiled = CUresult (*)(CUtensorMap*, CUtensorMapDataType, cuuint32_t, void*,
                                 const cuuint64_t*, const cuuint64_t*, const cuuint32_t*,
                                 const cuuint32_t*, CUtensorMapInterleave, CUtensorMapSwizzle,
                                 CUtensorMapL2promotion, CUtensorMapFloatOOBfill);

/// The driver's function, asked for at run time: no link against the driver.
Result<EncodeTiled> find_encode_tiled() {
  void* function = nullptr;
  cudaDriverEntryPointQueryResult found = cudaDriverEntryPointSymbolNotFound;
  IMP_TRY(cuda::check(cudaGetDriverEntryPointByVersion("cuTensorMapEncodeTiled", &function, 12000,
                                                       cudaEnableDefault, &found),
                      "the driver's tensor maps"));
  if (found != cudaDriverEntryPointSuccess || function == nullptr)
    return Error{ErrorKind::kNoDevice, "the driver has no tensor maps (CUDA 12 or newer is needed)",
                 "", ""};
  return reinterpret_cast<EncodeTiled>(function);
}

/// X [m, k_tiles * 64] in boxes of 64 columns and `tokens` rows; rows past m read as zero.
Result<CUtensorMap> map_of_x(const GemmArgs& args, Float type, uint32_t tokens) {
  IMP_ASSIGN(const EncodeTiled encode, find_encode_tiled());
  CUtensorMap map;
  const cuuint64_t sizes[2] = {static_cast<cuuint64_t>(args.k_tiles) * kBlockColumns, args.m};
  const cuuint64_t pitch[1] = {args.x_stride * 2};
  const cuuint32_t box[2] = {kBlockColumns, tokens};
  const cuuint32_t strides[2] = {1, 1};
  const CUresult code = encode(
      &map,
      type == Float::kBf16 ? CU_TENSOR_MAP_DATA_TYPE_BFLOAT16 : CU_TENSOR_MAP_DATA_TYPE_FLOAT16, 2,
      const_cast<void*>(args.x), sizes, pitch, box, strides, CU_TENSOR_MAP_INTERLEAVE_NONE,
      CU_TENSOR_MAP_SWIZZLE_128B, CU_TENSOR_MAP_L2_PROMOTION_L2_256B,
      CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE);
  if (code != CUDA_SUCCESS)
    return Error{ErrorKind::kBadShape,
                 "the driver refuses a tensor map of X, code " + std::to_string(code), "", ""};
  return map;
}

template <int kTokens, int kUnits>
Status launch_as(const GemmArgs& args, const LaunchShape& shape, Float type, bool overlap,
                 cudaStream_t stream) {
  IMP_ASSIGN(const CUtensorMap map, map_of_x(args, type, kTokens));
  GemmArgs dealt = args;
  dealt.shares =
      deal_items((args.m + kTokens - 1) / kTokens * ((args.n_tiles + kConsumers - 1) / kConsumers),
                 (args.k_tiles + kUnits - 1) / kUnits, shape.grid);
  return launch(type == Float::kBf16 ? mma64_nvfp4_wgmma<__nv_bfloat16, kTokens, kUnits>
                                     : mma64_nvfp4_wgmma<__half, kTokens, kUnits>,
                dim3(shape.grid), dim3(kThreads), shape.shared_bytes, overlap, stream, dealt, map,
                shape.stages);
}

uint32_t choose_tokens(const GemmArgs& args, uint32_t) {
  const uint64_t rows =
      args.rows_end != nullptr ? (args.m + args.experts - 1) / args.experts : args.m;
  return rows <= 32 ? 32 : rows <= 64 ? 64 : rows <= 128 ? 128 : 256;
}

}  // namespace

Result<LaunchShape> wgmma_shape(const GemmArgs& args, const cuda::Device& device, uint64_t limit) {
  switch (args.token_tile != 0 ? args.token_tile : choose_tokens(args, device.multiprocessors)) {
    case 32:
      return shape_of<32, 2>(args, device, limit);
    case 64:
      return shape_of<64, 2>(args, device, limit);
    case 128:
      return shape_of<128, 2>(args, device, limit);
    case 256:
      return shape_of<256, 1>(args, device, limit);
    default:
      return Error{ErrorKind::kBadShape,
                   "token tile " + std::to_string(args.token_tile) +
                       ", the wgmma kernel has 32, 64, 128 and 256",
                   "", ""};
  }
}

Status launch_wgmma(const GemmArgs& args, const LaunchShape& shape, Float type, bool overlap,
                    cuda::StreamHandle stream) {
  switch (shape.token_tile) {
    case 32:
      return launch_as<32, 2>(args, shape, type, overlap, stream);
    case 64:
      return launch_as<64, 2>(args, shape, type, overlap, stream);
    case 128:
      return launch_as<128, 2>(args, shape, type, overlap, stream);
    default:
      return launch_as<256, 1>(args, shape, type, overlap, stream);
  }
}

}  // namespace imp::kernels

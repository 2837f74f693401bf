// The wgmma kernel's launch shapes, its map of X, and its kernels for NVFP4.
#include "kernels/gemm/mma64_wgmma.cuh"

namespace imp::kernels {
namespace wgmma {
namespace {

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

}  // namespace

Result<CUtensorMap> map_of_x(const GemmArgs& args, Float type, uint32_t tokens, uint32_t units) {
  IMP_ASSIGN(const EncodeTiled encode, find_encode_tiled());
  CUtensorMap map;
  const cuuint64_t sizes[3] = {kBlockColumns, args.m, args.k_tiles};
  const cuuint64_t pitches[2] = {args.x_stride * 2, kRowBytes};
  const cuuint32_t box[3] = {kBlockColumns, tokens, units};
  const cuuint32_t strides[3] = {1, 1, 1};
  const CUresult code = encode(
      &map,
      type == Float::kBf16 ? CU_TENSOR_MAP_DATA_TYPE_BFLOAT16 : CU_TENSOR_MAP_DATA_TYPE_FLOAT16, 3,
      const_cast<void*>(args.x), sizes, pitches, box, strides, CU_TENSOR_MAP_INTERLEAVE_NONE,
      CU_TENSOR_MAP_SWIZZLE_128B, CU_TENSOR_MAP_L2_PROMOTION_L2_256B,
      CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE);
  if (code != CUDA_SUCCESS)
    return Error{ErrorKind::kBadShape,
                 "the driver refuses a tensor map of X, code " + std::to_string(code), "", ""};
  return map;
}

}  // namespace wgmma

namespace {

using namespace wgmma;

/// Bytes of shared memory beside the ring.
template <class S>
uint64_t fixed_bytes(const GemmArgs& args) {
  const uint64_t counts = args.rows_end != nullptr ? (args.experts + 1) * sizeof(uint32_t) : 0;
  return 1024 + S::kConsumers * kOutBytes + Shared<S>::kBarrierBytes + counts;
}
template <class S>
bool fits(const GemmArgs& args, uint64_t limit) {
  return fixed_bytes<S>(args) + 2 * S::kStageBytes <= limit;
}

template <class S>
Result<LaunchShape> shape_of(const GemmArgs& args, const cuda::Device& device, uint64_t limit) {
  const uint64_t fixed = fixed_bytes<S>(args);
  if (!fits<S>(args, limit))
    return Error{ErrorKind::kUnsupportedLayout,
                 "the wgmma kernel needs " + std::to_string(fixed + 2 * S::kStageBytes) +
                     " bytes of shared memory a block, there are " + std::to_string(limit),
                 "", ""};
  LaunchShape shape;
  shape.token_tile = S::kTokens;
  shape.row_tile = S::kConsumers * kBlockRows;
  shape.stages =
      static_cast<uint32_t>(std::min<uint64_t>(kMaxStages, (limit - fixed) / S::kStageBytes));
  shape.shared_bytes = static_cast<uint32_t>(fixed + shape.stages * S::kStageBytes);
  shape.grid = device.multiprocessors;
  if (args.rows_end == nullptr)
    shape.grid = grid_for_items(item_count<S>(args), step_count<S>(args), device.multiprocessors);
  shape.partial_bytes =
      static_cast<uint64_t>(shape.grid) * S::kConsumerThreads * S::kAcc * sizeof(float);
  return shape;
}

/// What a launch costs with one tile, in clocks, beside what is the same for all: fitted to figures
/// of an H200 (src/bench/README.md).
struct TileCost {
  uint32_t tokens;
  uint32_t consumers;
  uint64_t unit;       ///< of one k64 step of a tile
  uint64_t neighbour;  ///< of a partial tile that another CTA hands over
};
constexpr TileCost kTileCosts[] = {{32, 2, 375, 800},   {32, 3, 485, 1000},  {64, 2, 440, 1500},
                                   {64, 3, 552, 2100},  {128, 2, 613, 2600}, {128, 3, 825, 3800},
                                   {256, 2, 1230, 5500}};

uint64_t cost_of(const TileCost& tile, const GemmArgs& args, uint64_t rows, uint64_t experts,
                 uint32_t ctas) {
  const uint64_t n_tiles = (args.n_tiles + tile.consumers - 1) / tile.consumers;
  const uint64_t items = (rows + tile.tokens - 1) / tile.tokens * n_tiles * experts;
  const uint64_t waves = (items + ctas - 1) / ctas;
  const bool whole = (waves * ctas - items) * 16 <= items;
  if (whole) return waves * args.k_tiles * tile.unit;
  const uint64_t neighbours = 1 + (ctas + items - 1) / items;
  return (items * args.k_tiles * tile.unit + ctas - 1) / ctas + neighbours * tile.neighbour;
}

template <class F>
bool fits_as(const TileCost& tile, const GemmArgs& args, uint64_t limit) {
  return with_tile<F>(tile.tokens, tile.consumers * kBlockRows,
                      [&](auto shape) { return fits<decltype(shape)>(args, limit); });
}

/// The tile is one that the format has, and fits.
bool fits(const TileCost& tile, const GemmArgs& args, uint64_t limit) {
  switch (args.format) {
    case Mma64Format::kNvfp4:
      return fits_as<Nvfp4>(tile, args, limit);
    case Mma64Format::kMxfp4:
      return fits_as<Mxfp4>(tile, args, limit);
    default:
      return fits_as<Int4<true>>(tile, args, limit);  // these need most
  }
}

/// See with_tile().
bool int4_has(const TileCost& tile) { return tile.consumers == 2 && tile.tokens <= 128; }

/// The cheapest tile that fits, of those with args.token_tile tokens if the caller asks for it; one
/// that does not fit where none does; null if there is none of that many tokens.
const TileCost* choose_tile(const GemmArgs& args, uint32_t ctas, uint64_t limit) {
  const uint64_t experts = args.rows_end != nullptr ? args.experts : 1;
  const uint64_t rows = (args.m + experts - 1) / experts;
  const TileCost* best = nullptr;
  uint64_t least = UINT64_MAX;
  for (const TileCost& tile : kTileCosts) {
    if (args.token_tile != 0 && args.token_tile != tile.tokens) continue;
    if (args.format == Mma64Format::kInt4 && !int4_has(tile)) continue;
    const uint64_t cost =
        fits(tile, args, limit) ? cost_of(tile, args, rows, experts, ctas) : UINT64_MAX;
    if (best != nullptr && cost >= least) continue;
    best = &tile;
    least = cost;
  }
  return best;
}

}  // namespace

Result<LaunchShape> wgmma_shape(const GemmArgs& args, const cuda::Device& device, uint64_t limit) {
  const TileCost* tile = choose_tile(args, device.multiprocessors, limit);
  if (tile == nullptr)
    return Error{ErrorKind::kBadShape,
                 "token tile " + std::to_string(args.token_tile) +
                     ", the wgmma kernel has 32, 64, 128 and 256",
                 "", ""};
  const auto shape_as = [&](auto shape) { return shape_of<decltype(shape)>(args, device, limit); };
  const uint32_t rows = tile->consumers * kBlockRows;
  switch (args.format) {
    case Mma64Format::kNvfp4:
      return with_tile<Nvfp4>(tile->tokens, rows, shape_as);
    case Mma64Format::kMxfp4:
      return with_tile<Mxfp4>(tile->tokens, rows, shape_as);
    default:
      return args.group_blocks == 0 ? with_tile<Int4<true>>(tile->tokens, rows, shape_as)
                                    : with_tile<Int4<false>>(tile->tokens, rows, shape_as);
  }
}

Status launch_wgmma(const GemmArgs& args, const LaunchShape& shape, Float type, bool overlap,
                    cuda::StreamHandle stream) {
  switch (args.format) {
    case Mma64Format::kNvfp4:
      return wgmma::launch_format<Nvfp4>(args, shape, type, overlap, stream);
    case Mma64Format::kMxfp4:
      return wgmma::launch_mxfp4(args, shape, type, overlap, stream);
    default:
      return args.group_blocks != 0 && args.group_blocks % 2 == 0
                 ? wgmma::launch_int4(args, shape, type, overlap, stream)
                 : wgmma::launch_int4_small_groups(args, shape, type, overlap, stream);
  }
}

}  // namespace imp::kernels

// The decode kernel's launch shapes, and its kernels for NVFP4.
#include "kernels/gemm/mma64_decode.cuh"

namespace imp::kernels {
namespace {

using namespace decode;

/// A few multiprocessors may stay idle where the others then have the same number of blocks and
/// items end where a CTA ends: fewer partial sums cross CTAs.
uint32_t grid_for(const GemmArgs& args, uint32_t multiprocessors, uint32_t warps) {
  const uint32_t blocks = args.n_tiles * args.k_tiles;
  for (uint32_t grid = multiprocessors; grid * 16 >= multiprocessors * 15; --grid) {
    const uint32_t of_cta = blocks / grid;
    if (blocks % (grid * warps) == 0 && (of_cta % args.k_tiles == 0 || args.k_tiles % of_cta == 0))
      return grid;
  }
  return multiprocessors;
}

}  // namespace

Result<LaunchShape> decode_shape(const GemmArgs& args, const cuda::Device& device, uint64_t limit) {
  constexpr uint64_t kStatic =
      kItemsWithTable * (kBlockRows * sizeof(RowEpilogue) + sizeof(ItemParts));
  const bool grouped = args.rows_end != nullptr;
  const uint64_t counts_bytes = grouped ? (args.experts + 1) * sizeof(uint32_t) : 0;
  const bool few = args.m <= 8 || (grouped && args.m <= 4ull * args.experts);
  // The counts of many experts leave no room for large slots on a card with 99 KiB.
  const bool fits = slot_bytes<2>() + counts_bytes + kStatic <= limit;
  const bool one_tile = few || (grouped && !fits);
  LaunchShape shape;
  shape.token_tile = one_tile ? 8 : 16;
  shape.shared_bytes =
      static_cast<uint32_t>((one_tile ? slot_bytes<1>() : slot_bytes<2>()) + counts_bytes);
  shape.grid = grouped
                   ? device.multiprocessors
                   : grid_for(args, device.multiprocessors, one_tile ? kWarpsFor<1> : kWarpsFor<2>);
  shape.partial_bytes = static_cast<uint64_t>(shape.grid) * shape.token_tile * kBlockRows * 4;
  if (shape.shared_bytes + kStatic > limit)
    return Error{ErrorKind::kUnsupportedLayout,
                 "the decode kernel needs " + std::to_string(shape.shared_bytes + kStatic) +
                     " bytes of shared memory a block, there are " + std::to_string(limit),
                 "", ""};
  return shape;
}

Status launch_decode(const GemmArgs& args, const LaunchShape& shape, Float type, bool overlap,
                     cuda::StreamHandle stream) {
  switch (args.format) {
    case Mma64Format::kNvfp4:
      return decode::launch_format<Nvfp4>(args, shape, type, overlap, stream);
    case Mma64Format::kMxfp4:
      return decode::launch_mxfp4(args, shape, type, overlap, stream);
    default:
      return decode::launch_int4(args, shape, type, overlap, stream);
  }
}

}  // namespace imp::kernels

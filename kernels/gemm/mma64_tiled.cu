// The tiled kernel's launch shapes, and its kernels for NVFP4.
#include "kernels/gemm/mma64_tiled.cuh"

namespace imp::kernels {
namespace {

using namespace tiled;

template <class S>
Result<LaunchShape> shape_of(const GemmArgs& args, const cuda::Device& device, uint64_t limit) {
  LaunchShape shape;
  shape.token_tile = S::kTokens;
  shape.stages = S::kStages;
  shape.shared_bytes =
      S::kSharedBytes +
      (args.rows_end != nullptr ? (args.experts + 1) * static_cast<uint32_t>(sizeof(uint32_t)) : 0);
  if (shape.shared_bytes > limit)
    return Error{ErrorKind::kUnsupportedLayout,
                 "the tiled kernel needs " + std::to_string(shape.shared_bytes) +
                     " bytes of shared memory a block, there are " + std::to_string(limit),
                 "", ""};
  const auto fit =
      static_cast<uint32_t>(limit / (shape.shared_bytes + 1024));  // 1 KiB a block is the system's
  shape.grid = device.multiprocessors * std::max(1u, std::min<uint32_t>(S::kBlocks, fit));
  shape.partial_bytes =
      static_cast<uint64_t>(shape.grid) * S::kAccumulators * S::kThreads * sizeof(float);
  return shape;
}

}  // namespace

Result<LaunchShape> tiled_shape(const GemmArgs& args, const cuda::Device& device, uint64_t limit) {
  const uint64_t rows =
      args.rows_end != nullptr ? (args.m + args.experts - 1) / args.experts : args.m;
  const uint64_t chosen = rows <= Small::kTokens    ? Small::kTokens
                          : rows <= Middle::kTokens ? Middle::kTokens
                                                    : Large::kTokens;
  switch (args.token_tile != 0 ? args.token_tile : chosen) {
    case Small::kTokens:
      return args.format == Mma64Format::kInt4 ? shape_of<SmallOfGroups>(args, device, limit)
                                               : shape_of<Small>(args, device, limit);
    case Middle::kTokens:
      return shape_of<Middle>(args, device, limit);
    case Large::kTokens:
      return shape_of<Large>(args, device, limit);
    default:
      return Error{
          ErrorKind::kBadShape,
          "token tile " + std::to_string(args.token_tile) + ", the tiled kernel has 32, 64 and 128",
          "", ""};
  }
}

Status launch_tiled(const GemmArgs& args, const LaunchShape& shape, Float type, bool overlap,
                    cuda::StreamHandle stream) {
  switch (args.format) {
    case Mma64Format::kNvfp4:
      return tiled::launch_format<Nvfp4>(args, shape, type, overlap, stream);
    case Mma64Format::kMxfp4:
      return tiled::launch_mxfp4(args, shape, type, overlap, stream);
    default:
      return tiled::launch_int4(args, shape, type, overlap, stream);
  }
}

}  // namespace imp::kernels

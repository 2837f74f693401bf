// What the kernels of this folder are given: one flat struct, made and checked on the host.
#pragma once

#include <cstdint>

#include "kernels/gemm/gemm.h"

namespace imp::kernels {

/// How the items of a launch are dealt out (schedule.cuh). Dense calls bring it along, because a
/// division costs a kernel that lives for microseconds too much; grouped ones learn it on the
/// device.
struct WorkShares {
  uint32_t items = 0;      ///< output tiles
  uint32_t whole = 0;      ///< of these, the first so many are done by one CTA each
  uint32_t base = 0;       ///< the steps of the others: so many for each rank,
  uint32_t remainder = 0;  ///< and one more for the first so many ranks
};

/// What the blocks of a mma64 weight hold, of the schemes that these kernels take.
enum class Mma64Format : uint8_t { kNvfp4, kMxfp4, kInt4 };

struct GemmArgs {
  const uint8_t* blocks = nullptr;
  uint64_t expert_stride_bytes = 0;
  const void* x = nullptr;
  uint64_t x_stride = 0;  ///< elements
  const uint32_t* rows_end = nullptr;
  void* y = nullptr;
  uint64_t y_stride = 0;  ///< elements
  const float* multiplier = nullptr;
  const void* bias = nullptr;
  uint32_t* partials = nullptr;  ///< f32 bits, all kEmptyPartial between launches
  uint32_t m = 0, n = 0, k = 0;
  uint32_t n_tiles = 0;  ///< of 64 rows of W
  uint32_t k_tiles = 0;  ///< of 64 columns
  uint32_t experts = 1;
  uint32_t parts = 1;
  uint32_t part_end[kMaxParts] = {};
  Float y_type = Float::kBf16;
  Float bias_type = Float::kF32;
  Mma64Format format = Mma64Format::kNvfp4;
  // Of int4 alone: planes in lane order (kernels/layouts, mma64_plane.h), experts without gaps.
  const uint8_t* scales = nullptr;
  const uint8_t* zeros = nullptr;  ///< null: all 8
  Float scale_type = Float::kBf16;
  uint32_t groups = 0;        ///< of a row
  uint32_t group_blocks = 0;  ///< blocks along K under one scale; 0: two groups of 32 in a block
  WorkShares shares;          ///< of dense calls
  uint32_t token_tile = 0;    ///< asked for by the caller
};

inline constexpr uint32_t kBlockRows = 64;
inline constexpr uint32_t kBlockColumns = 64;
inline constexpr uint64_t kMma64Nvfp4BlockBytes = 2304;
inline constexpr uint64_t kMma64Mxfp4BlockBytes = 2176;
inline constexpr uint64_t kMma64Int4BlockBytes = 2048;
constexpr uint64_t mma64_block_bytes(Mma64Format format) {
  switch (format) {
    case Mma64Format::kNvfp4:
      return kMma64Nvfp4BlockBytes;
    case Mma64Format::kMxfp4:
      return kMma64Mxfp4BlockBytes;
    default:
      return kMma64Int4BlockBytes;
  }
}
inline constexpr uint32_t kMaxExperts =
    1024;  ///< of the grouped form: their row counts are summed in shared memory

/// A launch of the prologue: X gathered, scaled, reordered into the workspace.
struct PrologueArgs {
  const void* x = nullptr;
  uint64_t x_stride = 0;
  void* out = nullptr;
  uint64_t out_stride = 0;
  uint32_t m = 0, k = 0, k_tiles = 0;
  const float* k_scale = nullptr;
  const uint32_t* k_gather = nullptr;
  bool from_layout_order = false;
  bool to_layout_order = false;
  bool halves_apart = false;  ///< with to_layout_order: the order of int4 in groups of 32
};

/// How one kernel is launched for one call.
struct LaunchShape {
  uint32_t grid = 0;
  uint32_t token_tile = 0;  ///< rows of X a CTA takes at once
  uint32_t row_tile = 0;    ///< rows of W, where a kernel has several
  uint32_t shared_bytes = 0;
  uint32_t stages = 0;
  uint64_t partial_bytes = 0;  ///< of the workspace
};

// One pair of functions a kernel: the shape of a launch from device facts, and the launch.
// `type` is that of X. `limit` is the shared memory that a block may use.
Result<LaunchShape> decode_shape(const GemmArgs& args, const cuda::Device& device, uint64_t limit);
Status launch_decode(const GemmArgs& args, const LaunchShape& shape, Float type, bool overlap,
                     cuda::StreamHandle stream);
Result<LaunchShape> tiled_shape(const GemmArgs& args, const cuda::Device& device, uint64_t limit);
Status launch_tiled(const GemmArgs& args, const LaunchShape& shape, Float type, bool overlap,
                    cuda::StreamHandle stream);
Result<LaunchShape> wgmma_shape(const GemmArgs& args, const cuda::Device& device, uint64_t limit);
Status launch_wgmma(const GemmArgs& args, const LaunchShape& shape, Float type, bool overlap,
                    cuda::StreamHandle stream);
Status launch_prologue(const PrologueArgs& args, Float type, bool overlap,
                       cuda::StreamHandle stream);

}  // namespace imp::kernels

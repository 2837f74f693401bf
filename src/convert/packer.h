// Who turns the rows of a slab into packed bytes: the CPU, or a card.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "src/base/buffer.h"
#include "src/base/file.h"
#include "src/base/result.h"
#include "src/repack/engine_tiles.h"
#include "src/repack/nvfp4.h"

namespace imp::convert {

/// Packed bytes, readable while `owner` lives.
struct Packed {
  Bytes bytes;
  std::shared_ptr<const void> owner;
};

/// Functions are thread-safe and give the same bytes whoever implements them. Shapes are those of
/// src/repack/nvfp4.h.
class Packer {
 public:
  virtual ~Packer() = default;

  /// Slabs may have this many source bytes, or one unit of rows where that is more.
  virtual uint64_t max_slab_bytes() const = 0;

  /// Groups that lose bits are appended to `lost` in order of index.
  virtual Result<Packed> mma64_nvfp4(const repack::Nvfp4Rows& in, uint64_t first_row,
                                     std::vector<repack::LostGroup>& lost) = 0;
  virtual Result<Packed> native_rows(Bytes codes, uint64_t rows, uint64_t k) = 0;
  virtual Result<Packed> sf128x4(Bytes scales, uint64_t rows, uint64_t groups) = 0;
  // Shapes of src/repack/mma64_variants.h.
  virtual Result<Packed> mma64_mxfp4(Bytes codes, Bytes scales, uint64_t rows, uint64_t k) = 0;
  virtual Result<Packed> mma64_codes(uint32_t bits, Bytes codes, uint64_t rows, uint64_t k) = 0;
  virtual Result<Packed> mma64_plane(uint32_t bits, Bytes plane, uint64_t rows,
                                     uint64_t groups) = 0;
  virtual Result<Packed> native_bytes(Bytes codes, uint64_t rows, uint64_t k) = 0;
  // Shapes of src/repack/engine_tiles.h; pieces one after the other.
  virtual Result<Packed> tiles(repack::TileOrder order, Bytes codes,
                               const repack::PaddedBox& box) = 0;
  virtual Result<Packed> groups(repack::GroupOrder order, uint32_t bits, Bytes plane,
                                const repack::PaddedBox& box) = 0;
};

/// Packs in the calling thread, into buffers of `buffers`, which must outlive what it gives out.
std::unique_ptr<Packer> make_cpu_packer(BufferPool& buffers, repack::Path path);

}  // namespace imp::convert

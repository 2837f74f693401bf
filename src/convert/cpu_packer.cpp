#include "src/convert/packer.h"

#include <limits>

#include "kernels/layouts/native_rows.h"
#include "kernels/layouts/sf128x4.h"
#include "src/repack/mma64_variants.h"

namespace imp::convert {
namespace {

class CpuPacker : public Packer {
 public:
  CpuPacker(BufferPool& buffers, repack::Path path) : buffers_(buffers), path_(path) {}

  uint64_t max_slab_bytes() const override { return std::numeric_limits<uint64_t>::max(); }

  Result<Packed> mma64_nvfp4(const repack::Nvfp4Rows& in, uint64_t first_row,
                             std::vector<repack::LostGroup>& lost) override {
    const auto packed = buffers_.take(repack::mma64_nvfp4_bytes(in.rows, in.k));
    repack::mma64_nvfp4_pack(in, first_row, path_, packed->span(), lost);
    return Packed{packed->span(), packed};
  }
  Result<Packed> native_rows(Bytes codes, uint64_t rows, uint64_t k) override {
    const auto packed = buffers_.take(rows * layouts::native_rows::pitch_bytes(k));
    repack::native_rows_pack(codes, rows, k, path_, packed->span());
    return Packed{packed->span(), packed};
  }
  Result<Packed> sf128x4(Bytes scales, uint64_t rows, uint64_t groups) override {
    const auto packed = buffers_.take(layouts::sf128x4::size_bytes(rows, groups));
    repack::sf128x4_pack(scales, rows, groups, path_, packed->span());
    return Packed{packed->span(), packed};
  }
  Result<Packed> mma64_mxfp4(Bytes codes, Bytes scales, uint64_t rows, uint64_t k) override {
    const auto packed = buffers_.take(repack::mma64_mxfp4_bytes(rows, k));
    repack::mma64_mxfp4_pack(codes, scales, rows, k, path_, packed->span());
    return Packed{packed->span(), packed};
  }
  Result<Packed> mma64_codes(uint32_t bits, Bytes codes, uint64_t rows, uint64_t k) override {
    const auto packed = buffers_.take(repack::mma64_codes_bytes(bits, rows, k));
    repack::mma64_codes_pack(bits, codes, rows, k, path_, packed->span());
    return Packed{packed->span(), packed};
  }
  Result<Packed> mma64_plane(uint32_t bits, Bytes plane, uint64_t rows, uint64_t groups) override {
    const auto packed = buffers_.take(repack::mma64_plane_bytes(bits, rows, groups));
    repack::mma64_plane_pack(bits, plane, rows, groups, path_, packed->span());
    return Packed{packed->span(), packed};
  }
  Result<Packed> native_bytes(Bytes codes, uint64_t rows, uint64_t k) override {
    const auto packed = buffers_.take(rows * repack::native_bytes_pitch(k));
    repack::native_bytes_pack(codes, rows, k, path_, packed->span());
    return Packed{packed->span(), packed};
  }
  Result<Packed> tiles(repack::TileOrder order, Bytes codes,
                       const repack::PaddedBox& box) override {
    const repack::Runs runs = repack::tile_runs(order, box.padded_rows, box.padded_columns);
    const auto packed = buffers_.take(runs.count * runs.bytes);
    repack::tiles_pack(order, codes, box, path_, packed->span());
    return Packed{packed->span(), packed};
  }
  Result<Packed> groups(repack::GroupOrder order, uint32_t bits, Bytes plane,
                        const repack::PaddedBox& box) override {
    const repack::Runs runs = repack::group_runs(order, bits, box.padded_rows, box.padded_columns);
    const auto packed = buffers_.take(runs.count * runs.bytes);
    repack::groups_pack(order, bits, plane, box, path_, packed->span());
    return Packed{packed->span(), packed};
  }

 private:
  BufferPool& buffers_;
  const repack::Path path_;
};

}  // namespace

std::unique_ptr<Packer> make_cpu_packer(BufferPool& buffers, repack::Path path) {
  return std::make_unique<CpuPacker>(buffers, path);
}

}  // namespace imp::convert

// mma64 MXFP4, both paths.
#include <cassert>

#include "kernels/layouts/mma64_mxfp4.h"
#include "src/base/little_endian.h"
#include "src/repack/code_tiles.h"
#include "src/repack/mma64_variants.h"

namespace imp::repack {
namespace {

namespace layout = layouts::mma64_mxfp4;

struct Mxfp4Tile {
  static constexpr uint32_t kBits = 4;
  static constexpr uint32_t kBlockBytes = layout::kBlockBytes;
  static void put_row(const std::byte* row, uint32_t n, std::byte* block) {
    for (uint32_t k8 = 0; k8 < 8; ++k8)
      store_le(block + 4 * layout::word_of_src(n, k8),
               layout::encode_word(load_le<uint32_t>(row + 4 * k8)));
  }
  static void get_row(const std::byte* block, uint32_t n, std::byte* row) {
    for (uint32_t k8 = 0; k8 < 8; ++k8)
      store_le(row + 4 * k8,
               layout::decode_word(load_le<uint32_t>(block + 4 * layout::word_of_src(n, k8))));
  }
  /// The code words are those of NVFP4, and so are the moves.
  static void pack_tiles(mma64::ConstPlane rows, uint64_t tiles, std::byte* blocks) {
    mma64::best_moves().pack_codes(rows, tiles, blocks, kBlockBytes);
  }
  static void unpack_tiles(const std::byte* blocks, uint64_t tiles, mma64::MutablePlane rows) {
    mma64::best_moves().unpack_codes(blocks, kBlockBytes, tiles, rows);
  }
};

/// Scales are single bytes, whatever the path.
void scatter_scales(const Mma64Mxfp4Map& map, Bytes scales, uint64_t rows, MutableBytes out) {
  const uint64_t groups = rows == 0 ? 0 : scales.size() / rows;
  for (uint64_t row = 0; row < map.padded_rows; ++row)
    for (uint64_t group = 0; group < map.padded_groups; ++group)
      out[map.scale_byte(row, group)] =
          row < rows && group < groups ? scales[row * groups + group] : std::byte{0};
}

Status gather_scales(const Mma64Mxfp4Map& map, Bytes packed, uint64_t rows, MutableBytes scales) {
  const uint64_t groups = rows == 0 ? 0 : scales.size() / rows;
  for (uint64_t row = 0; row < map.padded_rows; ++row)
    for (uint64_t group = 0; group < map.padded_groups; ++group) {
      const std::byte scale = packed[map.scale_byte(row, group)];
      if (row < rows && group < groups)
        scales[row * groups + group] = scale;
      else if (scale != std::byte{0})
        return padding_error(row, "group", group);
    }
  return {};
}

}  // namespace

uint64_t mma64_mxfp4_bytes(uint64_t rows, uint64_t k) {
  return div_up(rows, layout::kTileN) * div_up(k, layout::kTileK) * layout::kBlockBytes;
}

void mma64_mxfp4_pack(Bytes codes, Bytes scales, uint64_t rows, uint64_t k, Path path,
                      MutableBytes out) {
  assert(k % layout::kGroup == 0 && codes.size() == rows * (k / 2));
  assert(scales.size() == rows * (k / layout::kGroup) && out.size() == mma64_mxfp4_bytes(rows, k));
  const Mma64Mxfp4Map map(rows, k);
  if (path == Path::kMap) {
    std::fill(out.begin(), out.end(), std::byte{0});
    scatter_codes(map, codes, rows, k, out);
  } else {
    pack_code_tiles<Mxfp4Tile>(codes, rows, k, out);
  }
  scatter_scales(map, scales, rows, out);
}

Status mma64_mxfp4_unpack(Bytes packed, uint64_t rows, uint64_t k, Path path, MutableBytes codes,
                          MutableBytes scales) {
  assert(k % layout::kGroup == 0 && codes.size() == rows * (k / 2));
  assert(scales.size() == rows * (k / layout::kGroup));
  assert(packed.size() == mma64_mxfp4_bytes(rows, k));
  const Mma64Mxfp4Map map(rows, k);
  if (path == Path::kMap)
    IMP_TRY(gather_codes(map, packed, rows, k, codes));
  else
    IMP_TRY(unpack_code_tiles<Mxfp4Tile>(packed, rows, k, codes));
  return gather_scales(map, packed, rows, scales);
}

}  // namespace imp::repack

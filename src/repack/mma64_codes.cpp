// mma64 blocks of codes alone: 4-bit integers, and one-byte codes; both paths.
#include <cassert>

#include "kernels/layouts/mma64_bytes.h"
#include "kernels/layouts/mma64_int4.h"
#include "src/base/little_endian.h"
#include "src/repack/code_tiles.h"
#include "src/repack/mma64_variants.h"

namespace imp::repack {
namespace {

struct Int4Tile : RowByRow<Int4Tile> {
  static constexpr uint32_t kBits = 4;
  static constexpr uint32_t kBlockBytes = layouts::mma64_int4::kBlockBytes;
  /// The two words of quad lane c are neighbours in a row and in a block.
  static constexpr uint32_t words_at(uint32_t n, uint32_t c) {
    return 4 * layouts::mma64_int4::word_of_src(n, 2 * c);
  }
  static constexpr bool words_are_neighbours() {
    for (uint32_t n = 0; n < kTileCodes; ++n)
      for (uint32_t c = 0; c < 4; ++c)
        if (4 * layouts::mma64_int4::word_of_src(n, 2 * c + 1) != words_at(n, c) + 4) return false;
    return true;
  }
  static void put_row(const std::byte* row, uint32_t n, std::byte* block) {
    for (uint32_t c = 0; c < 4; ++c)
      store_le(block + words_at(n, c),
               layouts::mma64_int4::encode_words(load_le<uint64_t>(row + 8 * c)));
  }
  static void get_row(const std::byte* block, uint32_t n, std::byte* row) {
    for (uint32_t c = 0; c < 4; ++c)
      store_le(row + 8 * c,
               layouts::mma64_int4::decode_words(load_le<uint64_t>(block + words_at(n, c))));
  }
};
static_assert(Int4Tile::words_are_neighbours());

/// A row of a tile is a run of bytes in its block (asserted in the layout's header).
struct ByteTile : RowByRow<ByteTile> {
  static constexpr uint32_t kBits = 8;
  static constexpr uint32_t kBlockBytes = layouts::mma64_bytes::kBlockBytes;
  static void put_row(const std::byte* row, uint32_t n, std::byte* block) {
    std::memcpy(block + layouts::mma64_bytes::byte_of_src(n, 0), row, kTileCodes);
  }
  static void get_row(const std::byte* block, uint32_t n, std::byte* row) {
    std::memcpy(row, block + layouts::mma64_bytes::byte_of_src(n, 0), kTileCodes);
  }
};

template <class CodeMap, class Tile>
void pack(Bytes codes, uint64_t rows, uint64_t k, Path path, MutableBytes out) {
  if (path == Path::kWord) return pack_code_tiles<Tile>(codes, rows, k, out);
  std::fill(out.begin(), out.end(), std::byte{0});
  scatter_codes(CodeMap(rows, k), codes, rows, k, out);
}

template <class CodeMap, class Tile>
Status unpack(Bytes packed, uint64_t rows, uint64_t k, Path path, MutableBytes codes) {
  if (path == Path::kWord) return unpack_code_tiles<Tile>(packed, rows, k, codes);
  return gather_codes(CodeMap(rows, k), packed, rows, k, codes);
}

}  // namespace

uint64_t mma64_codes_bytes(uint32_t bits, uint64_t rows, uint64_t k) {
  assert(bits == 4 || bits == 8);
  return div_up(rows, kTileCodes) * div_up(k, kTileCodes) *
         (bits == 4 ? Int4Tile::kBlockBytes : ByteTile::kBlockBytes);
}

void mma64_codes_pack(uint32_t bits, Bytes codes, uint64_t rows, uint64_t k, Path path,
                      MutableBytes out) {
  assert(codes.size() == rows * code_pitch(bits, k));
  assert(out.size() == mma64_codes_bytes(bits, rows, k));
  if (bits == 4) return pack<Mma64Int4Map, Int4Tile>(codes, rows, k, path, out);
  pack<Mma64BytesMap, ByteTile>(codes, rows, k, path, out);
}

Status mma64_codes_unpack(uint32_t bits, Bytes packed, uint64_t rows, uint64_t k, Path path,
                          MutableBytes codes) {
  assert(codes.size() == rows * code_pitch(bits, k));
  assert(packed.size() == mma64_codes_bytes(bits, rows, k));
  if (bits == 4) return unpack<Mma64Int4Map, Int4Tile>(packed, rows, k, path, codes);
  return unpack<Mma64BytesMap, ByteTile>(packed, rows, k, path, codes);
}

}  // namespace imp::repack

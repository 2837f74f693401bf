// Portable moves, one lane's share of a sub-block at a time.
#include "src/repack/fragment_words.h"

#include <array>

#include "kernels/layouts/machete.h"
#include "kernels/layouts/marlin.h"
#include "src/base/little_endian.h"

namespace imp::repack {
namespace {

/// The even codes of four bytes (code 2p in nibble 2p) to the lower half of a word, the odd ones to
/// the upper: nibbles p and p + 4 are a pair.
constexpr uint32_t split_pairs(uint32_t bytes) {
  uint32_t even = bytes & 0x0F0F0F0Fu, odd = bytes >> 4 & 0x0F0F0F0Fu;
  even = (even | even >> 4) & 0x00FF00FFu;
  odd = (odd | odd >> 4) & 0x00FF00FFu;
  return ((even | even >> 8) & 0xFFFFu) | (odd | odd >> 8) << 16;
}
constexpr uint32_t join_pairs(uint32_t word) {
  uint32_t even = word & 0xFFFFu, odd = word >> 16;
  even = (even | even << 8) & 0x00FF00FFu;
  odd = (odd | odd << 8) & 0x00FF00FFu;
  even = (even | even << 4) & 0x0F0F0F0Fu;
  odd = (odd | odd << 4) & 0x0F0F0F0Fu;
  return even | odd << 4;
}
static_assert(split_pairs(0x76543210u) == 0x75316420u && join_pairs(0x75316420u) == 0x76543210u);

/// The canonical bytes of a lane's share in the order of their slots: in which of the two rows, and
/// where in its 16 codes.
struct ShareByte {
  uint32_t row8;
  uint32_t byte;
};
/// 4 bits: four bytes, both codes of a pair each; 8 bits: eight.
template <class Tiles>
inline constexpr uint32_t kShareBytes = Tiles::kBits;
template <class Tiles>
constexpr ShareByte share_byte(uint32_t c, uint32_t at) {
  const uint32_t slot = at;  // of 4 bits: of the pair's even code, whose slot is below 4
  const layouts::CodeSource src = Tiles::src_in_tile(c * 32 + slot);
  return {static_cast<uint32_t>(src.n) / 8, static_cast<uint32_t>(src.k) * Tiles::kBits / 8};
}

template <class Tiles>
void pack_share(const std::byte* row, const std::byte* row8, uint32_t c, std::byte* out) {
  std::array<std::byte, kShareBytes<Tiles>> bytes;
  for (uint32_t i = 0; i < bytes.size(); ++i) {
    const ShareByte from = share_byte<Tiles>(c, i);
    bytes[i] = (from.row8 != 0 ? row8 : row)[from.byte];
  }
  if constexpr (Tiles::kBits == 4)
    store_le(out, split_pairs(load_le<uint32_t>(bytes.data())));
  else
    std::memcpy(out, bytes.data(), bytes.size());
}

template <class Tiles>
void unpack_share(const std::byte* in, uint32_t c, std::byte* row, std::byte* row8) {
  std::array<std::byte, kShareBytes<Tiles>> bytes;
  if constexpr (Tiles::kBits == 4)
    store_le(bytes.data(), join_pairs(load_le<uint32_t>(in)));
  else
    std::memcpy(bytes.data(), in, bytes.size());
  for (uint32_t i = 0; i < bytes.size(); ++i) {
    const ShareByte to = share_byte<Tiles>(c, i);
    (to.row8 != 0 ? row8 : row)[to.byte] = bytes[i];
  }
}

/// Calls visit(place of the pair of rows, byte of the quad, inner) for a tile.
template <class Tiles, class Visit>
void for_each_pair(const Visit& visit) {
  for (uint32_t outer = 0; outer < kOuters<Tiles>; ++outer)
    for (uint32_t g = 0; g < 8; ++g)
      for (uint32_t inner = 0; inner < 4; ++inner)
        visit(pair_place<Tiles>(outer, g, inner), quad_byte<Tiles>(outer, g), inner);
}

template <class Tiles>
void pack(mma64::ConstPlane rows, uint64_t tiles, std::byte* out, uint64_t stride_bytes) {
  for (uint64_t tile = 0; tile < tiles; ++tile)
    for_each_pair<Tiles>([&](PairPlace at, uint32_t quad, uint32_t inner) {
      const uint64_t byte = tile * kTileRowBytes<Tiles> + at.byte;
      for (uint32_t c = 0; c < 4; ++c)
        pack_share<Tiles>(rows.row(at.n) + byte, rows.row(at.n + 8) + byte, c,
                          out + tile * stride_bytes + quad + c * Tiles::kVectorBytes +
                              inner * kShareBytes<Tiles>);
    });
}

template <class Tiles>
void unpack(const std::byte* in, uint64_t stride_bytes, uint64_t tiles, mma64::MutablePlane rows) {
  for (uint64_t tile = 0; tile < tiles; ++tile)
    for_each_pair<Tiles>([&](PairPlace at, uint32_t quad, uint32_t inner) {
      const uint64_t byte = tile * kTileRowBytes<Tiles> + at.byte;
      for (uint32_t c = 0; c < 4; ++c)
        unpack_share<Tiles>(
            in + tile * stride_bytes + quad + c * Tiles::kVectorBytes + inner * kShareBytes<Tiles>,
            c, rows.row(at.n) + byte, rows.row(at.n + 8) + byte);
    });
}

template <class Tiles>
inline constexpr FragmentMoves kPortable = {pack<Tiles>, unpack<Tiles>};

}  // namespace

const FragmentMoves& portable_fragment_moves(TileOrder order) {
  switch (order) {
    case TileOrder::kMarlin8:
      return kPortable<layouts::marlin::Codes8>;
    case TileOrder::kMachete4:
      return kPortable<layouts::machete::Codes4>;
    case TileOrder::kMachete8:
      return kPortable<layouts::machete::Codes8>;
    case TileOrder::kMarlin4:
    case TileOrder::kMaxSm8x:  // the same tiles in another order
      break;
  }
  return kPortable<layouts::marlin::Codes4>;
}

const FragmentMoves& best_fragment_moves(TileOrder order) {
  const FragmentMoves* const avx2 = avx2_fragment_moves(order);
  return avx2 != nullptr ? *avx2 : portable_fragment_moves(order);
}

}  // namespace imp::repack

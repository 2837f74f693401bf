// Vectors of 16 bytes of packed buffers, each made or taken apart by one thread: the word path of
// layouts that permute whole codes. Host and device run the same code.
#pragma once

#include <cstdint>
#include <cstring>

#include "kernels/layouts/fragment_tiles.h"
#include "kernels/layouts/hd.h"
#include "kernels/layouts/mma64_bytes.h"

namespace imp::kernels {

struct alignas(16) Vector16 {
  uint32_t words[4];
};

#if defined(__CUDA_ARCH__)
#define IMP_UNROLL _Pragma("unroll")
__device__ inline Vector16 load_vector(const uint8_t* at) {
  const uint4 v = __ldg(reinterpret_cast<const uint4*>(at));
  return {{v.x, v.y, v.z, v.w}};
}
__device__ inline void store_vector(uint8_t* at, const Vector16& v) {
  *reinterpret_cast<uint4*>(at) = {v.words[0], v.words[1], v.words[2], v.words[3]};
}
#else
#define IMP_UNROLL
inline Vector16 load_vector(const uint8_t* at) {
  Vector16 v;
  std::memcpy(&v, at, sizeof v);
  return v;
}
inline void store_vector(uint8_t* at, const Vector16& v) { std::memcpy(at, &v, sizeof v); }
#endif

/// No place of an inverse: kNothingWrong of repack.h.
inline constexpr uint64_t kNoPlace = ~uint64_t{0};

/// mma64 blocks of one-byte codes: a vector is 16 columns of a row. REQUIRES: K a multiple of 16.
struct OctetVectors {
  uint64_t rows;
  uint64_t k;

  IMP_HD uint64_t k_tiles() const {
    return (k + layouts::mma64_bytes::kTileK - 1) / layouts::mma64_bytes::kTileK;
  }
  IMP_HD uint64_t count() const {
    using namespace layouts::mma64_bytes;
    return (rows + kTileN - 1) / kTileN * k_tiles() * (kBlockBytes / 16);
  }
  IMP_HD Vector16 pack(uint64_t i, const uint8_t* codes) const {
    const Source from = source(i);
    return inside(from) ? load_vector(codes + from.row * k + from.column) : Vector16{{0, 0, 0, 0}};
  }
  /// The first place, row * padded columns + column, of what is wrong.
  IMP_HD uint64_t unpack(uint64_t i, const Vector16& vector, uint8_t* codes) const {
    const Source to = source(i);
    if (inside(to)) {
      store_vector(codes + to.row * k + to.column, vector);
      return kNoPlace;
    }
    for (uint32_t byte = 0; byte < 16; ++byte)
      if ((vector.words[byte / 4] >> (8 * (byte % 4)) & 0xFF) != 0)
        return to.row * (k_tiles() * layouts::mma64_bytes::kTileK) + to.column + byte;
    return kNoPlace;
  }

 private:
  struct Source {
    uint64_t row;
    uint64_t column;
  };
  IMP_HD Source source(uint64_t i) const {
    using namespace layouts::mma64_bytes;
    const uint64_t block = i / (kBlockBytes / 16);
    const auto src = src_of_byte(static_cast<uint32_t>(i % (kBlockBytes / 16)) * 16);
    return {block / k_tiles() * kTileN + src.n, block % k_tiles() * kTileK + src.k};
  }
  IMP_HD bool inside(const Source& at) const { return at.row < rows && at.column < k; }
};

/// What a plane of codes is padded to.
struct CodeBox {
  uint64_t rows;
  uint64_t k;
  uint64_t padded_rows;
  uint64_t padded_k;
};

/// Tiles in fragment order: a vector is a lane's, or half of one where codes have 8 bits. Two
/// neighbouring codes along k, a pair, are one byte or one 16-bit load of the plane. REQUIRES: K
/// even.
template <class Tiles>
struct TileVectors {
  static constexpr uint32_t kVectorCodes = 128 / Tiles::kBits;
  static constexpr uint32_t kShares = kVectorCodes / 8;  ///< sub-blocks of a lane in a vector
  CodeBox box;

  IMP_HD uint64_t count() const { return box.padded_rows * box.padded_k / kVectorCodes; }

  IMP_HD Vector16 pack(uint64_t i, const uint8_t* codes) const {
    const layouts::CodeSource lane = first_code(i);
    Vector16 out{{0, 0, 0, 0}};
    IMP_UNROLL
    for (uint32_t pair = 0; pair < 4 * kShares; ++pair) {
      const layouts::CodeSource at = place(lane, pair);
      if (at.n < box.rows && at.k < box.k) put_pair(out, pair, load_pair(codes, at));
    }
    return out;
  }

  IMP_HD uint64_t unpack(uint64_t i, const Vector16& vector, uint8_t* codes) const {
    const layouts::CodeSource lane = first_code(i);
    uint64_t wrong = kNoPlace;
    IMP_UNROLL
    for (uint32_t pair = 0; pair < 4 * kShares; ++pair) {
      const layouts::CodeSource at = place(lane, pair);
      const uint32_t value = get_pair(vector, pair);
      if (at.n < box.rows && at.k < box.k) {
        store_pair(codes, at, value);
      } else if (value != 0) {
        const uint32_t odd = (value & ((1u << Tiles::kBits) - 1)) == 0;
        const uint64_t found = at.n * box.padded_k + at.k + odd;
        wrong = found < wrong ? found : wrong;
      }
    }
    return wrong;
  }

 private:
  /// Row and column of the first code of a vector, in slot 0 of its first sub-block.
  IMP_HD layouts::CodeSource first_code(uint64_t i) const {
    return Tiles::src_of_dst(i * kVectorCodes, box.padded_rows, box.padded_k);
  }
  /// Pair 0..3 of sub-block 0..: v1 = bit 1, v2 = bit 0.
  IMP_HD static layouts::CodeSource place(const layouts::CodeSource& lane, uint32_t pair) {
    const uint32_t share = 16 * (pair / 4), v1 = pair / 2 % 2, v2 = pair % 2;
    return {lane.n + 8 * v1 + (Tiles::kVectorAlongK ? 0 : share),
            lane.k + 8 * v2 + (Tiles::kVectorAlongK ? share : 0)};
  }
  /// Slot of code v0 of a pair.
  IMP_HD static constexpr uint32_t slot(uint32_t pair, uint32_t v0) {
    return Tiles::code_in_tile(8 * (pair / 2 % 2), 8 * (pair % 2) + v0) % 8;
  }
  IMP_HD static void put_pair(Vector16& out, uint32_t pair, uint32_t value) {
    constexpr uint32_t kMask = (1u << Tiles::kBits) - 1;
    IMP_UNROLL
    for (uint32_t v0 = 0; v0 < 2; ++v0) {
      const uint32_t bit = (pair / 4 * 8 + slot(pair % 4, v0)) * Tiles::kBits;
      out.words[bit / 32] |= (value >> (v0 * Tiles::kBits) & kMask) << (bit % 32);
    }
  }
  IMP_HD static uint32_t get_pair(const Vector16& vector, uint32_t pair) {
    constexpr uint32_t kMask = (1u << Tiles::kBits) - 1;
    uint32_t value = 0;
    IMP_UNROLL
    for (uint32_t v0 = 0; v0 < 2; ++v0) {
      const uint32_t bit = (pair / 4 * 8 + slot(pair % 4, v0)) * Tiles::kBits;
      value |= (vector.words[bit / 32] >> (bit % 32) & kMask) << (v0 * Tiles::kBits);
    }
    return value;
  }
  IMP_HD uint64_t pair_byte(const layouts::CodeSource& at) const {
    return (at.n * box.k + at.k) * Tiles::kBits / 8;
  }
  IMP_HD uint32_t load_pair(const uint8_t* codes, const layouts::CodeSource& at) const {
    const uint8_t* from = codes + pair_byte(at);
    if constexpr (Tiles::kBits == 4) {
      return *from;
    } else {
      uint16_t pair;
      std::memcpy(&pair, from, sizeof pair);
      return pair;
    }
  }
  IMP_HD void store_pair(uint8_t* codes, const layouts::CodeSource& at, uint32_t value) const {
    uint8_t* to = codes + pair_byte(at);
    if constexpr (Tiles::kBits == 4) {
      *to = static_cast<uint8_t>(value);
    } else {
      const uint16_t pair = static_cast<uint16_t>(value);
      std::memcpy(to, &pair, sizeof pair);
    }
  }
};

}  // namespace imp::kernels

#undef IMP_UNROLL

// The slow path, which is the definition: a plane walked element by element through the index map
// of its layout header. A layout joins by one small map type; nothing else here knows it.
//
//   code map    code_bit(n, k, bit) -> bit of the packed buffer, over the padded box padded_rows x
//               padded_k; kBits of a code
//   scale map   scale_byte(n, group) -> byte of the packed buffer, over padded_rows x padded_groups
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/layouts/mma64_bytes.h"
#include "kernels/layouts/mma64_int4.h"
#include "kernels/layouts/mma64_mxfp4.h"
#include "kernels/layouts/mma64_nvfp4.h"
#include "kernels/layouts/native_bytes.h"
#include "kernels/layouts/native_rows.h"
#include "kernels/layouts/sf128x4.h"
#include "src/base/checked.h"
#include "src/base/file.h"

namespace imp::repack {

struct Mma64Nvfp4Map {
  static constexpr uint32_t kBits = 4;
  uint64_t padded_rows;
  uint64_t padded_k;
  uint64_t padded_groups;

  Mma64Nvfp4Map(uint64_t rows, uint64_t k)
      : padded_rows(round_up(rows, layouts::mma64_nvfp4::kTileN)),
        padded_k(round_up(k, layouts::mma64_nvfp4::kTileK)),
        padded_groups(padded_k / layouts::mma64_nvfp4::kGroup) {}

  uint64_t code_bit(uint64_t n, uint64_t k, uint32_t bit) const {
    using namespace layouts::mma64_nvfp4;
    const uint32_t word =
        word_of_src(static_cast<uint32_t>(n % kTileN), static_cast<uint32_t>(k % kTileK / 8));
    return 8 * block(n, k) + 32 * uint64_t{word} + bit_of_src(static_cast<uint32_t>(k % 8), bit);
  }
  uint64_t scale_byte(uint64_t n, uint64_t group) const {
    using namespace layouts::mma64_nvfp4;
    constexpr uint32_t kTileGroups = kTileK / kGroup;
    return block(n, group * kGroup) + scale_byte_of_src(static_cast<uint32_t>(n % kTileN),
                                                        static_cast<uint32_t>(group % kTileGroups));
  }

 private:
  uint64_t block(uint64_t n, uint64_t k) const {
    using namespace layouts::mma64_nvfp4;
    return block_offset_bytes(n, k, padded_k / kTileK);
  }
};

struct Mma64Mxfp4Map {
  static constexpr uint32_t kBits = 4;
  uint64_t padded_rows;
  uint64_t padded_k;
  uint64_t padded_groups;

  Mma64Mxfp4Map(uint64_t rows, uint64_t k)
      : padded_rows(round_up(rows, layouts::mma64_mxfp4::kTileN)),
        padded_k(round_up(k, layouts::mma64_mxfp4::kTileK)),
        padded_groups(padded_k / layouts::mma64_mxfp4::kGroup) {}

  uint64_t code_bit(uint64_t n, uint64_t k, uint32_t bit) const {
    using namespace layouts::mma64_mxfp4;
    const uint32_t word =
        word_of_src(static_cast<uint32_t>(n % kTileN), static_cast<uint32_t>(k % kTileK / 8));
    return 8 * block_offset_bytes(n, k, padded_k / kTileK) + 32 * uint64_t{word} +
           bit_of_src(static_cast<uint32_t>(k % 8), bit);
  }
  uint64_t scale_byte(uint64_t n, uint64_t group) const {
    using namespace layouts::mma64_mxfp4;
    return block_offset_bytes(n, group * kGroup, padded_k / kTileK) +
           scale_byte_of_src(static_cast<uint32_t>(n % kTileN),
                             static_cast<uint32_t>(group % kTileGroups));
  }
};

struct Mma64Int4Map {
  static constexpr uint32_t kBits = 4;
  uint64_t padded_rows;
  uint64_t padded_k;

  Mma64Int4Map(uint64_t rows, uint64_t k)
      : padded_rows(round_up(rows, layouts::mma64_int4::kTileN)),
        padded_k(round_up(k, layouts::mma64_int4::kTileK)) {}

  uint64_t code_bit(uint64_t n, uint64_t k, uint32_t bit) const {
    using namespace layouts::mma64_int4;
    const uint32_t word =
        word_of_src(static_cast<uint32_t>(n % kTileN), static_cast<uint32_t>(k % kTileK / 8));
    return 8 * block_offset_bytes(n, k, padded_k / kTileK) + 32 * uint64_t{word} +
           bit_of_src(static_cast<uint32_t>(k % 8), bit);
  }
};

struct Mma64BytesMap {
  static constexpr uint32_t kBits = 8;
  uint64_t padded_rows;
  uint64_t padded_k;

  Mma64BytesMap(uint64_t rows, uint64_t k)
      : padded_rows(round_up(rows, layouts::mma64_bytes::kTileN)),
        padded_k(round_up(k, layouts::mma64_bytes::kTileK)) {}

  uint64_t code_bit(uint64_t n, uint64_t k, uint32_t bit) const {
    using namespace layouts::mma64_bytes;
    return 8 * (block_offset_bytes(n, k, padded_k / kTileK) +
                byte_of_src(static_cast<uint32_t>(n % kTileN), static_cast<uint32_t>(k % kTileK))) +
           bit;
  }
};

struct NativeRowsMap {
  static constexpr uint32_t kBits = 4;
  uint64_t padded_rows;
  uint64_t padded_k;

  NativeRowsMap(uint64_t rows, uint64_t k)
      : padded_rows(rows), padded_k(2 * layouts::native_rows::pitch_bytes(k)) {}

  uint64_t code_bit(uint64_t n, uint64_t k, uint32_t bit) const {
    const layouts::native_rows::Position at = layouts::native_rows::dst_of_src(n, k, padded_k / 2);
    return 8 * at.byte + at.shift + bit;
  }
};

struct NativeBytesMap {
  static constexpr uint32_t kBits = 8;
  uint64_t padded_rows;
  uint64_t padded_k;

  NativeBytesMap(uint64_t rows, uint64_t k)
      : padded_rows(rows), padded_k(layouts::native_bytes::pitch_bytes(k)) {}

  uint64_t code_bit(uint64_t n, uint64_t k, uint32_t bit) const {
    return 8 * layouts::native_bytes::dst_of_src(n, k, padded_k) + bit;
  }
};

struct Sf128x4Map {
  uint64_t padded_rows;
  uint64_t padded_groups;

  Sf128x4Map(uint64_t rows, uint64_t groups)
      : padded_rows(round_up(rows, layouts::sf128x4::kTileRows)),
        padded_groups(round_up(groups, layouts::sf128x4::kTileGroups)) {}

  uint64_t scale_byte(uint64_t n, uint64_t group) const {
    return layouts::sf128x4::dst_of_src(n, group, padded_groups);
  }
};

/// The bits of canonical code (n, k), row pitch `pitch_bytes`.
template <uint32_t kBits>
uint32_t canonical_code(Bytes codes, uint64_t pitch_bytes, uint64_t n, uint64_t k) {
  constexpr uint64_t kCodesOfByte = 8 / kBits;
  return std::to_integer<uint32_t>(codes[n * pitch_bytes + k / kCodesOfByte]) >>
             (kBits * (k % kCodesOfByte)) &
         ((1u << kBits) - 1);
}

/// REQUIRES: the bits of that code are zero in `codes`.
template <uint32_t kBits>
void put_canonical_code(uint32_t code, uint64_t pitch_bytes, uint64_t n, uint64_t k,
                        MutableBytes codes) {
  constexpr uint64_t kCodesOfByte = 8 / kBits;
  codes[n * pitch_bytes + k / kCodesOfByte] |=
      static_cast<std::byte>(code << (kBits * (k % kCodesOfByte)));
}

/// REQUIRES: the target bits of `out` are zero.
template <class CodeMap>
void scatter_code(const CodeMap& map, uint64_t n, uint64_t k, uint32_t code, MutableBytes out) {
  for (uint32_t bit = 0; bit < CodeMap::kBits; ++bit) {
    const uint64_t at = map.code_bit(n, k, bit);
    out[at / 8] |= static_cast<std::byte>((code >> bit & 1) << (at % 8));
  }
}

template <class CodeMap>
uint32_t gather_code(const CodeMap& map, uint64_t n, uint64_t k, Bytes packed) {
  uint32_t code = 0;
  for (uint32_t bit = 0; bit < CodeMap::kBits; ++bit) {
    const uint64_t at = map.code_bit(n, k, bit);
    code |= (std::to_integer<uint32_t>(packed[at / 8]) >> (at % 8) & 1) << bit;
  }
  return code;
}

}  // namespace imp::repack

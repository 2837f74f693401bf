// The slow path of mma64 MXFP4: what one byte of an output is, through the index map of the layout
// header. As map.h.
#pragma once

#include <cstdint>

#include "kernels/layouts/hd.h"
#include "kernels/layouts/mma64_mxfp4.h"

#if defined(__CUDA_ARCH__)
#define IMP_UNROLL _Pragma("unroll")
#else
#define IMP_UNROLL
#endif

namespace imp::kernels::map {

/// MXFP4 planes. K is a multiple of 32.
struct Mxfp4 {
  const uint8_t* codes;
  const uint8_t* scales;
  uint64_t rows;
  uint64_t k;

  IMP_HD uint64_t groups() const { return k / layouts::mma64_mxfp4::kGroup; }
  IMP_HD uint64_t k_tiles() const {
    return (k + layouts::mma64_mxfp4::kTileK - 1) / layouts::mma64_mxfp4::kTileK;
  }
  IMP_HD bool inside(uint64_t row, uint64_t group) const { return row < rows && group < groups(); }
};

/// Byte `at` of the blocks.
struct Mxfp4Packed {
  Mxfp4 in;

  IMP_HD uint8_t operator()(uint64_t at) const {
    using namespace layouts::mma64_mxfp4;
    const uint64_t block = at / kBlockBytes;
    const uint32_t byte = static_cast<uint32_t>(at % kBlockBytes);
    const uint64_t row0 = block / in.k_tiles() * kTileN, k0 = block % in.k_tiles() * kTileK;
    if (byte < kCodeBytes) return code_byte(row0, k0, byte);
    const ScaleSource src = src_of_scale_byte(byte);
    const uint64_t row = row0 + src.n, group = k0 / kGroup + src.h;
    return in.inside(row, group) ? in.scales[row * in.groups() + group] : uint8_t{0};
  }

 private:
  IMP_HD uint8_t code_byte(uint64_t row0, uint64_t k0, uint32_t byte) const {
    using namespace layouts::mma64_nvfp4;
    const WordSource src = src_of_word(byte / 4);
    const uint64_t row = row0 + src.n, k8 = k0 + 8 * src.k8;
    if (!in.inside(row, k8 / layouts::mma64_mxfp4::kGroup)) return 0;
    uint32_t bits = 0;
    IMP_UNROLL
    for (uint32_t i = 0; i < 32; ++i) {
      if (i / 8 != byte % 4) continue;
      const BitSource bit = src_of_bit(i);
      const uint64_t column = k8 + bit.e;
      const uint32_t code =
          static_cast<uint32_t>(in.codes[row * (in.k / 2) + column / 2]) >> (4 * (column % 2));
      bits |= (code >> bit.bit & 1) << (i % 8);
    }
    return static_cast<uint8_t>(bits);
  }
};

/// Blocks of a [rows, k] matrix, read element by element.
struct Mxfp4Blocks {
  const uint8_t* blocks;
  uint64_t rows;
  uint64_t k;

  IMP_HD uint64_t k_tiles() const { return Mxfp4{nullptr, nullptr, rows, k}.k_tiles(); }
  IMP_HD uint32_t code(uint64_t row, uint64_t column) const {
    using namespace layouts::mma64_mxfp4;
    const uint8_t* word = blocks + block_offset_bytes(row, column, k_tiles()) +
                          4 * word_of_src(static_cast<uint32_t>(row % kTileN),
                                          static_cast<uint32_t>(column % kTileK / 8));
    uint32_t bits = 0;
    IMP_UNROLL
    for (uint32_t i = 0; i < 32; ++i) {
      if (i / 4 != column % 8) continue;
      const uint32_t at = bit_of_src(i / 4, i % 4);
      bits |= (static_cast<uint32_t>(word[at / 8]) >> (at % 8) & 1) << (i % 4);
    }
    return bits;
  }
  IMP_HD uint8_t scale(uint64_t row, uint64_t group) const {
    using namespace layouts::mma64_mxfp4;
    return blocks[block_offset_bytes(row, group * kGroup, k_tiles()) +
                  scale_byte_of_src(static_cast<uint32_t>(row % kTileN),
                                    static_cast<uint32_t>(group % kTileGroups))];
  }
};

/// Byte `at` of the codes plane.
struct Mxfp4Codes {
  Mxfp4Blocks in;
  IMP_HD uint8_t operator()(uint64_t at) const {
    const uint64_t row = at / (in.k / 2), column = 2 * (at % (in.k / 2));
    return static_cast<uint8_t>(in.code(row, column) | in.code(row, column + 1) << 4);
  }
};

/// Byte `at` of the scales plane.
struct Mxfp4Scales {
  Mxfp4Blocks in;
  IMP_HD uint8_t operator()(uint64_t at) const {
    const uint64_t groups = in.k / layouts::mma64_mxfp4::kGroup;
    return in.scale(at / groups, at % groups);
  }
};

/// True if the group at `place` = row * (2 * k_tiles) + group of the padded matrix is padding that
/// is not zero.
struct Mxfp4Wrong {
  Mxfp4Blocks in;
  IMP_HD uint64_t places() const {
    return (in.rows + 63) / 64 * 64 * layouts::mma64_mxfp4::kTileGroups * in.k_tiles();
  }
  IMP_HD bool operator()(uint64_t place) const {
    using layouts::mma64_mxfp4::kGroup;
    const uint64_t padded_groups = layouts::mma64_mxfp4::kTileGroups * in.k_tiles();
    const uint64_t row = place / padded_groups, group = place % padded_groups;
    if (row < in.rows && group < in.k / kGroup) return false;
    uint32_t any = in.scale(row, group);
    for (uint32_t i = 0; i < kGroup; ++i) any |= in.code(row, group * kGroup + i);
    return any != 0;
  }
};

}  // namespace imp::kernels::map

#undef IMP_UNROLL

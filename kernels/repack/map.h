// The slow path, which is the definition: what one byte of an output is, through the index map of
// its layout header. Each type answers for one output; host and device run the same code.
#pragma once

#include <cstdint>

#include "kernels/layouts/hd.h"
#include "kernels/layouts/mma64_nvfp4.h"
#include "kernels/layouts/native_rows.h"
#include "kernels/layouts/sf128x4.h"
#include "kernels/repack/mma64_words.h"
#include "kernels/repack/repack.h"

// These loops are unrolled on the device, so that the tables inside the index map become constants
// and not arrays in local memory.
#if defined(__CUDA_ARCH__)
#define IMP_UNROLL _Pragma("unroll")
#else
#define IMP_UNROLL
#endif

namespace imp::kernels::map {

/// Code (row, k) of a plane with K codes a row, even k in the low nibble.
IMP_HD inline uint32_t canonical_code(const uint8_t* codes, uint64_t k_count, uint64_t row,
                                      uint64_t k) {
  return static_cast<uint32_t>(codes[row * (k_count / 2) + k / 2]) >> (4 * (k % 2)) & 0xF;
}

/// NVFP4 planes, on the host or the device.
struct Nvfp4 {
  const uint8_t* codes;
  const uint8_t* scales;
  uint64_t rows;
  uint64_t k;

  IMP_HD uint64_t groups() const { return k / layouts::mma64_nvfp4::kGroup; }
  IMP_HD bool inside(uint64_t row, uint64_t group) const { return row < rows && group < groups(); }
  IMP_HD uint8_t scale(uint64_t row, uint64_t group) const {
    return scales[row * groups() + group];
  }
  IMP_HD bool is_zero(uint64_t row, uint64_t group) const {
    return (scale(row, group) & 0x7F) == 0;
  }
};

/// Byte `at` of the mma64 blocks of `in`.
struct Mma64Packed {
  Nvfp4 in;

  IMP_HD uint8_t operator()(uint64_t at) const {
    using namespace layouts::mma64_nvfp4;
    const uint64_t block = at / kBlockBytes, k_tiles = (in.k + kTileK - 1) / kTileK;
    const uint32_t byte = static_cast<uint32_t>(at % kBlockBytes);
    const uint64_t row0 = block / k_tiles * kTileN, k0 = block % k_tiles * kTileK;
    return byte < kCodeBytes ? code_byte(row0, k0, byte) : scale_byte(row0, k0, byte);
  }

 private:
  IMP_HD uint8_t scale_byte(uint64_t row0, uint64_t k0, uint32_t byte) const {
    using namespace layouts::mma64_nvfp4;
    const ScaleSource src = src_of_scale_byte(byte);
    const uint64_t row = row0 + src.n, group = k0 / kGroup + src.c;
    if (!in.inside(row, group)) return 0;
    // The layout's encode_scale() for every byte (static_assert there), without its table.
    return static_cast<uint8_t>(mma64::encode_scale(in.scale(row, group)));
  }
  IMP_HD uint8_t code_byte(uint64_t row0, uint64_t k0, uint32_t byte) const {
    using namespace layouts::mma64_nvfp4;
    const WordSource src = src_of_word(byte / 4);
    const uint64_t row = row0 + src.n, k8 = k0 + 8 * src.k8;
    if (!in.inside(row, k8 / kGroup) || in.is_zero(row, k8 / kGroup)) return 0;
    uint32_t bits = 0;
    IMP_UNROLL
    for (uint32_t i = 0; i < 32; ++i) {
      if (i / 8 != byte % 4) continue;
      const BitSource bit = src_of_bit(i);
      bits |= (canonical_code(in.codes, in.k, row, k8 + bit.e) >> bit.bit & 1) << (i % 8);
    }
    return static_cast<uint8_t>(bits);
  }
};

/// Whether group `index` = row * (K/16) + group of `in` loses bits in mma64, and which.
struct Mma64Lost {
  Nvfp4 in;

  IMP_HD bool operator()(uint64_t index, LostGroup& lost) const {
    using layouts::mma64_nvfp4::kGroup;
    const uint64_t row = index / in.groups(), group = index % in.groups();
    if (!in.is_zero(row, group)) return false;
    lost.index_and_sign = 2 * index + (in.scale(row, group) >> 7);
    lost.codes = 0;
    for (uint32_t i = 0; i < kGroup; ++i)
      lost.codes |= static_cast<uint64_t>(canonical_code(in.codes, in.k, row, group * kGroup + i))
                    << (4 * i);
    return lost.codes != 0 || lost.index_and_sign % 2 != 0;
  }
};

/// mma64 blocks of a [rows, k] matrix, read element by element.
struct Mma64Blocks {
  const uint8_t* blocks;
  uint64_t rows;
  uint64_t k;

  IMP_HD uint64_t k_tiles() const {
    return (k + layouts::mma64_nvfp4::kTileK - 1) / layouts::mma64_nvfp4::kTileK;
  }
  IMP_HD uint32_t code(uint64_t row, uint64_t column) const {
    using namespace layouts::mma64_nvfp4;
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
  IMP_HD uint8_t stored_scale(uint64_t row, uint64_t group) const {
    using namespace layouts::mma64_nvfp4;
    return blocks[block_offset_bytes(row, group * kGroup, k_tiles()) +
                  scale_byte_of_src(static_cast<uint32_t>(row % kTileN),
                                    static_cast<uint32_t>(group % (kTileK / kGroup)))];
  }
};

/// Byte `at` of the codes plane that the blocks hold.
struct Mma64Codes {
  Mma64Blocks in;
  IMP_HD uint8_t operator()(uint64_t at) const {
    const uint64_t row = at / (in.k / 2), column = 2 * (at % (in.k / 2));
    return static_cast<uint8_t>(in.code(row, column) | in.code(row, column + 1) << 4);
  }
};

/// Byte `at` of the scales plane that the blocks hold.
struct Mma64Scales {
  Mma64Blocks in;
  IMP_HD uint8_t operator()(uint64_t at) const {
    const uint64_t groups = in.k / layouts::mma64_nvfp4::kGroup;
    return layouts::mma64_nvfp4::decode_scale(in.stored_scale(at / groups, at % groups));
  }
};

/// True if the group at `place` = row * (4 * k_tiles) + group of the padded matrix is what no pack
/// gives.
struct Mma64Wrong {
  Mma64Blocks in;
  IMP_HD bool operator()(uint64_t place) const {
    using namespace layouts::mma64_nvfp4;
    const uint64_t padded_groups = kTileK / kGroup * in.k_tiles();
    const uint64_t row = place / padded_groups, group = place % padded_groups;
    const uint8_t stored = in.stored_scale(row, group);
    bool has_codes = false;
    for (uint32_t i = 0; i < kGroup; ++i) has_codes |= in.code(row, group * kGroup + i) != 0;
    if (row >= in.rows || group >= in.k / kGroup) return stored != 0 || has_codes;
    return decode_scale(stored) == 0xFF || (stored == 0 && has_codes);
  }
};

/// Byte `at` of native rows, from a codes plane.
struct NativeRowsPacked {
  const uint8_t* codes;
  uint64_t k;
  IMP_HD uint8_t operator()(uint64_t at) const {
    using namespace layouts::native_rows;
    uint32_t bits = 0;
    for (uint32_t shift = 0; shift < 8; shift += 4) {
      const Source src = src_of_dst({at, shift}, pitch_bytes(k));
      if (src.k < k) bits |= canonical_code(codes, k, src.n, src.k) << shift;
    }
    return static_cast<uint8_t>(bits);
  }
};

/// Byte `at` of the codes plane that native rows hold.
struct NativeRowsCodes {
  const uint8_t* packed;
  uint64_t k;
  IMP_HD uint8_t operator()(uint64_t at) const {
    using namespace layouts::native_rows;
    uint32_t bits = 0;
    for (uint32_t i = 0; i < 2; ++i) {
      const Position from = dst_of_src(at / (k / 2), 2 * (at % (k / 2)) + i, pitch_bytes(k));
      bits |= (static_cast<uint32_t>(packed[from.byte]) >> from.shift & 0xF) << (4 * i);
    }
    return static_cast<uint8_t>(bits);
  }
};

/// True if byte `at` of native rows is padding that is not zero.
struct NativeRowsWrong {
  const uint8_t* packed;
  uint64_t k;
  IMP_HD bool operator()(uint64_t at) const {
    using namespace layouts::native_rows;
    return src_of_dst({at, 0}, pitch_bytes(k)).k >= k && packed[at] != 0;
  }
};

/// Where byte `at` of sf128x4 tiles comes from.
struct ScalePlace {
  uint64_t row;
  uint64_t group;
};
IMP_HD inline ScalePlace scale_place(uint64_t at, uint64_t groups) {
  using namespace layouts::sf128x4;
  const uint64_t tile = at / kTileBytes, tiles = group_tiles(groups);
  const Source src = src_of_byte(static_cast<uint32_t>(at % kTileBytes));
  return {tile / tiles * kTileRows + src.row, tile % tiles * kTileGroups + src.group};
}

/// Byte `at` of sf128x4 tiles, from scales [rows, groups].
struct Sf128x4Packed {
  const uint8_t* scales;
  uint64_t rows;
  uint64_t groups;
  IMP_HD uint8_t operator()(uint64_t at) const {
    const ScalePlace src = scale_place(at, groups);
    return src.row < rows && src.group < groups ? scales[src.row * groups + src.group] : uint8_t{0};
  }
};

/// Byte `at` of the scales that sf128x4 tiles hold.
struct Sf128x4Scales {
  const uint8_t* packed;
  uint64_t groups;
  IMP_HD uint8_t operator()(uint64_t at) const {
    return packed[layouts::sf128x4::dst_of_src(at / groups, at % groups, groups)];
  }
};

/// True if byte `at` of sf128x4 tiles is padding that is not zero.
struct Sf128x4Wrong {
  const uint8_t* packed;
  uint64_t rows;
  uint64_t groups;
  IMP_HD bool operator()(uint64_t at) const {
    const ScalePlace src = scale_place(at, groups);
    return (src.row >= rows || src.group >= groups) && packed[at] != 0;
  }
};

}  // namespace imp::kernels::map

#undef IMP_UNROLL

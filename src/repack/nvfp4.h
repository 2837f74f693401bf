// CPU repack of NVFP4 planes into the layouts of kernels/layouts, and back. Pure functions on
// memory; callers cut a tensor into row slabs, so that nothing here grows with the tensor.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "src/base/file.h"
#include "src/base/result.h"

namespace imp::repack {

/// kMap walks the index map of the layout header element by element: slow, and the definition.
/// kWord moves whole words. Both have the same signature and must give the same bytes.
enum class Path : uint8_t { kWord, kMap };

/// Canonical rows: codes [rows, K/2] bytes (even k in the low nibble), e4m3 scales [rows, K/16]
/// bytes. REQUIRES: K a multiple of 16; no NaN and no negative scale but -0.
struct Nvfp4Rows {
  Bytes codes;
  Bytes scales;
  uint64_t rows = 0;
  uint64_t k = 0;
};

/// A group of 16 codes under a zero scale whose bits mma64 cannot hold.
struct LostGroup {
  uint64_t group_index = 0;  ///< row * (K/16) + group, row counted from `first_row` of the call
  uint8_t scale = 0;         ///< 0x00 or 0x80
  std::array<uint8_t, 8> codes{};
  bool operator==(const LostGroup&) const = default;
};
/// On disk: u64 group index, scale byte, code bytes; little-endian, no padding (layouts/README.md,
/// "exceptions").
inline constexpr uint64_t kLostGroupBytes = 17;
void append_record(const LostGroup& group, std::vector<std::byte>& out);
/// REQUIRES: kLostGroupBytes readable.
LostGroup parse_record(const std::byte* at);

uint64_t mma64_nvfp4_bytes(uint64_t rows, uint64_t k);
/// Pack `in` into whole n-tiles; every byte of `out` is written, padding with zeros. Groups that
/// lose bits are appended to `lost` in order of index. REQUIRES: out.size() ==
/// mma64_nvfp4_bytes(in.rows, in.k).
void mma64_nvfp4_pack(const Nvfp4Rows& in, uint64_t first_row, Path path, MutableBytes out,
                      std::vector<LostGroup>& lost);
/// Inverse. Zero groups come back as scale 0x00 and codes 0; the caller applies the exceptions.
/// Errors: kInverseMismatch if a stored scale byte is no encoding of an e4m3 scale, a zero-scale
/// group holds codes or padding is not zero; the message names row (of this call) and group.
Status mma64_nvfp4_unpack(Bytes packed, uint64_t rows, uint64_t k, Path path, MutableBytes codes,
                          MutableBytes scales);

/// Scales [rows, groups] to sf128x4 tiles; every byte of `out` is written. REQUIRES: out.size() ==
/// layouts::sf128x4::size_bytes(rows, groups).
void sf128x4_pack(Bytes scales, uint64_t rows, uint64_t groups, Path path, MutableBytes out);
/// Errors: kInverseMismatch if padding is not zero.
Status sf128x4_unpack(Bytes packed, uint64_t rows, uint64_t groups, Path path, MutableBytes scales);

/// Codes [rows, ceil(K/2)] to rows of pitch layouts::native_rows::pitch_bytes(k), and back. Errors
/// as above.
void native_rows_pack(Bytes codes, uint64_t rows, uint64_t k, Path path, MutableBytes out);
Status native_rows_unpack(Bytes packed, uint64_t rows, uint64_t k, Path path, MutableBytes codes);

}  // namespace imp::repack

#include "kernels/layouts/native_rows.h"

#include <algorithm>
#include <cassert>
#include <cstring>

#include "src/base/checked.h"
#include "src/repack/map_path.h"
#include "src/repack/nvfp4.h"
#include "src/repack/padding.h"

namespace imp::repack {
namespace {

using layouts::native_rows::pitch_bytes;

/// Source rows are whole bytes: with an odd K the last upper nibble moves too.
uint64_t row_bytes(uint64_t k) { return div_up(k, 2); }

void pack_by_map(Bytes codes, uint64_t rows, uint64_t k, MutableBytes out) {
  std::fill(out.begin(), out.end(), std::byte{0});
  const NativeRowsMap map(rows, k);
  const uint64_t pitch = row_bytes(k);
  for (uint64_t row = 0; row < rows; ++row)
    for (uint64_t column = 0; column < 2 * pitch; ++column)
      scatter_code(map, row, column, canonical_code<4>(codes, pitch, row, column), out);
}

void pack_by_word(Bytes codes, uint64_t rows, uint64_t k, MutableBytes out) {
  const uint64_t from = row_bytes(k), to = pitch_bytes(k);
  for (uint64_t row = 0; row < rows; ++row) {
    std::memcpy(out.data() + row * to, codes.data() + row * from, from);
    std::memset(out.data() + row * to + from, 0, to - from);
  }
}

Status unpack_by_map(Bytes packed, uint64_t rows, uint64_t k, MutableBytes codes) {
  std::fill(codes.begin(), codes.end(), std::byte{0});
  const NativeRowsMap map(rows, k);
  const uint64_t pitch = row_bytes(k);
  for (uint64_t row = 0; row < rows; ++row)
    for (uint64_t column = 0; column < map.padded_k; ++column) {
      const uint32_t code = gather_code(map, row, column, packed);
      if (column < 2 * pitch)
        codes[row * pitch + column / 2] |= static_cast<std::byte>(code << (4 * (column % 2)));
      else if (code != 0)
        return padding_error(row, "byte", column / 2);
    }
  return {};
}

Status unpack_by_word(Bytes packed, uint64_t rows, uint64_t k, MutableBytes codes) {
  const uint64_t to = row_bytes(k), from = pitch_bytes(k);
  for (uint64_t row = 0; row < rows; ++row) {
    const std::byte* in = packed.data() + row * from;
    for (uint64_t byte = to; byte < from; ++byte)
      if (in[byte] != std::byte{0}) return padding_error(row, "byte", byte);
    std::memcpy(codes.data() + row * to, in, to);
  }
  return {};
}

}  // namespace

void native_rows_pack(Bytes codes, uint64_t rows, uint64_t k, Path path, MutableBytes out) {
  assert(codes.size() == rows * row_bytes(k) && out.size() == rows * pitch_bytes(k));
  if (path == Path::kMap) return pack_by_map(codes, rows, k, out);
  pack_by_word(codes, rows, k, out);
}

Status native_rows_unpack(Bytes packed, uint64_t rows, uint64_t k, Path path, MutableBytes codes) {
  assert(codes.size() == rows * row_bytes(k) && packed.size() == rows * pitch_bytes(k));
  if (path == Path::kMap) return unpack_by_map(packed, rows, k, codes);
  return unpack_by_word(packed, rows, k, codes);
}

}  // namespace imp::repack

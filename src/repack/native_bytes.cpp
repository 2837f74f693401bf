// native rows of one-byte codes; both paths.
#include "kernels/layouts/native_bytes.h"

#include <algorithm>
#include <cassert>
#include <cstring>

#include "src/repack/code_tiles.h"
#include "src/repack/mma64_variants.h"

namespace imp::repack {
namespace {

using layouts::native_bytes::pitch_bytes;

Status unpack_by_word(Bytes packed, uint64_t rows, uint64_t k, MutableBytes codes) {
  const uint64_t pitch = pitch_bytes(k);
  for (uint64_t row = 0; row < rows; ++row) {
    const std::byte* in = packed.data() + row * pitch;
    for (uint64_t byte = k; byte < pitch; ++byte)
      if (in[byte] != std::byte{0}) return padding_error(row, "column", byte);
    std::memcpy(codes.data() + row * k, in, k);
  }
  return {};
}

}  // namespace

uint64_t native_bytes_pitch(uint64_t k) { return pitch_bytes(k); }

void native_bytes_pack(Bytes codes, uint64_t rows, uint64_t k, Path path, MutableBytes out) {
  const uint64_t pitch = pitch_bytes(k);
  assert(codes.size() == rows * k && out.size() == rows * pitch);
  if (path == Path::kMap) {
    std::fill(out.begin(), out.end(), std::byte{0});
    return scatter_codes(NativeBytesMap(rows, k), codes, rows, k, out);
  }
  for (uint64_t row = 0; row < rows; ++row) {
    std::memcpy(out.data() + row * pitch, codes.data() + row * k, k);
    std::memset(out.data() + row * pitch + k, 0, pitch - k);
  }
}

Status native_bytes_unpack(Bytes packed, uint64_t rows, uint64_t k, Path path, MutableBytes codes) {
  assert(codes.size() == rows * k && packed.size() == rows * pitch_bytes(k));
  if (path == Path::kMap) return gather_codes(NativeBytesMap(rows, k), packed, rows, k, codes);
  return unpack_by_word(packed, rows, k, codes);
}

}  // namespace imp::repack

// The layouts beside NVFP4 under one face, for tests that hold for all of them: a plane of codes or
// scales, the bytes that the reference makes of it, and the packers under test.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "src/repack/mma64_variants.h"
#include "tests/reference/layout_variants.h"
#include "tests/unit/layout_planes.h"

namespace imp::test {

/// One component: elements of `bits` bits, [rows, columns].
struct PlaneLayout {
  const char* name;
  uint32_t bits;
  std::function<reference::Buffer(const reference::WordMatrix&)> reference;
  std::function<uint64_t(uint64_t rows, uint64_t columns)> size;
  std::function<void(Bytes, uint64_t, uint64_t, repack::Path, MutableBytes)> pack;
  std::function<Status(Bytes, uint64_t, uint64_t, repack::Path, MutableBytes)> unpack;
};

inline reference::ByteMatrix narrow(const reference::WordMatrix& matrix) {
  reference::ByteMatrix bytes{matrix.rows, matrix.columns, {}};
  for (const uint32_t element : matrix.at) bytes.at.push_back(static_cast<uint8_t>(element));
  return bytes;
}

inline PlaneLayout mma64_codes(uint32_t bits) {
  using namespace std::placeholders;
  return {bits == 4 ? "mma64 int4" : "mma64 bytes",
          bits,
          [bits](const reference::WordMatrix& codes) {
            return bits == 4 ? reference::mma64_int4(narrow(codes))
                             : reference::mma64_bytes(narrow(codes));
          },
          std::bind(repack::mma64_codes_bytes, bits, _1, _2),
          std::bind(repack::mma64_codes_pack, bits, _1, _2, _3, _4, _5),
          std::bind(repack::mma64_codes_unpack, bits, _1, _2, _3, _4, _5)};
}

inline PlaneLayout mma64_plane(uint32_t bits) {
  using namespace std::placeholders;
  return {bits == 4    ? "mma64 plane of 4 bits"
          : bits == 8  ? "mma64 plane of 8 bits"
          : bits == 16 ? "mma64 plane of 16 bits"
                       : "mma64 plane of 32 bits",
          bits,
          std::bind(reference::mma64_plane, bits, _1),
          std::bind(repack::mma64_plane_bytes, bits, _1, _2),
          std::bind(repack::mma64_plane_pack, bits, _1, _2, _3, _4, _5),
          std::bind(repack::mma64_plane_unpack, bits, _1, _2, _3, _4, _5)};
}

inline PlaneLayout native_bytes() {
  return {"native bytes",
          8,
          [](const reference::WordMatrix& codes) { return reference::native_bytes(narrow(codes)); },
          [](uint64_t rows, uint64_t k) { return rows * repack::native_bytes_pitch(k); },
          repack::native_bytes_pack,
          repack::native_bytes_unpack};
}

inline std::vector<PlaneLayout> plane_layouts() {
  return {mma64_codes(4),  mma64_codes(8),  mma64_plane(4), mma64_plane(8),
          mma64_plane(16), mma64_plane(32), native_bytes()};
}

inline reference::WordMatrix random_elements(uint32_t bits, size_t rows, size_t columns,
                                             uint32_t seed) {
  Random random(seed);
  reference::WordMatrix matrix{rows, columns, {}};
  for (size_t i = 0; i < rows * columns; ++i) matrix.at.push_back(random() >> (32 - bits));
  return matrix;
}

inline std::vector<std::byte> canonical(uint32_t bits, const reference::WordMatrix& elements) {
  return to_bytes(reference::canonical_plane(bits, elements));
}

inline std::vector<std::byte> pack(const PlaneLayout& layout, const reference::WordMatrix& elements,
                                   repack::Path path) {
  std::vector<std::byte> out(layout.size(elements.rows, elements.columns), kUnwritten);
  layout.pack(canonical(layout.bits, elements), elements.rows, elements.columns, path, out);
  return out;
}

/// e2m1 codes and e8m0 bytes.
struct Mxfp4Matrix {
  reference::ByteMatrix codes;
  reference::ByteMatrix scales;
};

/// Any code, any byte but the NaN.
inline Mxfp4Matrix random_mxfp4(size_t rows, size_t k, uint32_t seed) {
  Random random(seed);
  Mxfp4Matrix matrix{{rows, k, {}}, {rows, k / 32, {}}};
  for (size_t i = 0; i < rows * k; ++i)
    matrix.codes.at.push_back(static_cast<uint8_t>(random() % 16));
  for (size_t i = 0; i < rows * (k / 32); ++i)
    matrix.scales.at.push_back(static_cast<uint8_t>(random() % 255));
  return matrix;
}

inline std::vector<std::byte> pack_mxfp4(const Mxfp4Matrix& matrix, repack::Path path) {
  const size_t rows = matrix.codes.rows, k = matrix.codes.columns;
  std::vector<std::byte> out(repack::mma64_mxfp4_bytes(rows, k), kUnwritten);
  repack::mma64_mxfp4_pack(to_bytes(reference::canonical_nibbles(matrix.codes)),
                           to_bytes(matrix.scales.at), rows, k, path, out);
  return out;
}

}  // namespace imp::test

// NVFP4 planes for the tests of layouts: exact-sized, so that a sanitizer sees every byte read too
// many.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <random>
#include <span>
#include <vector>

#include "src/repack/nvfp4.h"
#include "tests/reference/golden_inputs.h"
#include "tests/reference/layouts.h"

namespace imp::test {

/// std::mt19937 whose numbers have 32 bits by type too; any distribution takes it.
class Random {
 public:
  using result_type = uint32_t;
  explicit Random(uint32_t seed) : engine_(seed) {}
  static constexpr uint32_t min() { return 0; }
  static constexpr uint32_t max() { return UINT32_MAX; }
  uint32_t operator()() { return static_cast<uint32_t>(engine_()); }

 private:
  std::mt19937 engine_;
};

/// One NVFP4 matrix, one element a byte.
struct Nvfp4Matrix {
  reference::ByteMatrix codes;
  reference::ByteMatrix scales;
};

/// Codes 0..15 and scales 0..126 or 0x80; about one scale in eight is a zero.
inline Nvfp4Matrix random_matrix(size_t rows, size_t k, uint32_t seed) {
  Random random(seed);
  Nvfp4Matrix matrix{{rows, k, {}}, {rows, k / 16, {}}};
  for (size_t i = 0; i < rows * k; ++i)
    matrix.codes.at.push_back(static_cast<uint8_t>(random() % 16));
  for (size_t i = 0; i < rows * (k / 16); ++i) {
    const uint32_t kind = random() % 16;
    const uint32_t scale = kind == 0 ? 0x00 : kind == 1 ? 0x80 : random() % 127;
    matrix.scales.at.push_back(static_cast<uint8_t>(scale));
  }
  return matrix;
}

inline Nvfp4Matrix golden_matrix() {
  return {reference::golden_codes(), reference::golden_scales()};
}

inline std::vector<std::byte> to_bytes(const std::vector<uint8_t>& from) {
  std::vector<std::byte> bytes(from.size());
  if (!from.empty()) std::memcpy(bytes.data(), from.data(), from.size());
  return bytes;
}

/// The planes of a checkpoint.
struct Planes {
  explicit Planes(const Nvfp4Matrix& matrix)
      : rows(matrix.codes.rows),
        k(matrix.codes.columns),
        codes(to_bytes(reference::canonical_nibbles(matrix.codes))),
        scales(to_bytes(matrix.scales.at)) {}
  repack::Nvfp4Rows view() const { return {codes, scales, rows, k}; }

  uint64_t rows;
  uint64_t k;
  std::vector<std::byte> codes;
  std::vector<std::byte> scales;
};

inline constexpr repack::Path kPaths[] = {repack::Path::kWord, repack::Path::kMap};
inline const char* path_name(repack::Path path) {
  return path == repack::Path::kWord ? "word path" : "map path";
}

/// What no packer may leave behind: each output begins as this.
inline constexpr std::byte kUnwritten{0xA5};

inline std::vector<std::byte> pack_mma64(const Planes& planes, repack::Path path,
                                         std::vector<repack::LostGroup>& lost,
                                         uint64_t first_row = 0) {
  std::vector<std::byte> out(repack::mma64_nvfp4_bytes(planes.rows, planes.k), kUnwritten);
  repack::mma64_nvfp4_pack(planes.view(), first_row, path, out, lost);
  return out;
}

inline std::vector<std::byte> pack_mma64(const Planes& planes, repack::Path path) {
  std::vector<repack::LostGroup> lost;
  return pack_mma64(planes, path, lost);
}

}  // namespace imp::test

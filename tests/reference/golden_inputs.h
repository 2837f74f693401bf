// The inputs behind the golden digests of packed buffers: one 31-bit generator per tensor,
// row-major.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace imp::reference {

/// x <- (1103515245 * x + 12345) mod 2^31; a value is x >> 16.
class Lcg31 {
 public:
  explicit Lcg31(uint32_t seed) : state_(seed) {}
  uint32_t next() {
    state_ = (state_ * 1103515245u + 12345u) % 2147483648u;
    return state_ >> 16;
  }

 private:
  uint32_t state_;
};

inline constexpr size_t kGoldenRows = 256;
inline constexpr size_t kGoldenColumns = 256;
inline constexpr size_t kGoldenGroups = 16;

/// A matrix of bytes, one element each.
struct ByteMatrix {
  size_t rows = 0;
  size_t columns = 0;
  std::vector<uint8_t> at;
  uint8_t operator()(size_t row, size_t column) const { return at[row * columns + column]; }
};

/// 256 x 256 codes 0..15 (seed 1) and 256 x 16 E4M3 scales 0..126 (seed 3).
ByteMatrix golden_codes();
ByteMatrix golden_scales();
/// 256 x 256 codes 0..255 (seed 2), 256 x 16 zero points 0..15 (seed 4), 256 x 8 E8M0 scales
/// 100..139 (seed 5).
ByteMatrix golden_octets();
ByteMatrix golden_zero_points();
ByteMatrix golden_e8m0_scales();
/// The first rows and columns of a matrix.
ByteMatrix corner(const ByteMatrix& from, size_t rows, size_t columns);

}  // namespace imp::reference

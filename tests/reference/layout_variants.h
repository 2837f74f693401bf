// Packed buffers of the schemes beside NVFP4, straight from the formulas of kernels/layouts
// README.md. One element per entry; nothing here is shared with the code under test.
#pragma once

#include <cstdint>
#include <vector>

#include "tests/reference/golden_inputs.h"
#include "tests/reference/layouts.h"

namespace imp::reference {

/// A matrix of elements of up to 32 bits.
struct WordMatrix {
  size_t rows = 0;
  size_t columns = 0;
  std::vector<uint32_t> at;
  uint32_t operator()(size_t row, size_t column) const { return at[row * columns + column]; }
};

/// Checkpoint order of elements of 4 (two a byte), 8, 16 or 32 bits, little-endian.
Buffer canonical_plane(unsigned bits, const WordMatrix& elements);

/// e2m1 codes [N, K], e8m0 bytes [N, K/32].
Buffer mma64_mxfp4(const ByteMatrix& codes, const ByteMatrix& scales);
/// Codes of 4 bits.
Buffer mma64_int4(const ByteMatrix& codes);
/// Codes of one byte: int8, fp8.
Buffer mma64_bytes(const ByteMatrix& codes);
/// Scales or zero points in lane order; elements of 4 bits take a byte.
Buffer mma64_plane(unsigned bits, const WordMatrix& elements);
/// Rows of one-byte codes with a pitch of 16 bytes.
Buffer native_bytes(const ByteMatrix& codes);

}  // namespace imp::reference

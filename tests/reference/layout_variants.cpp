#include "tests/reference/layout_variants.h"

namespace imp::reference {
namespace {

size_t up(size_t value, size_t unit) { return (value + unit - 1) / unit; }

/// NVFP4 scales of 1.0, so that no code is dropped for standing under a zero.
ByteMatrix ones_for(const ByteMatrix& codes) {
  const size_t groups = up(codes.columns, 16);
  return {codes.rows, groups, std::vector<uint8_t>(codes.rows * groups, 0x38)};
}

/// The 2048 code bytes of each block of NVFP4 blocks.
std::vector<Buffer> code_parts(const Buffer& nvfp4_blocks) {
  std::vector<Buffer> parts;
  for (size_t block = 0; block < nvfp4_blocks.size(); block += 2304) {
    const auto first = nvfp4_blocks.begin() + static_cast<std::ptrdiff_t>(block);
    parts.emplace_back(first, first + 2048);
  }
  return parts;
}

void append(Buffer& out, uint32_t element, unsigned bytes) {
  for (unsigned i = 0; i < bytes; ++i) out.push_back(static_cast<uint8_t>(element >> (8 * i)));
}

}  // namespace

Buffer canonical_plane(unsigned bits, const WordMatrix& elements) {
  Buffer out;
  for (size_t row = 0; row < elements.rows; ++row)
    for (size_t column = 0; column < elements.columns; ++column) {
      if (bits != 4)
        append(out, elements(row, column), bits / 8);
      else if (column % 2 == 0)
        append(out, elements(row, column), 1);
      else
        out.back() = static_cast<uint8_t>(out.back() + 16 * elements(row, column));
    }
  return out;
}

Buffer mma64_mxfp4(const ByteMatrix& codes, const ByteMatrix& scales) {
  const std::vector<Buffer> parts = code_parts(mma64_nvfp4(codes, ones_for(codes)));
  const size_t column_blocks = up(codes.columns, 64);
  Buffer out;
  for (size_t block = 0; block < parts.size(); ++block) {
    out.insert(out.end(), parts[block].begin(), parts[block].end());
    Buffer scale_bytes(128, 0);
    for (size_t n = 0; n < 64; ++n)
      for (size_t k = 0; k < 64; k += 32) {
        const size_t row = block / column_blocks * 64 + n;
        const size_t group = (block % column_blocks * 64 + k) / 32;
        if (row < scales.rows && group < scales.columns)
          scale_bytes.at((2 * (n % 8) + (k % 64) / 32) * 8 + (n % 64) / 8) = scales(row, group);
      }
    out.insert(out.end(), scale_bytes.begin(), scale_bytes.end());
  }
  return out;
}

Buffer mma64_int4(const ByteMatrix& codes) {
  Buffer out;
  for (const Buffer& part : code_parts(mma64_nvfp4_nibbles(codes, ones_for(codes))))
    out.insert(out.end(), part.begin(), part.end());
  return out;
}

Buffer mma64_bytes(const ByteMatrix& codes) {
  const size_t column_blocks = up(codes.columns, 64);
  Buffer out(up(codes.rows, 64) * column_blocks * 4096, 0);
  for (size_t n = 0; n < codes.rows; ++n)
    for (size_t k = 0; k < codes.columns; ++k)
      out.at(((n / 64) * column_blocks + k / 64) * 4096 + ((n % 64) / 8) * 512 +
             (4 * (n % 8) + (k % 64) / 16) * 16 + k % 16) = codes(n, k);
  return out;
}

Buffer mma64_plane(unsigned bits, const WordMatrix& elements) {
  const size_t groups = elements.columns;
  std::vector<uint32_t> ordered(up(elements.rows, 64) * groups * 64, 0);
  for (size_t n = 0; n < elements.rows; ++n)
    for (size_t group = 0; group < groups; ++group)
      ordered.at((n / 64 * groups + group) * 64 + (n % 8) * 8 + (n % 64) / 8) = elements(n, group);
  Buffer out;
  for (const uint32_t element : ordered) append(out, element, bits == 4 ? 1 : bits / 8);
  return out;
}

Buffer native_bytes(const ByteMatrix& codes) {
  Buffer out;
  for (size_t n = 0; n < codes.rows; ++n) {
    for (size_t k = 0; k < codes.columns; ++k) out.push_back(codes(n, k));
    while (out.size() % 16 != 0) out.push_back(0);
  }
  return out;
}

}  // namespace imp::reference

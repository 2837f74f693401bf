// Bit paint: number every bit of the code plane, pack once per bit of those numbers with each
// source bit holding that bit of its own number, and read the whole permutation out of the packed
// buffers. (Four times as fine as nibble paint, because the word code of mma64 moves bits apart.)
#include <gtest/gtest.h>

#include <bit>
#include <functional>
#include <vector>

#include "kernels/layouts/mma64_nvfp4.h"
#include "kernels/layouts/native_rows.h"
#include "tests/unit/layout_planes.h"

namespace imp::test {
namespace {

constexpr size_t kRows = 128;
constexpr size_t kColumns = 192;
constexpr uint8_t kOne = 0x38;  ///< a scale that is not zero

using Pack = std::function<std::vector<uint8_t>(const Nvfp4Matrix&)>;

/// Number of the source bit: 4 * (n * K + k) + bit of the code. From 1, so that no number is zero.
uint32_t number_of(size_t element, uint32_t bit) {
  return static_cast<uint32_t>(4 * element + bit + 1);
}

Nvfp4Matrix painted(uint32_t pass) {
  Nvfp4Matrix matrix{{kRows, kColumns, {}}, {kRows, kColumns / 16, {}}};
  for (size_t element = 0; element < kRows * kColumns; ++element) {
    uint32_t code = 0;
    for (uint32_t bit = 0; bit < 4; ++bit) code |= (number_of(element, bit) >> pass & 1) << bit;
    matrix.codes.at.push_back(static_cast<uint8_t>(code));
  }
  matrix.scales.at.assign(kRows * kColumns / 16, kOne);
  return matrix;
}

/// The number of the source bit that each packed bit holds; 0 where none does.
std::vector<uint32_t> permutation(const Pack& pack) {
  std::vector<uint32_t> numbers;
  const uint32_t passes = static_cast<uint32_t>(std::bit_width(4 * kRows * kColumns));
  for (uint32_t pass = 0; pass < passes; ++pass) {
    const std::vector<uint8_t> packed = pack(painted(pass));
    numbers.resize(8 * packed.size());
    for (size_t at = 0; at < numbers.size(); ++at)
      numbers[at] |= (packed[at / 8] >> (at % 8) & 1u) << pass;
  }
  return numbers;
}

std::vector<uint8_t> from_bytes(const std::vector<std::byte>& bytes) {
  std::vector<uint8_t> out;
  for (const std::byte b : bytes) out.push_back(std::to_integer<uint8_t>(b));
  return out;
}

/// Each source bit is in exactly one place. Constant bits (scales) come out as 0 or as all ones.
void expect_every_bit_once(const std::vector<uint32_t>& numbers, size_t bits) {
  std::vector<int> seen(bits + 1, 0);
  for (const uint32_t number : numbers)
    if (number >= 1 && number <= bits) ++seen[number];
  size_t wrong = 0;
  for (size_t number = 1; number <= bits; ++number) wrong += seen[number] == 1 ? 0 : 1;
  EXPECT_EQ(wrong, 0u) << "source bits that are missing or stored twice";
}

Pack mma64_by(repack::Path path) {
  return [path](const Nvfp4Matrix& matrix) { return from_bytes(pack_mma64(Planes(matrix), path)); };
}

Pack native_by(repack::Path path) {
  return [path](const Nvfp4Matrix& matrix) {
    const Planes planes(matrix);
    std::vector<std::byte> out(kRows * layouts::native_rows::pitch_bytes(kColumns), kUnwritten);
    repack::native_rows_pack(planes.codes, kRows, kColumns, path, out);
    return from_bytes(out);
  };
}

void compare(const std::vector<uint32_t>& ours, const std::vector<uint32_t>& theirs) {
  ASSERT_EQ(ours.size(), theirs.size());
  size_t differing = 0, first = 0;
  for (size_t at = ours.size(); at-- > 0;)
    if (ours[at] != theirs[at]) ++differing, first = at;
  EXPECT_EQ(differing, 0u) << "first at bit " << first << ": " << ours[first] << ", expected "
                           << theirs[first];
}

TEST(Paint, Mma64PermutesBitsAsTheSpecificationSays) {
  const std::vector<uint32_t> by_reference = permutation([](const Nvfp4Matrix& matrix) {
    return reference::mma64_nvfp4(matrix.codes, matrix.scales);
  });
  expect_every_bit_once(by_reference, 4 * kRows * kColumns);
  for (const repack::Path path : kPaths) {
    SCOPED_TRACE(path_name(path));
    compare(permutation(mma64_by(path)), by_reference);
  }
}

/// A bit by hand: code (n, k) = (77, 131), sign. Block (1, 2) of 3 tiles a row: (3 + 2) * 2304.
/// n%64 = 13: j = 1, g = 5. k%64 = 3: c = 0, i = e = 3: register 1, upper half; its sign is bit 12
/// there. Word at 0 * 512 + lane 20 * 16 + 8 + 0.
TEST(Paint, Mma64OneBitByHand) {
  const std::vector<uint32_t> numbers = permutation(mma64_by(repack::Path::kWord));
  const size_t at = 8 * (5 * 2304 + 20 * 16 + 8) + 16 + 12;
  EXPECT_EQ(numbers.at(at), number_of(77 * kColumns + 131, 3));
}

TEST(Paint, NativeRowsKeepTheOrder) {
  const std::vector<uint32_t> by_reference =
      permutation([](const Nvfp4Matrix& matrix) { return reference::native_rows(matrix.codes); });
  expect_every_bit_once(by_reference, 4 * kRows * kColumns);
  for (const repack::Path path : kPaths) {
    SCOPED_TRACE(path_name(path));
    compare(permutation(native_by(path)), by_reference);
  }
}

/// Scales are bytes: their numbers, two bytes of them, are the paint.
TEST(Paint, Sf128x4PermutesBytesAsTheSpecificationSays) {
  constexpr size_t kGroups = 9, kScaleRows = 300;
  for (const repack::Path path : kPaths) {
    SCOPED_TRACE(path_name(path));
    for (const uint32_t pass : {0u, 8u}) {
      reference::ByteMatrix scales{kScaleRows, kGroups, {}};
      for (size_t i = 0; i < kScaleRows * kGroups; ++i)
        scales.at.push_back(static_cast<uint8_t>((i + 1) >> pass));
      std::vector<std::byte> out(3 * 3 * 512, kUnwritten);
      repack::sf128x4_pack(to_bytes(scales.at), kScaleRows, kGroups, path, out);
      EXPECT_EQ(from_bytes(out), reference::sf128x4(scales)) << pass;
    }
  }
}

}  // namespace
}  // namespace imp::test

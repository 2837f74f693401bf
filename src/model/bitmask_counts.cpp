// A bitmask against what it is the mask of. Decoding walks the stored elements by it, so a wrong
// count would read past them.
#include <algorithm>
#include <bit>

#include "src/base/checked.h"
#include "src/model/detect_family.h"
#include "src/model/scalars.h"

namespace imp::model {
namespace {

/// Set bits of a row; bits behind its last column have no meaning and must be zero, so that the
/// count of the bytes is that of the columns.
uint64_t set_bits(Bytes row) {
  uint64_t count = 0;
  for (const std::byte byte : row)
    count += static_cast<uint64_t>(std::popcount(std::to_integer<uint8_t>(byte)));
  return count;
}

bool has_bits_behind(Bytes row, uint64_t k) {
  return k % 8 != 0 && std::to_integer<uint32_t>(row.back()) >> (k % 8) != 0;
}

Error wrong_row(const Siblings& s, uint64_t row, uint64_t count, const std::string& expected) {
  return s.error(Suffix::kBitmask, ErrorKind::kShapeMismatch,
                 "row " + std::to_string(row) + " has " + std::to_string(count) +
                     " places, expected " + expected);
}

/// Row counts in slabs: the mask of a big matrix need not be in memory at once.
template <class RowCheck>
Status for_each_row(const Siblings& s, const WeightForm& form, RowCheck check) {
  constexpr uint64_t kSlabBytes = 1u << 20;
  const uint64_t pitch = div_up(form.k, 8);
  const uint64_t rows_a_slab = std::max<uint64_t>(1, kSlabBytes / pitch);
  for (uint64_t first = 0; first < form.n; first += rows_a_slab) {
    const uint64_t rows = std::min(rows_a_slab, form.n - first);
    IMP_ASSIGN(
        const std::vector<std::byte> slab,
        read_bytes(s.context.source, s.tensors[Suffix::kBitmask], first * pitch, rows * pitch));
    for (uint64_t row = 0; row < rows; ++row) {
      const Bytes bits = Bytes(slab).subspan(row * pitch, pitch);
      if (has_bits_behind(bits, form.k))
        return s.error(Suffix::kBitmask, ErrorKind::kShapeMismatch,
                       "row " + std::to_string(first + row) + " has places behind column " +
                           std::to_string(form.k - 1));
      IMP_TRY(check(first + row, set_bits(bits)));
    }
  }
  return {};
}

}  // namespace

Status check_bitmask_counts(const Siblings& s, const WeightForm& form) {
  if (!s.has(Suffix::kRowOffsets))
    return for_each_row(s, form, [&](uint64_t row, uint64_t count) -> Status {
      if (count == form.k / 2) return {};
      return wrong_row(s, row, count, std::to_string(form.k / 2) + ", half of the columns");
    });
  IMP_ASSIGN(const std::vector<int64_t> offsets,
             read_integers(s.context.source, s.tensors[Suffix::kRowOffsets]));
  uint64_t stored = 0;
  IMP_TRY(for_each_row(s, form, [&](uint64_t row, uint64_t count) -> Status {
    if (offsets[row] < 0 || static_cast<uint64_t>(offsets[row]) != stored)
      return s.error(Suffix::kRowOffsets, ErrorKind::kShapeMismatch,
                     "row " + std::to_string(row) + " begins at " + std::to_string(offsets[row]) +
                         ", expected " + std::to_string(stored) + " by the bitmask");
    stored += count;
    return {};
  }));
  if (stored == s.at(form.codes).shape[0]) return {};
  return s.error(form.codes, ErrorKind::kShapeMismatch,
                 shape_text(s.at(form.codes)) + ", expected " + std::to_string(stored) +
                     " elements by the bitmask");
}

}  // namespace imp::model

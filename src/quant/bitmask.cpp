#include "src/quant/bitmask.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <string>

#include "src/base/checked.h"
#include "src/base/little_endian.h"

namespace imp::quant {
namespace {

Error refuse(std::string message) { return {ErrorKind::kBadShape, std::move(message), {}, {}}; }

uint64_t set_bits(Bytes row) {
  uint64_t count = 0;
  for (const std::byte b : row)
    count += static_cast<uint64_t>(std::popcount(static_cast<uint8_t>(b)));
  return count;
}

/// First element of a row and how many it must have.
struct Run {
  uint64_t first = 0;
  uint64_t count = 0;
};

Result<Run> run_of_row(const PlaneCoding& plane, const SparsePlanes& source, uint64_t row,
                       uint64_t element_count, uint64_t set) {
  Run run{row * (plane.columns / 2), plane.columns / 2};
  if (plane.encoding == Encoding::kBitmask)
    run = {load_le<uint64_t>(source.row_offsets.data() + 8 * row), set};
  if (set != run.count || !range_fits(run.first, run.count, element_count))
    return refuse("row " + std::to_string(row) + " has " + std::to_string(set) +
                  " bits set and elements " + std::to_string(run.first) + " + " +
                  std::to_string(run.count) + " of " + std::to_string(element_count));
  return run;
}

}  // namespace

Status expand_bitmask(const PlaneCoding& plane, const SparsePlanes& source, MutableBytes out) {
  const uint64_t element = plane.bits / 8, mask_pitch = div_up(plane.columns, 8);
  const bool by_offsets = plane.encoding == Encoding::kBitmask;
  if (source.bitmask.size() != plane.rows * mask_pitch ||
      source.row_offsets.size() != (by_offsets ? plane.rows * 8 : 0))
    return refuse("bitmask and row offsets have " + std::to_string(source.bitmask.size()) +
                  " and " + std::to_string(source.row_offsets.size()) +
                  " bytes, expected those of [" + std::to_string(plane.rows) + ", " +
                  std::to_string(plane.columns) + "]");
  std::fill(out.begin(), out.end(), std::byte{0});
  for (uint64_t row = 0; row < plane.rows; ++row) {
    const Bytes mask = source.bitmask.subspan(row * mask_pitch, mask_pitch);
    IMP_ASSIGN(const Run run,
               run_of_row(plane, source, row, source.elements.size() / element, set_bits(mask)));
    const std::byte* from = source.elements.data() + run.first * element;
    std::byte* to = out.data() + row * plane.columns * element;
    for (uint64_t k = 0; k < mask_pitch * 8; ++k) {
      if ((mask[k / 8] >> (k % 8) & std::byte{1}) == std::byte{0}) continue;
      if (k >= plane.columns)
        return refuse("row " + std::to_string(row) + " has a bit set past its last column");
      std::memcpy(to + k * element, from, element);
      from += element;
    }
  }
  return {};
}

}  // namespace imp::quant

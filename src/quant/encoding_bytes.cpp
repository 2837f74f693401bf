#include "src/quant/encoding_bytes.h"

#include <algorithm>
#include <string>
#include <vector>

#include "src/base/checked.h"

namespace imp::quant {
namespace {

const uint8_t* bytes(Bytes span) { return reinterpret_cast<const uint8_t*>(span.data()); }
uint8_t* bytes(MutableBytes span) { return reinterpret_cast<uint8_t*>(span.data()); }

/// Two's complement to offset binary and back: the sign bit turns.
constexpr uint8_t kNibbleSigns = 0x88;

Error too_wide(uint64_t row, uint64_t column, uint8_t byte, uint32_t bits) {
  return {ErrorKind::kBadShape,
          "element " + std::to_string(static_cast<int8_t>(byte)) + " at row " +
              std::to_string(row) + ", column " + std::to_string(column) + " needs more than " +
              std::to_string(bits) + " bits",
          {},
          {}};
}

}  // namespace

void pack_nibbles(const uint8_t* elements, uint64_t count, uint8_t* row) {
  for (uint64_t i = 0; i + 1 < count; i += 2)
    row[i / 2] = static_cast<uint8_t>(elements[i] | elements[i + 1] << 4);
  if (count % 2 != 0) row[count / 2] = elements[count - 1];
}

void spread_nibbles(const uint8_t* row, uint64_t count, uint8_t* elements) {
  for (uint64_t i = 0; i + 1 < count; i += 2) {
    elements[i] = row[i / 2] & 0xF;
    elements[i + 1] = row[i / 2] >> 4;
  }
  if (count % 2 != 0) elements[count - 1] = row[count / 2] & 0xF;
}

Status from_signed_bytes(const PlaneCoding& plane, Bytes source, MutableBytes out) {
  const uint8_t half = static_cast<uint8_t>(1u << (plane.bits - 1));
  const uint8_t outside = static_cast<uint8_t>(~((1u << plane.bits) - 1));
  const uint64_t pitch = plane.bits == 4 ? div_up(plane.columns, 2) : plane.columns;
  std::vector<uint8_t> scratch(plane.bits == 4 ? plane.columns : 0);
  for (uint64_t row = 0; row < plane.rows; ++row) {
    const uint8_t* from = bytes(source) + row * plane.columns;
    uint8_t* to = bytes(out) + row * pitch;
    uint8_t* elements = plane.bits == 4 ? scratch.data() : to;
    uint8_t seen = 0;
    for (uint64_t column = 0; column < plane.columns; ++column) {
      elements[column] = static_cast<uint8_t>(from[column] + half);
      seen |= elements[column];
    }
    if ((seen & outside) != 0)
      for (uint64_t column = 0; column < plane.columns; ++column)
        if ((elements[column] & outside) != 0)
          return too_wide(row, column, from[column], plane.bits);
    if (plane.bits == 4) pack_nibbles(elements, plane.columns, to);
  }
  return {};
}

void to_signed_bytes(const PlaneCoding& plane, Bytes canonical, MutableBytes out) {
  const uint8_t half = static_cast<uint8_t>(1u << (plane.bits - 1));
  const uint64_t pitch = plane.bits == 4 ? div_up(plane.columns, 2) : plane.columns;
  for (uint64_t row = 0; row < plane.rows; ++row) {
    const uint8_t* from = bytes(canonical) + row * pitch;
    uint8_t* to = bytes(out) + row * plane.columns;
    if (plane.bits == 4) {
      spread_nibbles(from, plane.columns, to);
      from = to;
    }
    for (uint64_t column = 0; column < plane.columns; ++column)
      to[column] = static_cast<uint8_t>(from[column] - half);
  }
}

Status from_nibbles_along_n(const PlaneCoding& plane, Bytes source, MutableBytes out) {
  const uint64_t pitch = div_up(plane.columns, 2);
  std::vector<uint8_t> low(plane.columns);
  std::vector<uint8_t> high(plane.columns);
  for (uint64_t row = 0; row < plane.rows; row += 2) {
    const uint8_t* from = bytes(source) + row / 2 * plane.columns;
    for (uint64_t column = 0; column < plane.columns; ++column) {
      const uint8_t pair = from[column] ^ kNibbleSigns;
      low[column] = pair & 0xF;
      high[column] = pair >> 4;
    }
    pack_nibbles(low.data(), plane.columns, bytes(out) + row * pitch);
    if (row + 1 < plane.rows) {
      pack_nibbles(high.data(), plane.columns, bytes(out) + (row + 1) * pitch);
      continue;
    }
    for (uint64_t column = 0; column < plane.columns; ++column)
      if (from[column] >> 4 != 0)
        return Error{ErrorKind::kUnsupportedScheme,
                     "high nibble of column " + std::to_string(column) +
                         " lies past the last row and is not zero",
                     {},
                     {}};
  }
  return {};
}

void to_nibbles_along_n(const PlaneCoding& plane, Bytes canonical, MutableBytes out) {
  const uint64_t pitch = div_up(plane.columns, 2);
  std::vector<uint8_t> low(plane.columns);
  std::vector<uint8_t> high(plane.columns);
  for (uint64_t row = 0; row < plane.rows; row += 2) {
    spread_nibbles(bytes(canonical) + row * pitch, plane.columns, low.data());
    if (row + 1 < plane.rows)
      spread_nibbles(bytes(canonical) + (row + 1) * pitch, plane.columns, high.data());
    else  // a row that is not there is zero bits once its signs are turned
      std::fill(high.begin(), high.end(), uint8_t{kNibbleSigns & 0xF});
    uint8_t* to = bytes(out) + row / 2 * plane.columns;
    for (uint64_t column = 0; column < plane.columns; ++column)
      to[column] = static_cast<uint8_t>((low[column] | high[column] << 4) ^ kNibbleSigns);
  }
}

}  // namespace imp::quant

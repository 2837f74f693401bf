// Arithmetic on numbers that come from files: overflow is a value, not a wrap.
#pragma once

#include <cstdint>
#include <limits>
#include <optional>

namespace imp {

inline std::optional<uint64_t> checked_add(uint64_t a, uint64_t b) {
  if (a > std::numeric_limits<uint64_t>::max() - b) return std::nullopt;
  return a + b;
}

inline std::optional<uint64_t> checked_mul(uint64_t a, uint64_t b) {
  if (b != 0 && a > std::numeric_limits<uint64_t>::max() / b) return std::nullopt;
  return a * b;
}

/// True if [offset, offset + size) lies in [0, limit); written so that nothing can wrap.
inline bool range_fits(uint64_t offset, uint64_t size, uint64_t limit) {
  return offset <= limit && size <= limit - offset;
}

/// REQUIRES: unit > 0 and the result fits (callers bound `value` before).
constexpr uint64_t round_up(uint64_t value, uint64_t unit) {
  return (value + unit - 1) / unit * unit;
}
constexpr uint64_t div_up(uint64_t value, uint64_t unit) { return (value + unit - 1) / unit; }

}  // namespace imp

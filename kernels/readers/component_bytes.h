// Bytes that the components of a weight must have, and how a reader refuses a shape. Host only.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>

#include "kernels/readers/weight_view.h"
#include "src/base/checked.h"
#include "src/base/result.h"

namespace imp::kernels {

/// 0: the weight has no use for the component.
struct ComponentBytes {
  uint64_t codes = 0;
  uint64_t block_scale = 0;
  uint64_t zero_point = 0;  ///< where there are any
  uint64_t group_min = 0;
  uint64_t super_scale = 0;
  uint64_t super_min = 0;
  uint64_t lut = 0;
  uint64_t bitmask = 0;
  uint64_t row_offsets = 0;
  uint64_t group_index = 0;  ///< where there is one
};

inline Error shape_error(std::string message) {
  Error error;
  error.kind = ErrorKind::kBadShape;
  error.message = std::move(message);
  return error;
}

inline Error too_many_bytes(const WeightView& weight) {
  return shape_error("shape [" + std::to_string(weight.n) + ", " + std::to_string(weight.k) +
                     "] has more bytes than 64 bits can count");
}

/// The product of the factors. Errors: too_many_bytes.
inline Result<uint64_t> bytes_of(const WeightView& weight,
                                 std::initializer_list<uint64_t> factors) {
  std::optional<uint64_t> bytes = 1;
  for (const uint64_t factor : factors)
    if (bytes) bytes = checked_mul(*bytes, factor);
  if (!bytes) return too_many_bytes(weight);
  return *bytes;
}

}  // namespace imp::kernels

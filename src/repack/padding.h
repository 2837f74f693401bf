// How the inverses of all layouts name a place of the padding that is not zero.
#pragma once

#include <cstdint>
#include <string>
#include <utility>

#include "src/base/result.h"

namespace imp::repack {

inline Error inverse_mismatch(std::string message) {
  Error error;
  error.kind = ErrorKind::kInverseMismatch;
  error.message = std::move(message);
  return error;
}

/// `unit`: what is counted along K: "column", "group" or "byte".
inline Error padding_error(uint64_t row, const char* unit, uint64_t at) {
  return inverse_mismatch("padding at row " + std::to_string(row) + ", " + unit + " " +
                          std::to_string(at) + " is not zero");
}

}  // namespace imp::repack

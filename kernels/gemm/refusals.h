// How calls on device pointers are refused: the same words wherever a kernel checks its arguments.
#pragma once

#include <cstdint>
#include <string>
#include <utility>

#include "src/base/result.h"

namespace imp::kernels {

inline Error bad_shape(std::string message) {
  return Error{ErrorKind::kBadShape, std::move(message), "", ""};
}

/// Errors: kBadShape if `pointer` is null or no multiple of `alignment`.
inline Status check_pointer(const char* what, const void* pointer, uint64_t alignment) {
  if (pointer == nullptr) return bad_shape(std::string(what) + " is a null pointer");
  if (reinterpret_cast<uintptr_t>(pointer) % alignment != 0)
    return bad_shape(std::string(what) + " is not aligned to " + std::to_string(alignment) +
                     " bytes");
  return {};
}

}  // namespace imp::kernels

// What every function of repack.h checks before a launch.
#pragma once

#include <cstdint>
#include <string>

#include "src/base/result.h"

namespace imp::kernels {

inline Error bad_repack(const std::string& message) {
  return Error{ErrorKind::kBadShape, "repack: " + message, "", ""};
}

inline Status check_multiple_of_16(const char* what, uint64_t value) {
  if (value != 0 && value % 16 == 0) return {};
  return bad_repack(std::string(what) + " is " + std::to_string(value) +
                    ", expected a multiple of 16");
}

inline Status check_aligned(const char* what, const void* pointer, uint64_t alignment) {
  if (pointer != nullptr && reinterpret_cast<uintptr_t>(pointer) % alignment == 0) return {};
  return bad_repack(std::string(what) + " is null or not " + std::to_string(alignment) +
                    "-byte aligned");
}

}  // namespace imp::kernels

// Loads and stores of little-endian numbers at any alignment.
#pragma once

#include <bit>
#include <cstring>
#include <type_traits>

namespace imp {

static_assert(std::endian::native == std::endian::little,
              "imp runs on little-endian hosts only; file formats are little-endian");

template <class T>
T load_le(const void* at) {
  static_assert(std::is_trivially_copyable_v<T>);
  T value;
  std::memcpy(&value, at, sizeof value);
  return value;
}

template <class T>
void store_le(void* at, T value) {
  static_assert(std::is_trivially_copyable_v<T>);
  std::memcpy(at, &value, sizeof value);
}

}  // namespace imp

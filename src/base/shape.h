// Tensor shapes without allocation.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>

#include "src/base/checked.h"

namespace imp {

inline constexpr size_t kMaxRank = 8;

/// Dimensions, slowest first. Rank 0 is a scalar (one element). Unused entries are 0.
struct Shape {
  std::array<uint64_t, kMaxRank> dims{};
  uint32_t rank = 0;

  Shape() = default;
  Shape(std::initializer_list<uint64_t> list) {
    for (uint64_t d : list) dims[rank++] = d;
  }
  uint64_t operator[](size_t i) const { return dims[i]; }
  bool operator==(const Shape&) const = default;

  /// Product of the dimensions; nullopt if it does not fit 64 bits.
  std::optional<uint64_t> num_elems() const {
    uint64_t product = 1;
    for (uint32_t i = 0; i < rank; ++i) {
      auto next = checked_mul(product, dims[i]);
      if (!next) return std::nullopt;
      product = *next;
    }
    return product;
  }
  /// "[2, 3]"
  std::string to_string() const {
    std::string text = "[";
    for (uint32_t i = 0; i < rank; ++i) text += (i ? ", " : "") + std::to_string(dims[i]);
    return text + "]";
  }
};

}  // namespace imp

// Counting what is odd about scales.
#pragma once

#include <array>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "src/base/dtype.h"
#include "src/base/file.h"

namespace imp::inspect {

/// What block scales of one tensor, or of all, look like. What is not finite is left out of
/// minimum, maximum and mean.
struct BlockScaleStats {
  uint64_t count = 0;
  double min = 0;
  double max = 0;
  double mean = 0;
  uint64_t zero = 0;           ///< +0
  uint64_t negative_zero = 0;  ///< -0, not in `zero`
  uint64_t subnormal = 0;      ///< of the scales' own dtype
  uint64_t nan = 0;
  uint64_t infinite = 0;
  uint64_t negative = 0;  ///< below 0

  uint64_t odd() const { return zero + negative_zero + subnormal + nan + infinite + negative; }
};

/// Block scales of any dtype, counted as they come.
class BlockScaleTally {
 public:
  /// Whole scales of dtype F8_E4M3, F8_E8M0 or U8 (both e8m0), F16, BF16 or F32.
  void add(Bytes scales, Dtype dtype);
  void add(const BlockScaleTally& other);
  /// REQUIRES: a one-byte dtype.
  void add(uint8_t byte, Dtype dtype, uint64_t count) { bytes_of(dtype)[byte] += count; }
  /// Take away `count` scales whose bytes are zero: padding. False (and nothing changed) if there
  /// are fewer.
  bool remove_zeros(uint64_t count, Dtype dtype);
  BlockScaleStats stats() const;

 private:
  using ByteCounts = std::array<uint64_t, 256>;
  ByteCounts& bytes_of(Dtype dtype) { return dtype == Dtype::kF8E4M3 ? e4m3_ : e8m0_; }

  // One-byte formats have 256 values: counting those is exact, whatever the order.
  ByteCounts e4m3_{};
  ByteCounts e8m0_{};
  /// Wider formats. +0 is counted apart, because padding is taken away later.
  struct Floats {
    BlockScaleStats stats;  ///< minimum and maximum of the others than +0, no mean
    double sum = 0;
    uint64_t others = 0;  ///< finite ones but +0
  } floats_;
};
/// True for a dtype that BlockScaleTally::add takes.
bool is_scale_dtype(Dtype dtype);

/// Scales that are one f32 a tensor: global scales, input scales.
struct ScalarStats {
  uint64_t count = 0;
  uint64_t absent = 0;
  uint64_t zero = 0;  ///< of either sign
  uint64_t subnormal = 0;
  uint64_t non_finite = 0;  ///< left out of minimum and maximum
  uint64_t negative = 0;    ///< below 0
  std::optional<float> min;
  std::optional<float> max;

  void add(float value);
  void add(const ScalarStats& other);
  uint64_t odd() const { return zero + subnormal + non_finite + negative; }
};

/// The scales of one quantized tensor (or operand).
struct ScaleRow {
  std::string name;
  std::optional<BlockScaleStats> blocks;
  std::string why_no_blocks;  ///< where `blocks` is empty
  ScalarStats globals;
  ScalarStats inputs;
};

nlohmann::ordered_json to_json(const BlockScaleStats& stats);
nlohmann::ordered_json to_json(const ScalarStats& stats);
nlohmann::ordered_json to_json(const ScaleRow& row);

}  // namespace imp::inspect

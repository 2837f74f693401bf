// Counting what is odd about scales.
#pragma once

#include <array>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "src/base/file.h"

namespace imp::inspect {

/// What block scales of one tensor, or of all, look like. NaN is left out of minimum, maximum and
/// mean.
struct BlockScaleStats {
  uint64_t count = 0;
  double min = 0;
  double max = 0;
  double mean = 0;
  uint64_t zero = 0;           ///< +0
  uint64_t negative_zero = 0;  ///< -0, not in `zero`
  uint64_t subnormal = 0;
  uint64_t nan = 0;
  uint64_t negative = 0;  ///< below 0

  uint64_t odd() const { return zero + negative_zero + subnormal + nan + negative; }
};

/// E4M3 has 256 values: counting them is exact, and independent of the order in which they come.
class BlockScaleHistogram {
 public:
  void add(Bytes e4m3);
  void add(const BlockScaleHistogram& other);
  void add(uint8_t e4m3, uint64_t count) { counts_[e4m3] += count; }
  /// Take away `count` bytes 0x00 that are padding. False (and nothing changed) if there are fewer.
  bool remove_zeros(uint64_t count);
  BlockScaleStats stats() const;

 private:
  std::array<uint64_t, 256> counts_{};
};

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

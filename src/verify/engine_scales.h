// NVFP4 scales as marlin, marlin_a0 and max_sm8x store them: both ways, by arithmetic.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <vector>

#include "src/verify/slab.h"

namespace imp::verify {

class EngineScales {
 public:
  /// For rows of this slab. Errors: those of rescale_log2.
  static Result<EngineScales> of(const FormView& view, const StoredSlab& slab);

  /// Element i of stored scales: a byte, or 16 bits of max_sm8x.
  uint16_t element(const std::vector<std::byte>& stored, uint64_t i) const;
  /// What is stored for a scale of a row of the operand.
  uint16_t forward(uint64_t row, uint8_t e4m3) const;
  /// The smallest e4m3 byte that this is stored for; nullopt if there is none.
  std::optional<uint8_t> inverse(uint64_t row, uint16_t stored) const;

 private:
  static constexpr uint8_t kNoScale = 0xFF;
  using Table = std::array<uint16_t, 256>;  ///< by e4m3 byte
  struct Part {
    uint64_t end;
    Table forward{};
    std::vector<uint8_t> inverse{};  ///< by what is stored; kNoScale where nothing gives it
  };
  const Part& part_of(uint64_t row) const;

  bool is_wide_ = false;
  std::vector<Part> parts_;
};

/// marlin (kernel-layouts 2.5, rule A2): log2 of the power of two that the scales of an operand are
/// multiplied by, from the largest of them.
uint32_t marlin_rescale_log2(uint8_t largest_e4m3);

}  // namespace imp::verify

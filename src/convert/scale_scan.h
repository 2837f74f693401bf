// Block scales as they pass: refuse what is unsafe, count what is odd.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string>

#include "src/base/file.h"
#include "src/base/log.h"
#include "src/base/result.h"
#include "src/model/model.h"

namespace imp::convert {

/// How often each e4m3 byte occurs: all that a later audit of the scales can ask for.
using ScaleCounts = std::array<uint64_t, 256>;

class ScaleScan {
 public:
  /// Look at e4m3 block scales of `tensor`, a plane of operand `operand` (plan order), starting at
  /// element `first_elem`. Errors: kBadScale for NaN (0x7F, 0xFF) and for negative values but -0
  /// (0x81..0xFE), naming the place.
  Status scan(const model::Source& source, uint32_t tensor, uint32_t operand, uint64_t first_elem,
              Bytes scales);
  uint64_t zeros() const { return zeros_; }
  /// Counts of one operand, parts and experts together; nullptr if it has no block scales.
  const ScaleCounts* counts_of(uint32_t operand) const;
  /// One line for all tensors, if there is something to say.
  void warn(Log& log) const;

 private:
  uint64_t zeros_ = 0;
  uint64_t tensors_with_zeros_ = 0;
  uint32_t last_tensor_ = model::kNone;
  std::string first_name_;
  std::map<uint32_t, ScaleCounts> counts_;  ///< by operand
};

}  // namespace imp::convert

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

/// How often each byte occurs among scales of one byte (e4m3, e8m0): all that a later audit of the
/// scales can ask for.
using ScaleCounts = std::array<uint64_t, 256>;

/// What a plane of scales is for.
struct ScaleUse {
  uint32_t operand = 0;      ///< plan order
  bool mxfp4_mma64 = false;  ///< e8m0 scales that mma64's bf16 arithmetic must hold
  /// Of integers: AutoRound's symmetric range puts the sign there, and so do GGUF's quantisers.
  bool may_be_negative = false;
};

class ScaleScan {
 public:
  /// Look at block scales of `tensor`, of any dtype that scales have, from byte `first_byte` on.
  /// Errors, naming the place: kBadScale for NaN, infinite and (unless they may be) negative values
  /// but -0;
  /// kUnsupportedScheme for e8m0 above 2^125 where mma64 is to hold them.
  Status scan(const model::Model& model, uint32_t tensor, const ScaleUse& use, uint64_t first_byte,
              Bytes scales);
  uint64_t zeros() const { return zeros_; }
  /// Counts of one operand, parts and experts together; nullptr if it has no one-byte block scales.
  const ScaleCounts* counts_of(uint32_t operand) const;
  /// One line for all tensors, if there is something to say.
  void warn(Log& log) const;

 private:
  void count_zeros(const model::Model& model, uint32_t tensor, uint64_t zeros);

  uint64_t zeros_ = 0;
  uint64_t negatives_ = 0;
  uint64_t tensors_with_zeros_ = 0;
  uint32_t last_tensor_ = model::kNone;
  std::string first_name_;
  std::map<uint32_t, ScaleCounts> counts_;  ///< by operand
};

}  // namespace imp::convert

// Numbers of other engines' layouts that belong to a whole operand: what its largest scale allows,
// multipliers with the layout's powers of two in them, how many scales the layout cannot hold.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <vector>

#include "src/base/log.h"
#include "src/base/result.h"
#include "src/model/model.h"
#include "src/plan/plan.h"

namespace imp::convert {

/// By operand, in plan order: the power of two by which marlin multiplies its scales; 1 for
/// operands that have no such form. Reads their block scales. Errors: those of reading,
/// kInterrupted.
Result<std::vector<float>> find_rescales(const model::Model& model, const plan::Plan& plan);

/// The bf16 pattern of a scale that marlin's fp8 kernels take: times 2^120, which they divide out.
/// Infinite from 256 on.
uint16_t marlin_fp8_scale(float scale);

/// Multipliers of marlin's nvfp4 forms, scales of rows of its fp8 forms without a plane of scales.
/// Errors: kBadScale for what leaves the range of normal numbers.
Result<std::vector<plan::Constant>> make_components_of_scales(const model::Model& model,
                                                              const plan::Plan& plan,
                                                              const std::vector<float>& rescales);

/// Scales of each operand that are not read as what they were. Thread-safe.
class FlushCounts {
 public:
  explicit FlushCounts(size_t operands) : counts_(operands) {}
  void add(uint32_t operand, uint64_t count) { counts_[operand] += count; }
  uint64_t of(uint32_t operand) const { return counts_[operand]; }
  uint64_t total() const;
  /// One line for all, if there are any.
  void warn(const plan::Plan& plan, Log& log) const;

 private:
  std::vector<std::atomic<uint64_t>> counts_;
};

/// The form whose scales may be flushed; nullptr for an operand without one.
const plan::Form* flushing_form(const plan::Operand& operand);

}  // namespace imp::convert

// What forms in other engines' layouts hold beside the source's planes, held against these: scales
// of fp8, folded zero points, and the power of two in marlin's NVFP4 scales.
#pragma once

#include <vector>

#include "src/verify/planes.h"
#include "src/verify/slab.h"

namespace imp::verify {

/// Slabs of a form in ascending order of expert and row. Forms in other layouts pass.
class EngineDerived {
 public:
  EngineDerived(const FormView& view, uint32_t operand, const PlaneTable& planes)
      : view_(view), operand_(operand), planes_(planes) {}

  /// Before the rows of an expert: reads the source's scales or zero points. Errors: kIo,
  /// kTruncated, those of quant::to_canonical.
  Status begin(uint64_t expert);
  /// Errors: kInverseMismatch naming row and group.
  Status check(const StoredSlab& stored, const CanonicalSlab& canonical);
  /// After the last slab. Errors: kInverseMismatch for a rescale that is not that of the largest
  /// scale.
  Status finish() const;

 private:
  /// A part's plane, canonical.
  struct SourcePlane {
    quant::PlaneCoding coding;
    Dtype dtype = Dtype::kU8;
    std::vector<std::byte> bytes;
  };
  Result<SourcePlane> read(uint32_t part, uint64_t expert, uint64_t& offset_bytes) const;
  uint16_t expected(uint64_t row, uint64_t group, const CanonicalSlab& canonical,
                    uint64_t groups) const;
  Status mismatch(const char* what, uint64_t row, uint64_t group) const;

  const FormView view_;
  const uint32_t operand_;
  const PlaneTable& planes_;
  std::vector<SourcePlane> sources_;  ///< of each part
  uint64_t expert_ = 0;
  uint8_t largest_ = 0;
  std::vector<float> multipliers_;  ///< of each expert
};

}  // namespace imp::verify

// Digests of source tensors, gathered from what a form holds of them.
#pragma once

#include <cstdint>
#include <vector>

#include "src/base/digest.h"
#include "src/quant/encoding.h"
#include "src/verify/planes.h"
#include "src/verify/problems.h"
#include "src/verify/slab.h"

namespace imp::verify {

/// Counts comparisons and collects those that fail.
class TensorChecks {
 public:
  TensorChecks(const FormView& view, Problems& problems) : view_(view), problems_(problems) {}
  void compare(const artifact::SourceTensorRecord& tensor, const Digest128& digest);
  void missing(uint32_t part, uint32_t expert, artifact::ComponentKind plane);
  uint64_t compared() const { return compared_; }

 private:
  FormView view_;
  Problems& problems_;
  uint64_t compared_ = 0;
};

/// One plane of one part, expert after expert, rows ascending: canonical rows are put back into the
/// encoding of the source tensor, which may be one for each expert or one for all.
class PlaneDigest {
 public:
  PlaneDigest(const FormView& view, uint32_t operand, uint32_t part, artifact::ComponentKind plane)
      : view_(view), operand_(operand), part_(part), plane_(plane) {}

  /// Before the rows of an expert. A plane that no tensor is recorded for is `missing`.
  void begin(const PlaneTable& planes, uint32_t expert, TensorChecks& checks);
  /// The next `rows` canonical rows of the plane. REQUIRES: pieces begin where the encoding can be
  /// cut.
  void add(Bytes canonical, uint64_t rows);
  /// After the rows of an expert.
  void end(uint32_t expert, TensorChecks& checks);
  artifact::ComponentKind plane() const { return plane_; }
  /// Of one expert of this part.
  quant::PlaneCoding coding() const;

 private:
  FormView view_;
  uint32_t operand_;
  uint32_t part_;
  artifact::ComponentKind plane_;
  const artifact::SourceTensorRecord* tensor_ = nullptr;
  Xxh3Stream digest_;
  std::vector<std::byte> held_;  ///< rows of an encoding that has no pieces
  std::vector<std::byte> source_;
};

}  // namespace imp::verify

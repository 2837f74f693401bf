// What a form in another engine's layout must hold, by the generators of tests/reference from the
// canonical planes of the source.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "src/convert/convert.h"
#include "src/repack/nvfp4.h"
#include "tests/reference/engine_layouts.h"

namespace imp::testing {

/// One operand of a converted model.
class EngineOracle {
 public:
  EngineOracle(const convert::Prepared& prepared, const plan::Operand& operand,
               const plan::Form& form);

  /// Padded N and K by the layouts' specifications.
  uint64_t padded_n() const { return padded_n_; }
  uint64_t padded_k() const { return padded_k_; }

  /// Bytes of one expert of a component that the layout defines; empty for the others.
  reference::Buffer component(model::ComponentKind kind, uint64_t expert) const;

  /// Records of the exceptions component, all experts.
  std::vector<repack::LostGroup> lost() const;
  /// Scales that a kernel of the layout does not read as what they were.
  uint64_t flushed() const;

 private:
  using Words = reference::WordMatrix;
  /// Canonical elements of one part.
  Words part_plane(model::ComponentKind kind, size_t part, uint64_t expert) const;
  uint32_t width_of(model::ComponentKind kind) const;
  /// All parts at their packed rows, padded to [padded_n, columns].
  Words plane(model::ComponentKind kind, uint64_t expert, uint64_t columns) const;
  uint64_t packed_row(size_t part, uint64_t row) const;
  uint64_t padded_groups() const;
  bool one_scale_a_row() const;
  float multiplier(size_t part, uint64_t expert) const;
  uint32_t stored_scale(uint8_t e4m3, size_t part, uint64_t expert) const;
  bool is_lost(uint8_t e4m3, size_t part, uint64_t expert) const;
  Words nvfp4_scales(uint64_t expert) const;
  Words fp8_scales(uint64_t expert) const;
  Words folded_zeros(uint64_t expert) const;
  reference::Buffer blocks(uint64_t expert) const;
  reference::Buffer scales(uint64_t expert) const;

  const convert::Prepared& prepared_;
  const model::Model& model_;
  const plan::Operand& operand_;
  const plan::Form& form_;
  uint64_t padded_n_ = 0;
  uint64_t padded_k_ = 0;
  uint64_t part_rows_ = 0;  ///< 0: parts follow each other
  double factor_ = 1;       ///< of marlin's scales
};

}  // namespace imp::testing

// Tiles of layouts that keep the source's order of columns.
#pragma once

#include "kernels/readers/slots.h"
#include "kernels/readers/weight_view.h"

namespace imp::kernels::readers {

/// Derived: `static IMP_HD float at(const WeightView&, uint64_t n, uint64_t k)` for every place of
/// the matrix. A lane takes two neighbouring columns of each row; outside the matrix is 0.
template <class Derived>
struct PlainRows {
  static constexpr uint16_t kLayout = 1;
  static constexpr float kUnit = 1.0f;
  using Slots = NaturalSlots;

  template <class Put>
  static IMP_HD void read_lane(const WeightView& w, uint64_t row_tile, uint64_t column_tile,
                               uint32_t lane, Put put) {
    for (uint32_t r = 0; r < kReaderRows; ++r)
      for (uint32_t v = 0; v < 2; ++v) {
        const uint32_t slot = 2 * lane + v;
        const uint64_t n = row_tile * kReaderRows + r, k = column_tile * kReaderColumns + slot;
        put(r, slot, n < w.n && k < w.k ? Derived::at(w, n, k) : 0.0f);
      }
  }
};

}  // namespace imp::kernels::readers

// Bytes of the components of a sparse weight.
#pragma once

#include "kernels/readers/component_bytes.h"
#include "kernels/readers/plain_places.h"

namespace imp::kernels::readers {

/// Of codes of `element_bytes`. Encoding 11 stores as many as bits are set: the caller has checked
/// bits, offsets and codes against each other.
inline Status sparse_sizes(const WeightView& w, uint64_t element_bytes, ComponentBytes& want) {
  IMP_ASSIGN(want.bitmask, bytes_of(w, {w.n, quotient_up(w.k, 8)}));
  if (w.dialect == kBitmask) {
    IMP_ASSIGN(want.row_offsets, bytes_of(w, {w.n, 8}));
  } else {
    IMP_ASSIGN(want.codes, bytes_of(w, {w.n, w.k / 2, element_bytes}));
  }
  return {};
}

}  // namespace imp::kernels::readers

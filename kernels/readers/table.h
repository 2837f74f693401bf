// The readers as data: which there are, and what each needs.
#pragma once

#include "kernels/readers/component_bytes.h"

namespace imp::kernels {

/// The constants of a reader (README.md).
struct ReaderInfo {
  uint16_t layout;
  uint16_t scheme;
  Dtype dtype;
  float unit;
  uint32_t dialects;
  uint32_t (*column_of_slot)(uint32_t slot);
  Result<ComponentBytes> (*sizes)(const WeightView& weight);
  uint32_t index;  ///< place in readers::AllReaders
};

/// nullptr if there is none.
const ReaderInfo* find_reader(uint16_t layout, uint16_t scheme);

/// True if there is one that reads codes of this dialect.
bool has_reader(uint16_t layout, uint16_t scheme, uint16_t dialect);

/// Bytes that the weight's components must have. REQUIRES: has_reader. Errors: kBadShape if the
/// shape has more bytes than 64 bits count, or groups that the layout cannot hold; kBadRecord for
/// types.
Result<ComponentBytes> component_bytes(const WeightView& weight);

}  // namespace imp::kernels

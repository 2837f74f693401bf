// Encodings of source planes, bit by bit, from formats/imp/SPEC.md (registry "encodings"): where
// each bit of an element lies. Slow; the oracle of src/quant/encoding.h.
#pragma once

#include <cstdint>
#include <vector>

namespace imp::reference {

struct HeldPlane {
  uint16_t encoding;  ///< number of the registry
  uint32_t bits;      ///< of an element
  uint64_t rows;
  uint64_t columns;
};

uint64_t held_bytes(const HeldPlane& plane);

/// Put the canonical element (row, column) into the source's bytes. REQUIRES: they were zero, each
/// element is put once.
void put_element(const HeldPlane& plane, uint64_t row, uint64_t column, uint64_t element,
                 std::vector<uint8_t>& source);

/// The canonical element (row, column) of the source's bytes.
uint64_t get_element(const HeldPlane& plane, uint64_t row, uint64_t column, const uint8_t* source);

}  // namespace imp::reference

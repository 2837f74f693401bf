// Encodings of two's complement: kSignedBytes and kNibblesAlongN, and the rows of 4-bit elements
// that all integer encodings share.
#pragma once

#include <cstdint>

#include "src/quant/encoding.h"

namespace imp::quant {

/// Bytes with one 4-bit element each (high nibble zero) to a canonical row, and back.
void pack_nibbles(const uint8_t* elements, uint64_t count, uint8_t* row);
void spread_nibbles(const uint8_t* row, uint64_t count, uint8_t* elements);

/// As to_canonical and from_canonical, for the encoding that the name says.
Status from_signed_bytes(const PlaneCoding& plane, Bytes source, MutableBytes out);
void to_signed_bytes(const PlaneCoding& plane, Bytes canonical, MutableBytes out);
Status from_nibbles_along_n(const PlaneCoding& plane, Bytes source, MutableBytes out);
void to_nibbles_along_n(const PlaneCoding& plane, Bytes canonical, MutableBytes out);

}  // namespace imp::quant

// Sparse planes of compressed-tensors (encodings bitmask24 and bitmask): the set elements, and a
// bit for each place.
#pragma once

#include <cstdint>

#include "src/base/file.h"
#include "src/base/result.h"
#include "src/quant/encoding.h"

namespace imp::quant {

/// What the source holds of one expert.
struct SparsePlanes {
  Bytes elements;     ///< kBitmask24: [rows, columns / 2]; kBitmask: the set ones, row after row
  Bytes bitmask;      ///< U8 [rows, ceil(columns / 8)], lowest bit first
  Bytes row_offsets;  ///< kBitmask: I64 [rows], first element of each row; else empty
};

/// [rows, columns] elements of plane.bits bits (8, 16 or 32), zero bits where none is set. Integer
/// codes come out in two's complement, as kSignedBytes holds them. REQUIRES: plane.encoding is one
/// of the two, out.size() == rows * columns * bits / 8. Errors: kBadShape for planes of other
/// sizes, a row with another count of bits than it has elements, bits past the last column.
Status expand_bitmask(const PlaneCoding& plane, const SparsePlanes& source, MutableBytes out);

}  // namespace imp::quant

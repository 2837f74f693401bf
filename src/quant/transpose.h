// A matrix of whole bytes held columns first, and the same held rows first.
#pragma once

#include <cstdint>

#include "src/base/file.h"

namespace imp::quant {

struct ByteMatrix {
  uint64_t rows = 0;
  uint64_t columns = 0;
  uint32_t element_bytes = 1;  ///< 1, 2, 4 or 8
  /// Source rows are interleaved: row 2i of the columns-first matrix is row i, row 2i + 1 is row
  /// ceil(rows/2) + i.
  bool interleaved = false;
};

/// [columns, rows] to [rows, columns]. REQUIRES: both spans have rows * columns * element_bytes.
void to_rows(const ByteMatrix& matrix, Bytes columns_first, MutableBytes out);
/// The inverse.
void from_rows(const ByteMatrix& matrix, Bytes rows_first, MutableBytes out);

}  // namespace imp::quant

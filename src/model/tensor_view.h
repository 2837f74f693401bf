// A tensor that no file holds as it is: rows of GGUF tensors, in the order of the model's hub
// checkpoint, whole or one field of their blocks.
//
// Importing GGUF means to say, for each tensor that the hub checkpoint would have, which stored
// rows it is. Everything behind works on these tensors as on those of a safetensors file.
#pragma once

#include <cstdint>
#include <vector>

#include "src/base/file.h"
#include "src/base/ggml_type.h"
#include "src/base/result.h"
#include "src/quant/ggml_blocks.h"

namespace imp::model {

struct Source;

/// Consecutive rows of one stored tensor.
struct StoredRows {
  uint32_t stored = 0;     ///< index into Source::stored
  uint64_t first_row = 0;  ///< of all its rows, leading dimensions taken together
  uint64_t rows = 0;
};

/// Which stored row each row of the view is (gguf.md, section 5; checked in tests against the
/// exporters' values). `pieces` are the view's, P of them for one expert.
enum class RowOrder : uint8_t {
  kAsStored,  ///< pieces one after the other
  /// One piece in heads of `a` rows: row t*(a/2) + i of a head is stored row 2i + t of it (5.1).
  kRopePairs,
  /// One piece; from row `a` on heads of equal size, `b` groups of `c`: head g*c + j of the view is
  /// stored head j*b + g (5.3, V heads of qwen35).
  kTiledHeads,
  /// One piece; the same of the columns: `b` groups of `c` chunks of columns. Whole blocks each.
  kTiledColumns,
  /// Two pieces: row 2i is row i of the first, row 2i + 1 of the second (gate and up of gpt-oss).
  kInterleaved,
  /// `a` heads; the view's head h is head h of every piece, one after the other (qkvz of
  /// qwen3next).
  kHeadsTogether,
  /// `a` heads of plain numbers; head h is head h of piece 0, which has `b` columns, transposed,
  /// and head h of piece 1 (k_b and v_b of deepseek2; the view's columns are rows of k_b's heads).
  kMlaKeyValue,
};

struct TensorView {
  GgmlType type = GgmlType::kF32;
  uint64_t columns = 0;            ///< elements of a row of the view
  std::vector<StoredRows> pieces;  ///< experts x P
  uint64_t experts = 1;            ///< of a view that holds all of them; else 1
  RowOrder order = RowOrder::kAsStored;
  uint64_t a = 0, b = 0, c = 0;  ///< of the order
  quant::BlockField field = quant::BlockField::kRows;

  uint64_t rows_of_expert() const;
  /// Bytes of one row of the view.
  uint64_t row_bytes() const;
};

/// A row of one of a view's pieces.
struct ViewPlace {
  uint64_t piece = 0;
  uint64_t row = 0;
};
/// Where a row of an expert of the view is stored. REQUIRES: not kMlaKeyValue; it has that row.
ViewPlace place_of_row(const TensorView& view, uint64_t expert, uint64_t row);
/// Stored chunk that is chunk `chunk` of a row of the view. REQUIRES: kTiledColumns.
uint64_t stored_chunk(const TensorView& view, uint64_t chunk);

/// Rows [row0, row0 + rows) of the view, counted through all experts. REQUIRES: they are inside it;
/// out.size() == rows * row_bytes(). Errors: kIo, kTruncated.
Status read_view_rows(const Source& source, const TensorView& view, uint64_t row0, uint64_t rows,
                      MutableBytes out);

}  // namespace imp::model

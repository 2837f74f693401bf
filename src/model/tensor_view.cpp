#include "src/model/tensor_view.h"

#include <algorithm>
#include <cstring>

#include "src/model/model.h"

namespace imp::model {
namespace {

using quant::BlockField;

/// Stored bytes that are taken apart at a time.
constexpr uint64_t kBatchBytes = 1u << 20;

using Place = ViewPlace;

Place place_in_sequence(const TensorView& view, uint64_t first_piece, uint64_t row) {
  uint64_t piece = first_piece;
  while (row >= view.pieces[piece].rows) row -= view.pieces[piece++].rows;
  return {piece, row};
}

uint64_t row_of_rope_pairs(uint64_t row, uint64_t head_rows) {
  const uint64_t in_head = row % head_rows, half = head_rows / 2;
  return row - in_head + 2 * (in_head % half) + in_head / half;
}

/// Index in stored order of the element that is `index` in groups of `repeats`.
uint64_t tiled(uint64_t index, uint64_t groups, uint64_t repeats) {
  return index % repeats * groups + index / repeats;
}

uint64_t row_of_tiled_heads(const TensorView& view, uint64_t row) {
  if (row < view.a) return row;
  const uint64_t head_rows = (view.pieces[0].rows - view.a) / (view.b * view.c);
  const uint64_t behind = row - view.a;
  return view.a + tiled(behind / head_rows, view.b, view.c) * head_rows + behind % head_rows;
}

Place place_in_heads(const TensorView& view, uint64_t first_piece, uint64_t pieces, uint64_t row) {
  const uint64_t head_rows = view.rows_of_expert() / view.a;
  const uint64_t head = row / head_rows;
  uint64_t in_head = row % head_rows;
  for (uint64_t p = first_piece; p < first_piece + pieces; ++p) {
    const uint64_t rows = view.pieces[p].rows / view.a;
    if (in_head < rows) return {p, head * rows + in_head};
    in_head -= rows;
  }
  return {first_piece, 0};  // no row of the view comes here: its rows are those of the pieces
}

class ViewReader {
 public:
  ViewReader(const Source& source, const TensorView& view)
      : source_(source),
        view_(view),
        stored_row_bytes_(quant::block_row_bytes(view.type, view.columns)),
        planes_(quant::block_planes(view.type)) {}

  Status read(uint64_t row0, uint64_t rows, MutableBytes out) {
    const uint64_t batch =
        std::max<uint64_t>(kBatchBytes / std::max<uint64_t>(stored_row_bytes_, 1), 1);
    const uint64_t pitch = view_.row_bytes();
    for (uint64_t done = 0; done < rows; done += batch) {
      const uint64_t count = std::min(batch, rows - done);
      const MutableBytes part = out.subspan(done * pitch, count * pitch);
      if (view_.field == BlockField::kRows) {
        IMP_TRY(read_stored(row0 + done, count, part));
        continue;
      }
      stored_.resize(count * stored_row_bytes_);
      IMP_TRY(read_stored(row0 + done, count, stored_));
      quant::extract_field(*planes_, view_.field, count, view_.columns, stored_, part);
    }
    return {};
  }

 private:
  /// Rows in the order of the view, as stored.
  Status read_stored(uint64_t row0, uint64_t rows, MutableBytes out) {
    if (view_.order == RowOrder::kMlaKeyValue) return read_key_value(row0, rows, out);
    const uint64_t of_expert = view_.rows_of_expert();
    const auto at = [&](uint64_t row) {
      return place_of_row(view_, row / of_expert, row % of_expert);
    };
    for (uint64_t done = 0; done < rows;) {
      const Place first = at(row0 + done);
      uint64_t run = 1;
      while (done + run < rows) {
        const Place next = at(row0 + done + run);
        if (next.piece != first.piece || next.row != first.row + run) break;
        ++run;
      }
      IMP_TRY(read_run(first, stored_row_bytes_,
                       out.subspan(done * stored_row_bytes_, run * stored_row_bytes_)));
      done += run;
    }
    if (view_.order == RowOrder::kTiledColumns) restore_columns(rows, out);
    return {};
  }

  Status read_run(const Place& place, uint64_t row_bytes, MutableBytes out) {
    const StoredRows& piece = view_.pieces[place.piece];
    const StoredTensor& tensor = source_.stored[piece.stored];
    IMP_TRY(source_.files[tensor.file].handle.read_at(
        tensor.offset_bytes + (piece.first_row + place.row) * row_bytes, out));
    if (source_.big_endian) quant::swap_block_fields(view_.type, out);
    return {};
  }

  void restore_columns(uint64_t rows, MutableBytes out) {
    const uint64_t chunks = view_.b * view_.c, chunk = stored_row_bytes_ / chunks;
    line_.resize(stored_row_bytes_);
    for (uint64_t row = 0; row < rows; ++row) {
      std::byte* at = out.data() + row * stored_row_bytes_;
      std::memcpy(line_.data(), at, line_.size());
      for (uint64_t i = 0; i < chunks; ++i)
        std::memcpy(at + i * chunk, &line_[stored_chunk(view_, i) * chunk], chunk);
    }
  }

  Status read_key_value(uint64_t row0, uint64_t rows, MutableBytes out) {
    const uint64_t head_rows = view_.rows_of_expert() / view_.a;
    for (uint64_t r = 0; r < rows; ++r) {
      const uint64_t head = (row0 + r) / head_rows, in_head = (row0 + r) % head_rows;
      const MutableBytes line = out.subspan(r * stored_row_bytes_, stored_row_bytes_);
      if (in_head < view_.b) {
        IMP_TRY(read_key_row(head, in_head, line));
      } else {
        const uint64_t values = head_rows - view_.b;
        IMP_TRY(read_run({1, head * values + in_head - view_.b}, stored_row_bytes_, line));
      }
    }
    return {};
  }

  /// Column `column` of a head of piece 0.
  Status read_key_row(uint64_t head, uint64_t column, MutableBytes line) {
    const uint64_t elem = line.size() / view_.columns, row_bytes = view_.b * elem;
    if (head != held_head_ || head_.empty()) {
      head_.resize(view_.columns * row_bytes);
      IMP_TRY(read_run({0, head * view_.columns}, row_bytes, head_));
      held_head_ = head;
    }
    for (uint64_t i = 0; i < view_.columns; ++i)
      std::memcpy(&line[i * elem], &head_[i * row_bytes + column * elem], elem);
    return {};
  }

  const Source& source_;
  const TensorView& view_;
  const uint64_t stored_row_bytes_;
  const quant::BlockPlanes* planes_;
  std::vector<std::byte> stored_, line_, head_;
  uint64_t held_head_ = 0;
};

}  // namespace

ViewPlace place_of_row(const TensorView& view, uint64_t expert, uint64_t row) {
  const uint64_t pieces = view.pieces.size() / view.experts;
  const uint64_t first = expert * pieces;
  switch (view.order) {
    case RowOrder::kAsStored:
    case RowOrder::kTiledColumns:
      return place_in_sequence(view, first, row);
    case RowOrder::kRopePairs:
      return {first, row_of_rope_pairs(row, view.a)};
    case RowOrder::kTiledHeads:
      return {first, row_of_tiled_heads(view, row)};
    case RowOrder::kInterleaved:
      return {first + row % 2, row / 2};
    case RowOrder::kHeadsTogether:
    case RowOrder::kMlaKeyValue:
      return place_in_heads(view, first, pieces, row);
  }
  return {};
}

uint64_t stored_chunk(const TensorView& view, uint64_t chunk) {
  return tiled(chunk, view.b, view.c);
}

uint64_t TensorView::rows_of_expert() const {
  uint64_t rows = 0;
  for (const StoredRows& piece : pieces) rows += piece.rows;
  if (order == RowOrder::kMlaKeyValue) rows += a * b - pieces[0].rows;
  return rows / experts;
}

uint64_t TensorView::row_bytes() const {
  if (field == BlockField::kRows) return quant::block_row_bytes(type, columns);
  const quant::BlockPlanes& planes = *quant::block_planes(type);
  return (quant::field_columns(planes, field, columns) * quant::field_bits(planes, field) + 7) / 8;
}

Status read_view_rows(const Source& source, const TensorView& view, uint64_t row0, uint64_t rows,
                      MutableBytes out) {
  return ViewReader(source, view).read(row0, rows, out);
}

}  // namespace imp::model

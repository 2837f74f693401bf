#include "src/unpack/gguf_scatter.h"

#include <cstring>
#include <utility>

#include "src/quant/ggml_blocks.h"

namespace imp::unpack {

using model::RowOrder;
using model::ViewPlace;

Status GgufFiles::write(uint32_t file, uint64_t offset_bytes, Bytes bytes) {
  IMP_TRY(files_[file]->write_at(offset_bytes, bytes));
  const std::lock_guard lock(mutex_);
  std::vector<gguf::ByteRange>& ranges = written_[file];
  if (!ranges.empty() && ranges.back().offset_bytes + ranges.back().size_bytes == offset_bytes)
    ranges.back().size_bytes += bytes.size();
  else
    ranges.push_back({offset_bytes, bytes.size()});
  return {};
}

std::vector<gguf::ByteRange> GgufFiles::ranges_left(uint32_t file, uint64_t file_bytes) const {
  return gguf::ranges_left(written_[file], file_bytes);
}

ViewScatter::ViewScatter(const model::GgufManifest& manifest, const model::TensorView& view,
                         GgufFiles& files)
    : manifest_(manifest),
      view_(view),
      files_(files),
      row_bytes_(quant::block_row_bytes(view.type, view.columns)),
      rows_of_expert_(view.rows_of_expert()) {}

Status ViewScatter::put(uint64_t row0, uint64_t rows, MutableBytes bytes) {
  if (view_.order == RowOrder::kMlaKeyValue) return put_key_value(row0, rows, bytes);
  if (view_.order == RowOrder::kTiledColumns) move_columns(rows, bytes);
  const auto at = [&](uint64_t row) {
    return model::place_of_row(view_, row / rows_of_expert_, row % rows_of_expert_);
  };
  for (uint64_t done = 0; done < rows;) {
    const ViewPlace first = at(row0 + done);
    uint64_t run = 1;
    while (done + run < rows) {
      const ViewPlace next = at(row0 + done + run);
      if (next.piece != first.piece || next.row != first.row + run) break;
      ++run;
    }
    IMP_TRY(write(first, row_bytes_, bytes.subspan(done * row_bytes_, run * row_bytes_)));
    done += run;
  }
  return {};
}

Status ViewScatter::write(const ViewPlace& place, uint64_t row_bytes, MutableBytes bytes) {
  const model::StoredRows& piece = view_.pieces[place.piece];
  const model::StoredTensor& tensor = manifest_.stored[piece.stored];
  if (manifest_.big_endian) quant::swap_block_fields(view_.type, bytes);
  return files_.write(tensor.file, tensor.offset_bytes + (piece.first_row + place.row) * row_bytes,
                      bytes);
}

void ViewScatter::move_columns(uint64_t rows, MutableBytes bytes) {
  const uint64_t chunks = view_.b * view_.c, chunk = row_bytes_ / chunks;
  line_.resize(row_bytes_);
  for (uint64_t row = 0; row < rows; ++row) {
    std::byte* at = bytes.data() + row * row_bytes_;
    std::memcpy(line_.data(), at, row_bytes_);
    for (uint64_t i = 0; i < chunks; ++i)
      std::memcpy(at + model::stored_chunk(view_, i) * chunk, &line_[i * chunk], chunk);
  }
}

/// Of each head first b rows that are columns of piece 0, then rows of piece 1.
Status ViewScatter::put_key_value(uint64_t row0, uint64_t rows, MutableBytes bytes) {
  const uint64_t head_rows = rows_of_expert_ / view_.a, keys = view_.b;
  const uint64_t elem = row_bytes_ / view_.columns, key_row_bytes = keys * elem;
  head_.resize(view_.columns * key_row_bytes);
  for (uint64_t r = 0; r < rows; ++r) {
    const uint64_t head = (row0 + r) / head_rows, in_head = (row0 + r) % head_rows;
    const MutableBytes line = bytes.subspan(r * row_bytes_, row_bytes_);
    if (in_head >= keys) {
      IMP_TRY(write({1, head * (head_rows - keys) + in_head - keys}, row_bytes_, line));
      continue;
    }
    for (uint64_t i = 0; i < view_.columns; ++i)
      std::memcpy(&head_[i * key_row_bytes + in_head * elem], &line[i * elem], elem);
    if (in_head + 1 == keys) IMP_TRY(write({0, head * view_.columns}, key_row_bytes, head_));
  }
  return {};
}

}  // namespace imp::unpack

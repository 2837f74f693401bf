#include "src/model/gguf/view_writer.h"

#include <algorithm>
#include <tuple>
#include <utility>

#include "src/quant/ggml_blocks.h"

namespace imp::model {
namespace {

using quant::BlockField;
using quant::BlockPlanes;

std::vector<BlockField> fields_of(const BlockPlanes& planes) {
  std::vector<BlockField> fields{BlockField::kCodes, BlockField::kScale};
  if (planes.has_min) fields.push_back(BlockField::kMin);
  if (planes.has_super) fields.push_back(BlockField::kSuperScale);
  if (planes.has_super && planes.has_min) fields.push_back(BlockField::kSuperMin);
  return fields;
}

std::string field_suffix(const BlockPlanes& planes, BlockField field, PlaneNames names) {
  if (names == PlaneNames::kOpenStack) return field == BlockField::kCodes ? "_blocks" : "_scales";
  switch (field) {
    case BlockField::kCodes:
      return planes.type == GgmlType::kMxfp4 ? ".weight_packed" : ".weight";
    case BlockField::kScale:
      return ".weight_scale";
    case BlockField::kMin:
      return ".weight_min";
    case BlockField::kSuperScale:
      return ".weight_super_scale";
    default:
      return ".weight_super_min";
  }
}

/// Exponents are U8 in the checkpoints that have them, codes are bytes whatever is in them.
Dtype hub_dtype(const BlockPlanes& planes, BlockField field) {
  const Dtype dtype = quant::field_dtype(planes, field);
  return field == BlockField::kCodes || dtype == Dtype::kF8E8M0 ? Dtype::kU8 : dtype;
}

void append(Shape& shape, uint64_t dim) { shape.dims[shape.rank++] = dim; }

Shape plane_shape(const TensorView& view, Dtype dtype, PlaneNames names) {
  constexpr uint64_t kBytesPerGroup = 16;
  Shape shape;
  if (view.experts > 1 || names == PlaneNames::kOpenStack) append(shape, view.experts);
  append(shape, view.rows_of_expert());
  const uint64_t columns = view.row_bytes() * 8 / dtype_bits(dtype);
  if (names == PlaneNames::kOpenStack && view.field == BlockField::kCodes) {
    append(shape, columns / kBytesPerGroup);
    append(shape, kBytesPerGroup);
  } else {
    append(shape, columns);
  }
  return shape;
}

}  // namespace

StoredMatrix matrix_of(const StoredTensor& tensor) {
  StoredMatrix matrix{1, 1};
  if (tensor.shape.rank != 0) matrix.columns = tensor.shape[tensor.shape.rank - 1];
  // The reader has checked that the product fits.
  for (uint32_t i = 0; i + 1 < tensor.shape.rank; ++i) matrix.rows *= tensor.shape[i];
  return matrix;
}

bool is_blocks(GgmlType type) { return ggml_type_info(type).block_elems != 1; }

Dtype plain_dtype(GgmlType type) {
  switch (type) {
    case GgmlType::kF16:
      return Dtype::kF16;
    case GgmlType::kBf16:
      return Dtype::kBF16;
    case GgmlType::kF64:
      return Dtype::kF64;
    case GgmlType::kI8:
      return Dtype::kI8;
    case GgmlType::kI16:
      return Dtype::kI16;
    case GgmlType::kI32:
      return Dtype::kI32;
    case GgmlType::kI64:
      return Dtype::kI64;
    default:
      return Dtype::kF32;
  }
}

TensorView view_of_rows(const Source& source, uint32_t stored, uint64_t first, uint64_t rows) {
  TensorView view;
  view.type = source.stored[stored].type;
  view.columns = matrix_of(source.stored[stored]).columns;
  view.pieces = {{stored, first, rows}};
  return view;
}

TensorView view_of_elems(const Source& source, uint32_t stored, uint64_t first, uint64_t count) {
  TensorView view;
  view.type = source.stored[stored].type;
  view.columns = 1;
  view.pieces = {{stored, first, count}};
  return view;
}

void ViewWriter::place(SourceTensor& tensor) {
  const TensorView& view = *tensor.view;
  for (const StoredRows& piece : view.pieces) {
    used_[piece.stored] = true;
    const StoredTensor& stored = source_.stored[piece.stored];
    // Piece 0 of this order has rows of its own length.
    const bool keys = view.order == RowOrder::kMlaKeyValue && &piece == view.pieces.data();
    const uint64_t offset =
        stored.offset_bytes +
        piece.first_row * quant::block_row_bytes(view.type, keys ? view.b : view.columns);
    if (std::tie(stored.file, offset) < std::tie(tensor.file, tensor.offset_bytes)) continue;
    tensor.file = stored.file;
    tensor.offset_bytes = offset;
  }
}

void ViewWriter::add(std::string name, const Shape& shape, TensorView view, StoredAs stored_as) {
  SourceTensor tensor;
  tensor.name = std::move(name);
  tensor.dtype = is_blocks(view.type) ? Dtype::kU8 : plain_dtype(view.type);
  tensor.shape = shape;
  tensor.size_bytes = view.rows_of_expert() * view.experts * view.row_bytes();
  tensor.view = std::move(view);
  tensor.stored_as = stored_as;
  place(tensor);
  source_.tensors.push_back(std::move(tensor));
}

void ViewWriter::add_weight(const std::string& module, const TensorView& view, PlaneNames names) {
  const BlockPlanes* planes =
      names == PlaneNames::kBlocks ? nullptr : quant::block_planes(view.type);
  if (planes == nullptr) {
    const Dtype dtype = is_blocks(view.type) ? Dtype::kU8 : plain_dtype(view.type);
    add(module + ".weight", plane_shape(view, dtype, PlaneNames::kModule), view);
    return;
  }
  for (const BlockField field : fields_of(*planes)) {
    TensorView of_field = view;
    of_field.field = field;
    const Dtype dtype = hub_dtype(*planes, field);
    const Shape shape = plane_shape(of_field, dtype, names);
    add(module + field_suffix(*planes, field, names), shape, std::move(of_field));
    source_.tensors.back().dtype = dtype;
  }
}

void ViewWriter::add_whole(std::string name, uint32_t stored) {
  const StoredTensor& tensor = source_.stored[stored];
  const StoredMatrix matrix = matrix_of(tensor);
  Shape shape = tensor.shape;
  if (is_blocks(tensor.type))
    shape.dims[shape.rank - 1] = quant::block_row_bytes(tensor.type, matrix.columns);
  add(std::move(name), shape, view_of_rows(source_, stored, 0, matrix.rows));
}

void ViewWriter::finish() {
  std::sort(source_.tensors.begin(), source_.tensors.end(),
            [](const SourceTensor& a, const SourceTensor& b) {
              const auto key = [](const SourceTensor& t) {
                return std::tuple(t.file, t.offset_bytes,
                                  t.view ? t.view->field : BlockField::kRows);
              };
              return key(a) != key(b) ? key(a) < key(b) : a.name < b.name;
            });
}

}  // namespace imp::model

#include "src/model/gguf/linear.h"

namespace imp::model {
namespace {

uint64_t elems_of(const StoredTensor& tensor) { return tensor.shape.num_elems().value_or(0); }

Status check_scales(const Source& source, const StoredModule& module, PlaneNames names) {
  const StoredTensor& weight = source.stored[module.weight];
  for (const uint32_t scale : {module.scale, module.input_scale}) {
    if (scale == kNone) continue;
    if (weight.type != GgmlType::kNvfp4 || names == PlaneNames::kBlocks)
      return stored_error(source, scale, ErrorKind::kUnsupportedScheme,
                          "is a scale beside '" + weight.name + "' " + stored_text(weight) +
                              ": only NVFP4 weights of a GEMM have one");
    if (source.stored[scale].type != GgmlType::kF32)
      return stored_error(source, scale, ErrorKind::kUnsupportedScheme,
                          stored_text(source.stored[scale]) + ", expected F32");
  }
  return {};
}

/// One number of a scale that has one, or one an expert.
Status add_scalar(ViewWriter& writer, std::string name, uint32_t scale, const RowSlice& rows) {
  if (scale == kNone) return {};
  const Source& source = writer.source();
  const uint64_t elems = elems_of(source.stored[scale]);
  if (elems != 1 && elems != rows.experts)
    return stored_error(
        source, scale, ErrorKind::kShapeMismatch,
        stored_text(source.stored[scale]) + ", expected one number" +
            (rows.experts > 1 ? " or one an expert (" + std::to_string(rows.experts) + ")" : ""));
  writer.add(std::move(name), Shape{},
             view_of_elems(source, scale, elems == 1 ? 0 : rows.expert, 1));
  return {};
}

void set_order(const RowSlice& rows, TensorView& view) {
  view.order = rows.order;
  view.a = rows.a;
  view.b = rows.b;
  view.c = rows.c;
}

Status add_bias(ViewWriter& writer, const std::string& hub, const StoredModule& module,
                const RowSlice& rows) {
  if (module.bias == kNone) return {};
  const Source& source = writer.source();
  const StoredTensor& bias = source.stored[module.bias];
  IMP_TRY(check_plain(source, module.bias));
  const uint64_t expected = matrix_of(source.stored[module.weight]).rows;
  if (elems_of(bias) != expected)
    return stored_error(source, module.bias, ErrorKind::kShapeMismatch,
                        stored_text(bias) + ", expected an element for each of " +
                            std::to_string(expected) + " rows");
  TensorView view = view_of_elems(source, module.bias, rows.first, rows.rows);
  if (rows.order != RowOrder::kTiledColumns) set_order(rows, view);
  writer.add(hub + ".bias", Shape{rows.rows}, std::move(view));
  return {};
}

}  // namespace

RowSlice all_rows(const Source& source, const StoredModule& module) {
  RowSlice slice;
  slice.rows = matrix_of(source.stored[module.weight]).rows;
  return slice;
}

RowSlice rows_of_expert(const Source& source, const StoredModule& module, uint64_t e,
                        uint64_t experts) {
  RowSlice slice;
  slice.rows = matrix_of(source.stored[module.weight]).rows / experts;
  slice.first = e * slice.rows;
  slice.expert = e;
  slice.experts = experts;
  return slice;
}

Status check_plain(const Source& source, uint32_t stored) {
  const StoredTensor& tensor = source.stored[stored];
  if (is_plain_float(is_blocks(tensor.type) ? Dtype::kU8 : plain_dtype(tensor.type))) return {};
  return stored_error(source, stored, ErrorKind::kUnsupportedScheme,
                      stored_text(tensor) + ", expected F32, F16 or BF16");
}

Status check_has_weight(const Source& source, const StoredModule& module) {
  if (module.weight != kNone) return {};
  for (const uint32_t other : {module.bias, module.scale, module.input_scale})
    if (other != kNone)
      return stored_error(source, other, ErrorKind::kMissingTensor, "its weight is missing");
  return {};
}

Status add_linear(ViewWriter& writer, const std::string& hub, const StoredModule& module,
                  const RowSlice& rows, PlaneNames names) {
  const Source& source = writer.source();
  IMP_TRY(check_scales(source, module, names));
  TensorView view = view_of_rows(source, module.weight, rows.first, rows.rows);
  set_order(rows, view);
  writer.add_weight(hub, view, names);
  IMP_TRY(add_bias(writer, hub, module, rows));
  IMP_TRY(add_scalar(writer, hub + ".weight_scale_2", module.scale, rows));
  return add_scalar(writer, hub + ".input_scale", module.input_scale, rows);
}

}  // namespace imp::model

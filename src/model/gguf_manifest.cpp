#include "src/model/gguf_manifest.h"

#include <algorithm>
#include <array>
#include <utility>

#include "src/base/checked.h"

namespace imp::model {
namespace {

using nlohmann::ordered_json;

/// By their numbers in RowOrder and BlockField.
constexpr std::array<std::string_view, 7> kOrders = {
    "as_stored",   "rope_pairs",     "tiled_heads",  "tiled_columns",
    "interleaved", "heads_together", "mla_key_value"};
constexpr std::array<std::string_view, 6> kFields = {"rows", "codes",       "scale",
                                                     "min",  "super_scale", "super_min"};
constexpr size_t kViewNumbers = 7;  // before the pieces, of three numbers each
constexpr uint64_t kMaxColumns = 1ull << 40;

/// A list, because there is one for each of what may be a hundred thousand tensors.
ordered_json view_json(const TensorView& view) {
  ordered_json json = {kFields[static_cast<size_t>(view.field)],
                       kOrders[static_cast<size_t>(view.order)],
                       view.a,
                       view.b,
                       view.c,
                       view.columns,
                       view.experts};
  for (const StoredRows& piece : view.pieces)
    for (const uint64_t number : {uint64_t{piece.stored}, piece.first_row, piece.rows})
      json.push_back(number);
  return json;
}

Error bad(std::string message) {
  return Error{ErrorKind::kBadRecord, "manifest: gguf: " + std::move(message), "", ""};
}

std::optional<uint64_t> number_at(const ordered_json& json, const char* key) {
  const auto it = json.find(key);
  if (it == json.end() || !it->is_number_unsigned()) return std::nullopt;
  return it->get<uint64_t>();
}

template <size_t kCount>
std::optional<size_t> index_of(const ordered_json& name,
                               const std::array<std::string_view, kCount>& names) {
  if (!name.is_string()) return std::nullopt;
  const auto it = std::find(names.begin(), names.end(), name.get<std::string>());
  if (it == names.end()) return std::nullopt;
  return static_cast<size_t>(it - names.begin());
}

Result<StoredTensor> parse_stored(const ordered_json& json, std::span<const uint64_t> file_bytes) {
  if (!json.is_object() || !json.contains("name") || !json["name"].is_string())
    return bad("a stored tensor has no name");
  StoredTensor tensor;
  tensor.name = json["name"].get<std::string>();
  const auto file = number_at(json, "file"), type = number_at(json, "type"),
             offset = number_at(json, "offset"), size = number_at(json, "size");
  const bool complete = file && type && offset && size;
  const GgmlTypeInfo* info =
      complete && *type <= UINT32_MAX ? find_ggml_type(static_cast<uint32_t>(*type)) : nullptr;
  if (info == nullptr || *file >= file_bytes.size() ||
      !range_fits(*offset, *size, file_bytes[*file]))
    return bad("stored tensor '" + tensor.name + "' has no type, or no place in a source file");
  tensor.file = static_cast<uint32_t>(*file);
  tensor.type = info->type;
  tensor.offset_bytes = *offset;
  tensor.size_bytes = *size;
  return tensor;
}

Status check_overlap(const std::vector<StoredTensor>& stored) {
  std::vector<const StoredTensor*> order;
  for (const StoredTensor& tensor : stored) order.push_back(&tensor);
  const auto place = [](const StoredTensor* t) { return std::pair(t->file, t->offset_bytes); };
  std::ranges::sort(order, {}, place);
  for (size_t i = 1; i < order.size(); ++i) {
    const StoredTensor &before = *order[i - 1], &tensor = *order[i];
    if (before.file != tensor.file ||
        before.offset_bytes + before.size_bytes <= tensor.offset_bytes)
      continue;
    if (before.offset_bytes != tensor.offset_bytes || before.size_bytes != tensor.size_bytes)
      return bad("stored tensors '" + before.name + "' and '" + tensor.name + "' overlap");
  }
  return {};
}

/// The numbers of a view, whatever they say.
std::optional<TensorView> take_view(const ordered_json& json, size_t num_stored) {
  if (!json.is_array() || json.size() <= kViewNumbers || (json.size() - kViewNumbers) % 3 != 0)
    return std::nullopt;
  const auto field = index_of(json[0], kFields);
  const auto order = index_of(json[1], kOrders);
  const bool numbers = std::all_of(json.begin() + 2, json.end(), [](const ordered_json& number) {
    return number.is_number_unsigned();
  });
  if (!field || !order || !numbers) return std::nullopt;
  TensorView view;
  view.field = static_cast<quant::BlockField>(*field);
  view.order = static_cast<RowOrder>(*order);
  view.a = json[2].get<uint64_t>();
  view.b = json[3].get<uint64_t>();
  view.c = json[4].get<uint64_t>();
  view.columns = json[5].get<uint64_t>();
  view.experts = json[6].get<uint64_t>();
  for (size_t i = kViewNumbers; i < json.size(); i += 3) {
    if (json[i].get<uint64_t>() >= num_stored) return std::nullopt;
    view.pieces.push_back({static_cast<uint32_t>(json[i].get<uint64_t>()),
                           json[i + 1].get<uint64_t>(), json[i + 2].get<uint64_t>()});
  }
  return view;
}

/// Elements of one of a piece's rows.
uint64_t piece_columns(const TensorView& view, size_t piece) {
  return view.order == RowOrder::kMlaKeyValue && piece == 0 ? view.b : view.columns;
}

/// Pieces of the view's type, inside their tensors, alike for every expert.
bool pieces_fit(const std::vector<StoredTensor>& stored, const TensorView& view) {
  if (view.experts < 1 || view.experts > view.pieces.size() ||
      view.pieces.size() % view.experts != 0)
    return false;
  const size_t of_expert = view.pieces.size() / view.experts;
  const GgmlTypeInfo& type = ggml_type_info(view.type);
  std::optional<uint64_t> rows = 0;
  for (size_t p = 0; p < view.pieces.size(); ++p) {
    const StoredRows& piece = view.pieces[p];
    const uint64_t columns = piece_columns(view, p);
    if (columns < 1 || columns > kMaxColumns || columns % type.block_elems != 0) return false;
    const uint64_t row_bytes = columns / type.block_elems * type.block_bytes;
    const StoredTensor& tensor = stored[piece.stored];
    const auto end_row = checked_add(piece.first_row, piece.rows);
    if (tensor.type != view.type || !end_row || *end_row > tensor.size_bytes / row_bytes ||
        piece.rows != view.pieces[p % of_expert].rows)
      return false;
    if (rows) rows = checked_add(*rows, piece.rows);
  }
  return rows.has_value();
}

/// REQUIRES: pieces_fit.
bool order_fits(const TensorView& view) {
  const size_t pieces = view.pieces.size() / view.experts;
  const uint64_t rows = view.pieces[0].rows;
  const uint64_t block = ggml_type_info(view.type).block_elems;
  const auto product = checked_mul(view.b, view.c);
  const bool tiles = product && *product >= 1;
  switch (view.order) {
    case RowOrder::kAsStored:
      return true;
    case RowOrder::kRopePairs:
      return pieces == 1 && view.a >= 2 && view.a % 2 == 0 && rows % view.a == 0;
    case RowOrder::kTiledHeads:
      return pieces == 1 && view.a <= rows && tiles && (rows - view.a) % *product == 0;
    case RowOrder::kTiledColumns:
      return tiles && view.columns % *product == 0 && view.columns / *product % block == 0;
    case RowOrder::kInterleaved:
      return pieces == 2 && view.pieces[1].rows == rows;
    case RowOrder::kHeadsTogether:
      return view.a >= 1 && std::all_of(view.pieces.begin(), view.pieces.end(),
                                        [&](const StoredRows& p) { return p.rows % view.a == 0; });
    case RowOrder::kMlaKeyValue:
      return pieces == 2 && view.experts == 1 && block == 1 && view.a >= 1 &&
             checked_mul(view.a, view.columns) == rows && view.pieces[1].rows % view.a == 0 &&
             checked_add(view.pieces[1].rows, rows) && checked_mul(view.a, view.b);
  }
  return false;
}

bool field_exists(const TensorView& view) {
  if (view.field == quant::BlockField::kRows) return true;
  const quant::BlockPlanes* planes = quant::block_planes(view.type);
  if (planes == nullptr || view.order == RowOrder::kMlaKeyValue) return false;
  switch (view.field) {
    case quant::BlockField::kMin:
      return planes->has_min;
    case quant::BlockField::kSuperScale:
      return planes->has_super;
    case quant::BlockField::kSuperMin:
      return planes->has_super && planes->has_min;
    default:
      return true;
  }
}

/// REQUIRES: pieces_fit, order_fits, field_exists.
bool has_size(const TensorView& view, uint64_t size_bytes) {
  const auto rows = checked_mul(view.rows_of_expert(), view.experts);
  return rows && checked_mul(*rows, view.row_bytes()) == size_bytes;
}

Result<std::optional<TensorView>> parse_view(const ordered_json& json,
                                             const std::vector<StoredTensor>& stored, size_t index,
                                             uint64_t size_bytes) {
  if (json.is_null()) return std::optional<TensorView>();
  std::optional<TensorView> view = take_view(json, stored.size());
  if (view) view->type = stored[view->pieces[0].stored].type;
  if (!view || !pieces_fit(stored, *view) || !order_fits(*view) || !field_exists(*view) ||
      !has_size(*view, size_bytes))
    return bad("view " + std::to_string(index) +
               " is not rows of stored tensors that make the source tensor");
  return view;
}

}  // namespace

std::string frame_name(std::string_view file) { return std::string(file) + ".frame"; }

ordered_json gguf_manifest(const Source& source) {
  if (source.stored.empty()) return nullptr;
  ordered_json stored = ordered_json::array();
  for (const StoredTensor& tensor : source.stored)
    stored.push_back({{"name", tensor.name},
                      {"file", tensor.file},
                      {"type", static_cast<uint32_t>(tensor.type)},
                      {"offset", tensor.offset_bytes},
                      {"size", tensor.size_bytes}});
  ordered_json views = ordered_json::array();
  for (const SourceTensor& tensor : source.tensors)
    views.push_back(tensor.view ? view_json(*tensor.view) : ordered_json());
  return {{"big_endian", source.big_endian}, {"stored", stored}, {"views", views}};
}

uint64_t gguf_manifest_bound(const Source& source) {
  // Names have at most 64 bytes, each of which escapes to six; numbers at most 20 digits.
  uint64_t bound = 64 + 640 * source.stored.size();
  for (const SourceTensor& tensor : source.tensors)
    bound += 160 + (tensor.view ? 63 * tensor.view->pieces.size() : 0);
  return bound;
}

Result<GgufManifest> parse_gguf_manifest(const ordered_json& json,
                                         std::span<const uint64_t> file_bytes,
                                         std::span<const uint64_t> tensor_bytes) {
  const auto has_list = [&](const char* key) { return json.contains(key) && json[key].is_array(); };
  if (!json.is_object() || !has_list("stored") || !has_list("views") ||
      !json.contains("big_endian") || !json["big_endian"].is_boolean())
    return bad("is no object with big_endian, stored and views");
  GgufManifest manifest;
  manifest.big_endian = json["big_endian"].get<bool>();
  for (const ordered_json& entry : json["stored"]) {
    IMP_ASSIGN(StoredTensor tensor, parse_stored(entry, file_bytes));
    manifest.stored.push_back(std::move(tensor));
  }
  IMP_TRY(check_overlap(manifest.stored));
  const ordered_json& views = json["views"];
  if (views.size() != tensor_bytes.size())
    return bad("has " + std::to_string(views.size()) + " views, expected one for each of " +
               std::to_string(tensor_bytes.size()) + " source tensors");
  for (size_t t = 0; t < views.size(); ++t) {
    IMP_ASSIGN(auto view, parse_view(views[t], manifest.stored, t, tensor_bytes[t]));
    manifest.views.push_back(std::move(view));
  }
  return manifest;
}

}  // namespace imp::model

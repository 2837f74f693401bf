#include "src/unpack/gguf_planes.h"

#include <map>
#include <tuple>

namespace imp::unpack {
namespace {

/// All that views of the same rows have in common.
std::vector<uint64_t> key_of(const model::TensorView& view) {
  std::vector<uint64_t> key = {
      static_cast<uint64_t>(view.order), view.a, view.b, view.c, view.columns, view.experts};
  for (const model::StoredRows& piece : view.pieces)
    key.insert(key.end(), {piece.stored, piece.first_row, piece.rows});
  return key;
}

}  // namespace

std::vector<FieldTensors> group_fields(const model::GgufManifest& manifest) {
  std::vector<FieldTensors> groups;
  std::map<std::vector<uint64_t>, size_t> by_key;
  for (uint32_t t = 0; t < manifest.views.size(); ++t) {
    if (!manifest.views[t]) continue;
    const model::TensorView& view = *manifest.views[t];
    const auto field = static_cast<size_t>(view.field);
    size_t group = groups.size();
    if (view.field != quant::BlockField::kRows)
      group = by_key.try_emplace(key_of(view), groups.size()).first->second;
    if (group == groups.size()) {
      groups.emplace_back();
      groups.back().fill(artifact::kNone);
    }
    // Of two tensors that are the same plane the first is as good as the other.
    if (groups[group][field] == artifact::kNone) groups[group][field] = t;
  }
  return groups;
}

}  // namespace imp::unpack

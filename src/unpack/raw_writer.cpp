#include "src/unpack/raw_writer.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "formats/imp/targets.h"
#include "kernels/layouts/registry.h"
#include "src/base/interrupt.h"
#include "src/base/text.h"
#include "src/model/roles.h"
#include "src/model/schemes.h"
#include "src/unpack/engine_json.h"

namespace imp::unpack {
namespace {

using artifact::ComponentKind;
using artifact::ComponentRecord;
using artifact::FormRecord;
using artifact::OperandRecord;
using artifact::PartRecord;
using artifact::Reader;
using nlohmann::ordered_json;

constexpr const char* kIndexName = "index.json";
constexpr uint64_t kCopyBytes = 4u << 20;

/// A kind this version does not know is an optional one of a later version: it gets its number.
std::string kind_name(uint16_t kind) {
  switch (static_cast<ComponentKind>(kind)) {
    case ComponentKind::kCodes:
      return "codes";
    case ComponentKind::kBlocks:
      return "blocks";
    case ComponentKind::kBlockScale:
      return "block_scale";
    case ComponentKind::kSuperScale:
      return "super_scale";
    case ComponentKind::kZeroPoint:
      return "zero_point";
    case ComponentKind::kGroupMin:
      return "group_min";
    case ComponentKind::kLut:
      return "lut";
    case ComponentKind::kMultiplier:
      return "multiplier";
    case ComponentKind::kInputScale:
      return "input_scale";
    case ComponentKind::kKScale:
      return "k_scale";
    case ComponentKind::kKGather:
      return "k_gather";
    case ComponentKind::kBias:
      return "bias";
    case ComponentKind::kSvdA:
      return "svd_a";
    case ComponentKind::kSvdB:
      return "svd_b";
    case ComponentKind::kExceptions:
      return "exceptions";
    case ComponentKind::kFp8Grid:
      return "fp8_grid";
    case ComponentKind::kSourceShape:
      return "source_shape";
    case ComponentKind::kBitmask:
      return "bitmask";
    case ComponentKind::kRowOffsets:
      return "row_offsets";
    case ComponentKind::kInputZeroPoint:
      return "input_zero_point";
    case ComponentKind::kOutputScale:
      return "output_scale";
    case ComponentKind::kGroupIndex:
      return "group_index";
    case ComponentKind::kSuperMin:
      return "super_min";
    case ComponentKind::kSourceScale:
      return "source_scale";
  }
  return "kind" + std::to_string(kind);
}

struct Item {
  const OperandRecord* operand;
  const FormRecord* form;
  const ComponentRecord* component;
  std::string file_name;
};

Result<std::vector<Item>> list_items(const Reader& reader) {
  std::vector<Item> items;
  for (const OperandRecord& operand : reader.operands())
    for (const FormRecord& form : reader.forms_of(operand)) {
      const std::string name(reader.string(operand.name));
      const layouts::LayoutInfo* layout = layouts::find_layout(form.layout);
      if (layout == nullptr)
        return Error{ErrorKind::kUnsupportedLayout,
                     "is stored in layout " + std::to_string(form.layout) +
                         ", which this version does not know",
                     reader.path(), name};
      for (const ComponentRecord& component : reader.components_of(form))
        items.push_back({&operand, &form, &component,
                         percent_encoded_file_name(name + "." + layout->name + "." +
                                                   kind_name(component.kind) + ".bin")});
    }
  return items;
}

ordered_json parts_json(const Reader& reader, const OperandRecord& operand) {
  ordered_json parts = ordered_json::array();
  for (const PartRecord& part : reader.parts_of(operand))
    parts.push_back({{"module", reader.string(part.module)}, {"n0", part.n0}, {"n", part.n_count}});
  return parts;
}

ordered_json item_json(const Reader& reader, const Item& item) {
  const ComponentRecord& c = *item.component;
  ordered_json json;
  json["file"] = item.file_name;
  json["operand"] = reader.string(item.operand->name);
  json["role"] = model::role_name(static_cast<model::Role>(item.operand->role));
  json["scheme"] = model::scheme_name(static_cast<model::Scheme>(item.operand->scheme));
  json["experts"] = item.operand->experts;
  json["n"] = item.operand->n;
  json["k"] = item.operand->k;
  json["group_size"] = item.operand->group_size;
  json["group_rows"] = std::max<uint32_t>(item.operand->group_rows, 1);
  json["parts"] = parts_json(reader, *item.operand);
  json["layout"] = layouts::find_layout(item.form->layout)->name;
  json["major"] = item.form->major;
  json["dialect"] = item.form->dialect;
  json["targets"] = artifact::targets_to_string(item.form->targets);
  json["padded_n"] = item.form->padded_n;
  json["padded_k"] = item.form->padded_k;
  json["component"] = kind_name(c.kind);
  json["required"] = (c.flags & artifact::kComponentRequired) != 0;
  json["dtype"] = dtype_name(static_cast<Dtype>(c.dtype));
  json["shape"] =
      std::vector<uint64_t>(c.dims, c.dims + std::min<size_t>(c.rank, std::size(c.dims)));
  json["expert_stride_bytes"] = c.expert_stride_bytes;
  json["payload_file"] = reader.string(reader.payload_files()[c.payload_file].name);
  json["offset_bytes"] = c.offset_bytes;
  json["size_bytes"] = c.size_bytes;
  return json;
}

/// Of a form in another engine's layout, beside its blocks: what its op takes. Items of a form
/// follow each other.
ordered_json engine_of(const std::vector<Item>& items, size_t blocks) {
  const Item& at = items[blocks];
  if (static_cast<ComponentKind>(at.component->kind) != ComponentKind::kBlocks) return nullptr;
  size_t first = blocks;
  while (first > 0 && items[first - 1].form == at.form) --first;
  return engine_json(*at.operand, *at.form, [&](ComponentKind kind) -> std::optional<std::string> {
    for (size_t i = first; i < items.size() && items[i].form == at.form; ++i)
      if (static_cast<ComponentKind>(items[i].component->kind) == kind) return items[i].file_name;
    return std::nullopt;
  });
}

std::string index_json(const Reader& reader, const std::vector<Item>& items) {
  std::string json = "{\"files\":[";
  std::string_view comma = "\n";
  for (size_t i = 0; i < items.size(); ++i) {
    ordered_json entry = item_json(reader, items[i]);
    ordered_json engine = engine_of(items, i);
    if (!engine.is_null()) entry["engine"] = std::move(engine);
    json.append(comma).append(entry.dump());
    comma = ",\n";
  }
  return json + "\n]}\n";
}

Status write_component(const Reader& reader, const Item& item, OutputFolder& folder) {
  IMP_ASSIGN(const auto file, folder.create(item.file_name));
  const uint64_t size = item.component->size_bytes;
  std::vector<std::byte> buffer(std::min(size, kCopyBytes));
  for (uint64_t done = 0; done < size; done += buffer.size()) {
    IMP_TRY(check_interrupted());
    const auto piece = MutableBytes(buffer).first(std::min<uint64_t>(buffer.size(), size - done));
    IMP_TRY(reader.read_component(*item.component, done, piece));
    IMP_TRY(file->write_at(done, piece));
  }
  return folder.commit(*file, item.file_name, size);
}

}  // namespace

Result<Report> write_raw(const Reader& reader, OutputFolder& folder, Log& log) {
  IMP_ASSIGN(const std::vector<Item> items, list_items(reader));
  Report report;
  for (const Item& item : items) {
    IMP_TRY(folder.claim(item.file_name));
    report.bytes += item.component->size_bytes;
  }
  IMP_TRY(folder.claim(kIndexName));
  uint64_t done_bytes = 0;
  for (const Item& item : items) {
    IMP_TRY(write_component(reader, item, folder));
    done_bytes += item.component->size_bytes;
    log.progress(done_bytes, report.bytes);
  }
  IMP_TRY(folder.write_whole(kIndexName, index_json(reader, items)));
  report.tensors = items.size();
  return report;
}

}  // namespace imp::unpack

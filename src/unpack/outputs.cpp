#include "src/unpack/outputs.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string_view>
#include <utility>

#include "src/base/checked.h"
#include "src/model/schemes.h"
#include "src/quant/encoding.h"
#include "src/unpack/mla.h"

namespace imp::unpack {
namespace {

using artifact::ComponentKind;
using artifact::OperandRecord;
using artifact::Reader;
using artifact::SourceFileRecord;
using artifact::SourceTensorRecord;
using nlohmann::ordered_json;
using safetensors::TensorInfo;

struct Entry {
  TensorInfo info;
  Output output;
};

/// nullopt for a tensor that this kind of output leaves out.
using Describe = Result<std::optional<Entry>> (*)(const Reader&, uint32_t source, Dtype to);

Error tensor_error(const Reader& reader, uint32_t source, ErrorKind kind, std::string message) {
  return Error{kind, std::move(message), reader.path(),
               std::string(reader.string(reader.source_tensors()[source].name))};
}

Entry copy_of(const Reader& reader, uint32_t source) {
  const SourceTensorRecord& tensor = reader.source_tensors()[source];
  Entry entry;
  entry.output.source = source;
  entry.info.name = std::string(reader.string(tensor.name));
  entry.info.dtype = static_cast<Dtype>(tensor.dtype);
  entry.info.shape.rank = tensor.rank;
  std::copy(tensor.dims, tensor.dims + tensor.rank, entry.info.shape.dims.begin());
  entry.info.size_bytes = tensor.size_bytes;
  return entry;
}

Result<std::optional<Entry>> describe_source(const Reader& reader, uint32_t source, Dtype) {
  return std::optional<Entry>(copy_of(reader, source));
}

/// The name of the weight that these codes are.
std::string weight_name(std::string name) {
  for (const std::string_view ending : {".weight_packed", ".compressed"})
    if (name.ends_with(ending)) return name.substr(0, name.size() - ending.size()) + ".weight";
  for (const std::string_view ending : {"_blocks", ".blocks"})
    if (name.ends_with(ending)) return name.substr(0, name.size() - ending.size());
  return name;
}

/// [n, k], or [k, n], of one expert or of as many as the tensor holds.
Shape weight_shape(const Reader& reader, uint32_t source) {
  const SourceTensorRecord& tensor = reader.source_tensors()[source];
  const OperandRecord& operand = reader.operands()[tensor.operand];
  const uint64_t n = reader.parts_of(operand)[tensor.part].n_count;
  Shape shape = is_transposed(reader, source) ? Shape{operand.k, n} : Shape{n, operand.k};
  const bool all_experts = tensor.expert == artifact::kNone && operand.experts != 1;
  if (all_experts || tensor.rank >= 3)
    shape = {all_experts ? operand.experts : 1, shape[0], shape[1]};
  return shape;
}

bool is_sparse(const SourceTensorRecord& tensor) {
  return !quant::has_canonical(static_cast<quant::Encoding>(tensor.encoding));
}

/// Planes that mean something once the weights are plain.
bool outlives_codes(ComponentKind kind) {
  switch (kind) {
    case ComponentKind::kCodes:
    case ComponentKind::kBias:
    case ComponentKind::kKScale:
    case ComponentKind::kSvdA:
    case ComponentKind::kSvdB:
    case ComponentKind::kOutputScale:
      return true;
    default:
      return false;
  }
}

/// Codes whose values follow from them alone, element by element.
bool is_as_it_is(const SourceTensorRecord& tensor, model::Scheme scheme) {
  if (model::blocks_type(scheme))
    return static_cast<ComponentKind>(tensor.plane) == ComponentKind::kCodes;
  const auto dtype = static_cast<Dtype>(tensor.dtype);
  return is_plain_float(dtype) && dtype != Dtype::kF64 && !is_sparse(tensor);
}

Status set_size(const Reader& reader, Entry& entry) {
  const auto elems = entry.info.shape.num_elems();
  const auto bytes = elems ? checked_mul(*elems, dtype_bits(entry.info.dtype) / 8) : std::nullopt;
  if (!bytes)
    return tensor_error(reader, entry.output.source, ErrorKind::kBadShape,
                        "has values of " + entry.info.shape.to_string() + ", more than 2^64 bytes");
  entry.info.size_bytes = *bytes;
  return {};
}

Result<std::optional<Entry>> describe_values(const Reader& reader, uint32_t source, Dtype to) {
  const SourceTensorRecord& tensor = reader.source_tensors()[source];
  const OperandRecord& operand = reader.operands()[tensor.operand];
  const auto kind = static_cast<ComponentKind>(tensor.plane);
  Entry entry = copy_of(reader, source);
  if (!outlives_codes(kind)) return std::optional<Entry>();
  const auto scheme = static_cast<model::Scheme>(operand.scheme);
  if (const auto half = other_half(reader, source)) {
    if (is_value_half(operand)) return std::optional<Entry>();
    IMP_ASSIGN(const MlaShape mla, mla_shape(reader, source, *half));
    entry.output = {source, Transform::kMlaMerge, *half};
    entry.info.name = merged_name(entry.info.name);
    entry.info.shape = mla.merged();
  } else if (is_as_it_is(tensor, scheme)) {
    entry.output.transform = Transform::kConvert;
    IMP_ASSIGN(entry.info.shape, shape_of_values(reader, source));
  } else if (kind == ComponentKind::kCodes && (model::is_quantized(scheme) || is_sparse(tensor))) {
    entry.output.transform = Transform::kValues;
    entry.info.name = weight_name(entry.info.name);
    entry.info.shape = weight_shape(reader, source);
  } else {
    return std::optional<Entry>(std::move(entry));
  }
  entry.info.dtype = to;
  IMP_TRY(set_size(reader, entry));
  return std::optional<Entry>(std::move(entry));
}

/// The metadata of a source file, in its order.
Status read_metadata(const Reader& reader, const SourceFileRecord& file,
                     safetensors::Header& header) {
  const std::string_view text = reader.string(file.metadata);
  if (text.empty()) return {};
  header.has_metadata = true;
  const auto refuse = [&] {
    return Error{ErrorKind::kBadRecord,
                 "metadata of source file '" + std::string(reader.string(file.name)) +
                     "' is not a JSON object of strings",
                 reader.path(), ""};
  };
  // Depth 1 is the object itself: what is deeper is dropped while it is parsed, and refused.
  bool flat = true;
  const auto object = ordered_json::parse(
      text,
      [&](int depth, ordered_json::parse_event_t, ordered_json&) {
        flat = flat && depth <= 1;
        return depth <= 1;
      },
      false);
  if (!flat || !object.is_object()) return refuse();
  for (const auto& [key, value] : object.items()) {
    if (!value.is_string()) return refuse();
    header.metadata.emplace_back(key, value.get<std::string>());
  }
  return {};
}

/// Lay the tensors out back to back.
Status place(const Reader& reader, Shard& shard) {
  shard.header_bytes = safetensors::write_header(shard.header);
  uint64_t at = shard.header_bytes.size();
  for (size_t i = 0; i < shard.header.tensors.size(); ++i) {
    shard.header.tensors[i].offset_bytes = at;
    const auto end = checked_add(at, shard.header.tensors[i].size_bytes);
    if (!end)
      return tensor_error(reader, shard.outputs[i].source, ErrorKind::kBadShape,
                          "ends behind byte 2^64 of its file");
    at = *end;
  }
  shard.size_bytes = at;
  return {};
}

Status check_names(const Reader& reader, const std::vector<Shard>& shards) {
  std::vector<std::pair<std::string_view, uint32_t>> names;
  for (const Shard& shard : shards)
    for (size_t i = 0; i < shard.outputs.size(); ++i)
      names.emplace_back(shard.header.tensors[i].name, shard.outputs[i].source);
  std::ranges::sort(names);
  for (size_t i = 0; i < names.size(); ++i) {
    if (names[i].first == "__metadata__")
      return tensor_error(reader, names[i].second, ErrorKind::kBadRecord,
                          "is a name that no tensor of a safetensors file can have");
    if (i > 0 && names[i].first == names[i - 1].first)
      return tensor_error(reader, names[i].second, ErrorKind::kDuplicateName,
                          "two tensors to write have this name");
  }
  return {};
}

/// Tensors out of GGUF become safetensors files, which loaders find by these names. A first file
/// may be there for its metadata alone.
void name_like_the_hub(std::vector<Shard>& shards) {
  if (shards.empty() || !shards[0].name.ends_with(".gguf")) return;
  if (shards.size() > 1)
    std::erase_if(shards, [](const Shard& shard) { return shard.outputs.empty(); });
  for (size_t i = 0; i < shards.size(); ++i)
    shards[i].name = shards.size() == 1
                         ? "model.safetensors"
                         : fmt::format("model-{:05}-of-{:05}.safetensors", i + 1, shards.size());
}

Result<std::vector<Shard>> list(const Reader& reader, Describe describe, Dtype to) {
  std::vector<Shard> shards;
  for (const SourceFileRecord& file : reader.source_files()) {
    Shard& shard = shards.emplace_back();
    shard.name = std::string(reader.string(file.name));
    IMP_TRY(read_metadata(reader, file, shard.header));
    for (uint32_t t = file.first_tensor; t < file.first_tensor + file.tensor_count; ++t) {
      const auto disposition = reader.source_tensors()[t].disposition;
      if (disposition == static_cast<uint16_t>(artifact::Disposition::kIgnored)) continue;
      IMP_ASSIGN(std::optional<Entry> entry, describe(reader, t, to));
      if (!entry) continue;
      shard.header.tensors.push_back(std::move(entry->info));
      shard.outputs.push_back(entry->output);
    }
  }
  IMP_TRY(check_names(reader, shards));
  for (Shard& shard : shards) IMP_TRY(place(reader, shard));
  name_like_the_hub(shards);
  return shards;
}

}  // namespace

bool is_transposed(const Reader& reader, uint32_t source) {
  const SourceTensorRecord& tensor = reader.source_tensors()[source];
  const std::string_view name = reader.string(tensor.name);
  const auto encoding = static_cast<quant::Encoding>(tensor.encoding);
  return encoding == quant::Encoding::kInFirst ||
         encoding == quant::Encoding::kInFirstInterleaved || name.ends_with("_blocks") ||
         name.ends_with(".blocks");
}

Result<std::vector<Shard>> list_source(const Reader& reader) {
  return list(reader, describe_source, Dtype::kU8);
}

Result<std::vector<Shard>> list_values(const Reader& reader, Dtype to) {
  return list(reader, describe_values, to);
}

std::string shard_index_json(const std::vector<Shard>& shards) {
  std::map<std::string_view, std::string_view> weight_map;
  uint64_t total = 0;
  for (const Shard& shard : shards)
    for (const TensorInfo& tensor : shard.header.tensors) {
      weight_map[tensor.name] = shard.name;
      total += tensor.size_bytes;
    }
  const auto quoted = [](std::string_view text) { return ordered_json(text).dump(); };
  std::string json = "{\n  \"metadata\": {\n    \"total_size\": " + std::to_string(total) +
                     "\n  },\n  \"weight_map\": {";
  std::string_view comma = "\n";
  for (const auto& [tensor, shard] : weight_map) {
    json.append(comma).append("    ").append(quoted(tensor)).append(": ").append(quoted(shard));
    comma = ",\n";
  }
  return json + "\n  }\n}\n";
}

}  // namespace imp::unpack

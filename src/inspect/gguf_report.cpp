#include "src/inspect/gguf_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <ostream>
#include <string>
#include <utility>

#include "formats/gguf/checkpoint.h"
#include "src/base/text.h"
#include "src/inspect/import_report.h"
#include "src/model/import.h"

namespace imp::inspect {
namespace {

using gguf::Checkpoint;
using gguf::TensorInfo;
using gguf::Value;
using nlohmann::ordered_json;

/// Elements of an array that are shown.
constexpr uint64_t kShownElements = 8;

ordered_json element_json(const Value& value, uint64_t i) {
  if (const auto text = value.as_string(i)) return std::string(*text);
  if (const auto flag = value.as_bool(i)) return *flag;
  if (const auto number = value.as_uint(i)) return *number;
  if (const auto number = value.as_double(i)) return *number;
  return nullptr;
}

ordered_json value_json(const Value& value) {
  if (!value.is_array) return element_json(value, 0);
  ordered_json shown = ordered_json::array();
  for (uint64_t i = 0; i < std::min(value.count, kShownElements); ++i)
    shown.push_back(element_json(value, i));
  return {{"count", value.count}, {"first", shown}};
}

std::string dumped(const ordered_json& json) {
  return json.dump(-1, ' ', false, ordered_json::error_handler_t::replace);
}

std::string value_text(const Value& value) {
  if (!value.is_array) return dumped(element_json(value, 0));
  const std::string shown = dumped(value_json(value)["first"]);
  return fmt::format("{} x {}", with_thousands(value.count), shown);
}

/// [K, N, ..] as GGUF orders them.
std::string ne_text(const TensorInfo& tensor) {
  std::string text = "[";
  for (uint32_t d = 0; d < tensor.n_dims; ++d)
    text += (d == 0 ? "" : ", ") + std::to_string(tensor.ne[d]);
  return text + "]";
}

std::map<std::string, std::pair<uint64_t, uint64_t>> histogram(const Checkpoint& checkpoint) {
  std::map<std::string, std::pair<uint64_t, uint64_t>> types;
  for (const gguf::Shard& shard : checkpoint.shards)
    for (const TensorInfo& tensor : shard.header.tensors) {
      auto& [count, bytes] = types[std::string(ggml_type_info(tensor.type).name)];
      ++count;
      bytes += tensor.size_bytes;
    }
  return types;
}

void print_head(const Checkpoint& checkpoint, std::ostream& out) {
  for (const gguf::Shard& shard : checkpoint.shards)
    out << fmt::format("gguf       {}: version {}{}, {} tensors, {} bytes\n", printable(shard.name),
                       shard.header.version, shard.header.big_endian ? ", big-endian" : "",
                       with_thousands(shard.header.tensors.size()),
                       with_thousands(shard.handle.size_bytes()));
  out << "\n";
  for (const gguf::KeyValue& kv : checkpoint.shards.front().header.metadata)
    out << fmt::format("{} = {}\n", printable(kv.key), printable(value_text(kv.value)));
}

void print_tensors(const Checkpoint& checkpoint, std::ostream& out) {
  size_t width = 6;
  for (const gguf::Shard& shard : checkpoint.shards)
    for (const TensorInfo& t : shard.header.tensors)
      width = std::max(width, printable(t.name).size());
  out << fmt::format("\n{:<{}}  {:<8} {:<20} {:>15}  {}\n", "tensor", width, "type", "ne", "bytes",
                     "file");
  for (const gguf::Shard& shard : checkpoint.shards)
    for (const TensorInfo& t : shard.header.tensors)
      out << fmt::format("{:<{}}  {:<8} {:<20} {:>15}  {}\n", printable(t.name), width,
                         ggml_type_info(t.type).name, ne_text(t), with_thousands(t.size_bytes),
                         printable(shard.name));
  out << fmt::format("\n{:<8} {:>9} {:>18}\n", "type", "tensors", "bytes");
  for (const auto& [name, row] : histogram(checkpoint))
    out << fmt::format("{:<8} {:>9} {:>18}\n", name, with_thousands(row.first),
                       with_thousands(row.second));
}

ordered_json tensor_json(const gguf::Shard& shard, const TensorInfo& t) {
  return {{"name", t.name},
          {"type", ggml_type_info(t.type).name},
          {"ne", std::vector<uint64_t>(t.ne.begin(), t.ne.begin() + t.n_dims)},
          {"size_bytes", t.size_bytes},
          {"offset_bytes", t.offset_bytes},
          {"file", shard.name}};
}

void print_json(const Checkpoint& checkpoint, const Result<model::Model>& imported,
                std::ostream& out) {
  ordered_json json;
  json["gguf"] = {{"path", checkpoint.folder.string()},
                  {"files", ordered_json::array()},
                  {"metadata", ordered_json::object()}};
  for (const gguf::Shard& shard : checkpoint.shards)
    json["gguf"]["files"].push_back({{"name", shard.name},
                                     {"version", shard.header.version},
                                     {"big_endian", shard.header.big_endian},
                                     {"size_bytes", shard.handle.size_bytes()}});
  for (const gguf::KeyValue& kv : checkpoint.shards.front().header.metadata)
    json["gguf"]["metadata"][kv.key] = value_json(kv.value);
  json["tensors"] = ordered_json::array();
  for (const gguf::Shard& shard : checkpoint.shards)
    for (const TensorInfo& t : shard.header.tensors)
      json["tensors"].push_back(tensor_json(shard, t));
  json["import"] = import_json(imported);
  out << dumped(json) << "\n";
}

}  // namespace

Status report_gguf(const std::filesystem::path& path, const Options& options, std::ostream& out,
                   Log& log) {
  CollectingLog said_again;  // the importer opens the files too and says the same, and more
  IMP_ASSIGN(const Checkpoint checkpoint, gguf::open_checkpoint(path, said_again));
  const Result<model::Model> imported = model::import_checkpoint(path, {}, log);
  if (options.json) {
    print_json(checkpoint, imported, out);
    return {};
  }
  print_head(checkpoint, out);
  print_tensors(checkpoint, out);
  print_import(imported, out);
  return {};
}

}  // namespace imp::inspect

#include "src/inspect/checkpoint_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <ostream>
#include <string>
#include <utility>
#include <vector>

#include "formats/hf/checkpoint.h"
#include "src/base/text.h"
#include "src/inspect/checkpoint_scales.h"
#include "src/inspect/import_report.h"
#include "src/model/import.h"

namespace imp::inspect {
namespace {

using hf::Checkpoint;
using hf::SourceTensor;
using model::Model;
using nlohmann::ordered_json;

std::string dumped(const ordered_json& json) {
  return json.dump(-1, ' ', false, ordered_json::error_handler_t::replace);
}

void print_head(const Checkpoint& checkpoint, std::ostream& out) {
  uint64_t bytes = 0;
  for (const SourceTensor& t : checkpoint.tensors) bytes += t.size_bytes;
  out << fmt::format("checkpoint {}\n", printable(checkpoint.folder.string()));
  out << fmt::format("files      {}{}\n", checkpoint.files.size(),
                     checkpoint.has_index ? ", with an index" : "");
  out << fmt::format("tensors    {}, {} bytes\n", with_thousands(checkpoint.tensors.size()),
                     with_thousands(bytes));
  for (const hf::Companion& c : checkpoint.companions)
    out << fmt::format("companion  {} ({} bytes)\n", printable(c.name),
                       with_thousands(c.size_bytes));
}

void print_tensors(const Checkpoint& checkpoint, std::ostream& out) {
  size_t width = 6;
  std::map<std::string, std::pair<uint64_t, uint64_t>> dtypes;
  for (const SourceTensor& t : checkpoint.tensors) {
    width = std::max(width, printable(t.name).size());
    auto& [count, bytes] = dtypes[std::string(dtype_name(t.dtype))];
    ++count;
    bytes += t.size_bytes;
  }
  out << fmt::format("\n{:<{}}  {:<8} {:<18} {:>15}  {}\n", "tensor", width, "dtype", "shape",
                     "bytes", "file");
  for (const SourceTensor& t : checkpoint.tensors)
    out << fmt::format("{:<{}}  {:<8} {:<18} {:>15}  {}\n", printable(t.name), width,
                       dtype_name(t.dtype), t.shape.to_string(), with_thousands(t.size_bytes),
                       printable(checkpoint.files[t.file].name));
  out << fmt::format("\n{:<8} {:>9} {:>18}\n", "dtype", "tensors", "bytes");
  for (const auto& [name, row] : dtypes)
    out << fmt::format("{:<8} {:>9} {:>18}\n", name, with_thousands(row.first),
                       with_thousands(row.second));
}

ordered_json head_json(const Checkpoint& checkpoint) {
  ordered_json json;
  json["checkpoint"] = {{"path", checkpoint.folder.string()},
                        {"has_index", checkpoint.has_index},
                        {"files", ordered_json::array()},
                        {"companions", ordered_json::array()}};
  for (const hf::SourceFile& f : checkpoint.files)
    json["checkpoint"]["files"].push_back(
        {{"name", f.name}, {"size_bytes", f.handle.size_bytes()}});
  for (const hf::Companion& c : checkpoint.companions)
    json["checkpoint"]["companions"].push_back({{"name", c.name}, {"size_bytes", c.size_bytes}});
  return json;
}

ordered_json tensor_json(const Checkpoint& checkpoint, const SourceTensor& t) {
  return {
      {"name", t.name},
      {"dtype", dtype_name(t.dtype)},
      {"shape", std::vector<uint64_t>(t.shape.dims.begin(), t.shape.dims.begin() + t.shape.rank)},
      {"size_bytes", t.size_bytes},
      {"offset_bytes", t.offset_bytes},
      {"file", checkpoint.files[t.file].name}};
}

void print_json(const Checkpoint& checkpoint, const Result<Model>& imported,
                const ScaleReport& scales, std::ostream& out) {
  std::string text = dumped(head_json(checkpoint));
  text.pop_back();
  out << text << ",\"tensors\":[";
  bool first = true;
  for (const SourceTensor& t : checkpoint.tensors) {
    out << (first ? "\n" : ",\n") << dumped(tensor_json(checkpoint, t));
    first = false;
  }
  out << "\n],\"import\":" << dumped(import_json(imported))
      << ",\"scales\":" << dumped(scales.json()) << "}\n";
}

}  // namespace

Status report_checkpoint(const std::filesystem::path& path, const Options& options,
                         std::ostream& out, Log& log) {
  CollectingLog said_again;  // the importer opens the folder too and says the same, and more
  IMP_ASSIGN(const Checkpoint checkpoint, hf::open_checkpoint(path, said_again));
  IMP_ASSIGN(const ScaleReport scales, audit_checkpoint(checkpoint));
  const Result<Model> imported = model::import_checkpoint(path, {}, log);
  if (options.json) {
    print_json(checkpoint, imported, scales, out);
    return {};
  }
  print_head(checkpoint, out);
  print_tensors(checkpoint, out);
  print_import(imported, out);
  scales.print(out);
  return {};
}

}  // namespace imp::inspect

#include "tests/unit/checkpoint_editor.h"

#include <algorithm>
#include <cstring>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <utility>

#include "tests/unit/safetensors_bytes.h"

namespace imp::testing {
namespace {

namespace fs = std::filesystem;
using nlohmann::ordered_json;

constexpr std::string_view kIndexName = "model.safetensors.index.json";

[[noreturn]] void fail(const std::string& what) {
  throw std::runtime_error("checkpoint editor: " + what);
}

std::string read_file(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) fail("cannot read " + path.string());
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

void write_file(const fs::path& path, const std::string& bytes) {
  std::ofstream out(path, std::ios::binary | std::ios::trunc);
  out.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  out.close();
  if (!out) fail("cannot write " + path.string());
}

uint64_t le64_at_start(const std::string& bytes) {
  uint64_t value = 0;
  for (size_t i = 8; i-- > 0;) value = value << 8 | static_cast<unsigned char>(bytes.at(i));
  return value;
}

template <class T>
std::string raw_bytes(const std::vector<T>& values) {
  std::string bytes(values.size() * sizeof(T), '\0');
  if (!values.empty()) std::memcpy(bytes.data(), values.data(), bytes.size());
  return bytes;
}

}  // namespace

std::string f32_bytes(const std::vector<float>& values) { return raw_bytes(values); }
std::string u32_bytes(const std::vector<uint32_t>& values) { return raw_bytes(values); }

CheckpointEditor::CheckpointEditor(const fs::path& fixture) {
  const fs::path folder = fs::path(IMP_TEST_DATA) / fixture;
  if (!fs::is_directory(folder)) fail("no folder " + folder.string());
  std::vector<fs::path> paths;
  for (const auto& entry : fs::directory_iterator(folder)) paths.push_back(entry.path());
  std::sort(paths.begin(), paths.end());
  for (const fs::path& path : paths) {
    const std::string name = path.filename().string();
    if (name == kIndexName)
      has_index_ = true;
    else if (path.extension() == ".safetensors")
      read_shard(path);
    else
      files_[name] = read_file(path);
  }
}

void CheckpointEditor::read_shard(const fs::path& path) {
  const std::string bytes = read_file(path);
  const uint64_t header_bytes = le64_at_start(bytes);
  const ordered_json header = ordered_json::parse(bytes.substr(8, header_bytes));
  Shard shard{path.filename().string(), {}};
  std::vector<std::pair<uint64_t, EditedTensor>> found;
  for (const auto& [name, entry] : header.items()) {
    if (name == "__metadata__") {
      shard.metadata = entry.get<std::map<std::string, std::string>>();
      continue;
    }
    const auto begin = entry["data_offsets"][0].get<uint64_t>(),
               end = entry["data_offsets"][1].get<uint64_t>();
    found.emplace_back(
        begin, EditedTensor{name, entry["dtype"], entry["shape"],
                            bytes.substr(8 + header_bytes + begin, end - begin), shard.name});
  }
  std::stable_sort(found.begin(), found.end(),
                   [](const auto& a, const auto& b) { return a.first < b.first; });
  for (auto& [begin, tensor] : found) tensors_.push_back(std::move(tensor));
  shards_.push_back(std::move(shard));
}

std::vector<EditedTensor>::iterator CheckpointEditor::find(std::string_view name) {
  return std::find_if(tensors_.begin(), tensors_.end(),
                      [&](const EditedTensor& t) { return t.name == name; });
}

bool CheckpointEditor::has(std::string_view name) const {
  return std::any_of(tensors_.begin(), tensors_.end(),
                     [&](const EditedTensor& t) { return t.name == name; });
}

EditedTensor& CheckpointEditor::tensor(std::string_view name) {
  const auto it = find(name);
  if (it == tensors_.end()) fail("no tensor " + std::string(name));
  return *it;
}

void CheckpointEditor::rename(std::string_view from, std::string_view to) {
  if (has(to)) fail("there is a tensor " + std::string(to));
  tensor(from).name = to;
}

void CheckpointEditor::remove(std::string_view name) {
  tensor(name);
  tensors_.erase(find(name));
}

void CheckpointEditor::add(EditedTensor added) {
  if (has(added.name)) fail("there is a tensor " + added.name);
  metadata(added.shard);
  tensors_.push_back(std::move(added));
}

void CheckpointEditor::duplicate(std::string_view from, std::string_view to) {
  if (has(to)) fail("there is a tensor " + std::string(to));
  EditedTensor copy = tensor(from);
  copy.name = to;
  tensors_.insert(std::next(find(from)), std::move(copy));
}

void CheckpointEditor::set_f32(std::string_view name, float value) {
  uint32_t bits = 0;
  std::memcpy(&bits, &value, sizeof bits);
  set_f32_bits(name, bits);
}

void CheckpointEditor::set_f32_bits(std::string_view name, uint32_t bits) {
  EditedTensor& scalar = tensor(name);
  if (scalar.dtype != "F32" || scalar.bytes.size() != sizeof bits)
    fail(std::string(name) + " is no F32 scalar");
  scalar.bytes = u32_bytes({bits});
}

void CheckpointEditor::rename_prefix(std::string_view from, std::string_view to) {
  bool any = false;
  for (EditedTensor& t : tensors_) {
    if (!t.name.starts_with(from)) continue;
    t.name = std::string(to) + t.name.substr(from.size());
    any = true;
  }
  if (!any) fail("no tensor starts with " + std::string(from));
}

void CheckpointEditor::remove_prefix(std::string_view prefix) {
  if (std::erase_if(tensors_, [&](const EditedTensor& t) { return t.name.starts_with(prefix); }) ==
      0)
    fail("no tensor starts with " + std::string(prefix));
}

ordered_json& CheckpointEditor::json(std::string_view file) {
  const auto known = json_.find(file);
  if (known != json_.end()) return known->second;
  const auto raw = files_.find(file);
  if (raw == files_.end()) fail("no file " + std::string(file));
  return json_[std::string(file)] = ordered_json::parse(raw->second);
}

void CheckpointEditor::set_architecture(std::string_view name) {
  config()["architectures"] = ordered_json::array({name});
}

void CheckpointEditor::set_quant_algo(std::string_view algo) {
  config()["quantization_config"]["quant_algo"] = algo;
  hf_quant_config()["quantization"]["quant_algo"] = algo;
}

void CheckpointEditor::set_exclude_modules(const std::vector<std::string>& patterns) {
  config()["quantization_config"]["ignore"] = patterns;
  hf_quant_config()["quantization"]["exclude_modules"] = patterns;
}

void CheckpointEditor::set_file(std::string_view name, std::string_view bytes) {
  json_.erase(std::string(name));
  files_[std::string(name)] = bytes;
}

void CheckpointEditor::remove_file(std::string_view name) {
  json_.erase(std::string(name));
  if (files_.erase(std::string(name)) == 0) fail("no file " + std::string(name));
}

std::map<std::string, std::string>& CheckpointEditor::metadata(std::string_view shard) {
  for (Shard& s : shards_)
    if (s.name == shard) return s.metadata;
  fail("no shard " + std::string(shard));
}

std::string CheckpointEditor::shard_bytes(const Shard& shard) const {
  ordered_json header = ordered_json::object();
  if (!shard.metadata.empty()) header["__metadata__"] = shard.metadata;
  std::string data;
  for (const EditedTensor& t : tensors_) {
    if (t.shard != shard.name) continue;
    header[t.name] = {{"dtype", t.dtype},
                      {"shape", t.shape},
                      {"data_offsets", {data.size(), data.size() + t.bytes.size()}}};
    data += t.bytes;
  }
  std::string text = header.dump();
  text.append((8 - text.size() % 8) % 8, ' ');
  return safetensors_file(text, data);
}

std::string CheckpointEditor::index_bytes() const {
  ordered_json index{{"metadata", {{"total_size", 0}}}, {"weight_map", ordered_json::object()}};
  uint64_t total = 0;
  for (const EditedTensor& t : tensors_) {
    index["weight_map"][t.name] = t.shard;
    total += t.bytes.size();
  }
  index["metadata"]["total_size"] = total;
  return index.dump(2);
}

fs::path CheckpointEditor::write(const fs::path& folder) {
  for (const auto& [file, document] : json_) files_[file] = document.dump(4);
  fs::create_directories(folder);
  for (const auto& [file, bytes] : files_) write_file(folder / file, bytes);
  for (const Shard& shard : shards_) write_file(folder / shard.name, shard_bytes(shard));
  if (has_index_) write_file(folder / kIndexName, index_bytes());
  return folder;
}

}  // namespace imp::testing

// A checkpoint of tests/data in memory, to change one thing and write it out again. Reads and
// writes safetensors by itself, so that a fault of the code under test cannot hide in it.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace imp::testing {

/// Little-endian bytes of numbers: what an F32 or U32 tensor holds.
std::string f32_bytes(const std::vector<float>& values);
std::string u32_bytes(const std::vector<uint32_t>& values);

struct EditedTensor {
  std::string name;
  std::string dtype;  ///< wire name, not checked: "F32", "U8", or nonsense
  std::vector<uint64_t> shape;
  std::string bytes;
  std::string shard = "model.safetensors";
};

class CheckpointEditor {
 public:
  /// The folder `fixture` of tests/data, e.g. "modelopt-nvfp4-llama", or an absolute path. Throws
  /// std::runtime_error if it cannot be read.
  explicit CheckpointEditor(const std::filesystem::path& fixture);

  // Every function that names a tensor or a file which is not there throws std::runtime_error: a
  // test that edits nothing must not pass.

  /// In the order of the shards and of the data in each; write() keeps it.
  const std::vector<EditedTensor>& tensors() const { return tensors_; }
  bool has(std::string_view name) const;
  /// For changing dtype, shape or bytes in place.
  EditedTensor& tensor(std::string_view name);
  void rename(std::string_view from, std::string_view to);
  void remove(std::string_view name);
  /// Add at the end of its shard. Throws if the name is taken.
  void add(EditedTensor tensor);
  /// Copy of `from` under another name, behind it in the file.
  void duplicate(std::string_view from, std::string_view to);
  /// Scalar F32 tensor: other bits, same dtype and shape.
  void set_f32(std::string_view name, float value);
  void set_f32_bits(std::string_view name, uint32_t bits);
  /// Rename every tensor whose name starts with `from`. Throws if none does.
  void rename_prefix(std::string_view from, std::string_view to);
  /// Remove every tensor whose name starts with `prefix`. Throws if none does.
  void remove_prefix(std::string_view prefix);

  /// JSON file of the checkpoint, parsed; changes are written. config.json and hf_quant_config.json
  /// by name:
  nlohmann::ordered_json& json(std::string_view file);
  nlohmann::ordered_json& config() { return json("config.json"); }
  nlohmann::ordered_json& hf_quant_config() { return json("hf_quant_config.json"); }
  void set_architecture(std::string_view name);
  /// Same value in config.json's quantization_config and in hf_quant_config.json's quantization
  /// (one story, two places).
  void set_quant_algo(std::string_view algo);
  void set_exclude_modules(const std::vector<std::string>& patterns);

  /// Raw bytes of a file that is neither a shard nor the index; made if it is not there.
  void set_file(std::string_view name, std::string_view bytes);
  void remove_file(std::string_view name);

  /// `__metadata__` of a shard as key-value pairs; an empty map writes none.
  std::map<std::string, std::string>& metadata(std::string_view shard = "model.safetensors");

  /// Write everything into `folder`, which is made if it is not there, and return it. An index is
  /// written if the fixture had one, listing the tensors as they are now. May be called several
  /// times.
  std::filesystem::path write(const std::filesystem::path& folder);

 private:
  struct Shard {
    std::string name;
    std::map<std::string, std::string> metadata;
  };
  void read_shard(const std::filesystem::path& path);
  std::string shard_bytes(const Shard& shard) const;
  std::string index_bytes() const;
  std::vector<EditedTensor>::iterator find(std::string_view name);

  std::vector<Shard> shards_;
  std::vector<EditedTensor> tensors_;
  std::map<std::string, nlohmann::ordered_json, std::less<>>
      json_;  ///< files that were asked for with json()
  std::map<std::string, std::string, std::less<>> files_;
  bool has_index_ = false;
};

}  // namespace imp::testing

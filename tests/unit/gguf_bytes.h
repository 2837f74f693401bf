// GGUF files built by hand, without the code under test: each part can be made wrong alone.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace imp::testing {

/// Value type ids, and the type ids of the tensors used here (ggml docs/gguf.md).
inline constexpr uint32_t kGgufU8 = 0, kGgufI8 = 1, kGgufU16 = 2, kGgufI16 = 3, kGgufU32 = 4,
                          kGgufI32 = 5, kGgufF32 = 6, kGgufBool = 7, kGgufString = 8,
                          kGgufArray = 9, kGgufU64 = 10, kGgufI64 = 11, kGgufF64 = 12;
inline constexpr uint32_t kGgmlF32 = 0, kGgmlQ4_0 = 2, kGgmlQ8_0 = 8, kGgmlBf16 = 30;

/// Numbers and strings in one byte order.
struct GgufEncoder {
  bool big_endian = false;

  template <class T>
  std::string num(T value) const {
    std::string bytes(sizeof value, '\0');
    std::memcpy(bytes.data(), &value, sizeof value);
    if (big_endian) std::reverse(bytes.begin(), bytes.end());
    return bytes;
  }
  std::string str(std::string_view text) const {
    return num<uint64_t>(text.size()) + std::string(text);
  }
  /// A whole entry; `value` is what follows the type id.
  std::string entry(std::string_view key, uint32_t type, std::string_view value) const {
    return str(key) + num(type) + std::string(value);
  }
  std::string array_head(uint32_t elem_type, uint64_t count) const {
    return num(elem_type) + num(count);
  }
};

struct GgufTensor {
  std::string name;
  std::vector<uint64_t> ne;
  uint32_t type = kGgmlF32;
  std::string data;
  std::optional<uint64_t> offset = std::nullopt;    ///< instead of the place of `data`
  std::optional<uint32_t> num_dims = std::nullopt;  ///< instead of ne.size()
};

struct GgufFile {
  GgufEncoder encoder;
  std::string magic = "GGUF";
  uint32_t version = 3;
  std::optional<uint64_t> num_tensors = std::nullopt;  ///< instead of tensors.size()
  std::optional<uint64_t> num_keys = std::nullopt;     ///< instead of entries.size()
  std::vector<std::string> entries;
  std::vector<GgufTensor> tensors;
  uint64_t layout_alignment = 32;  ///< of the data; what the metadata says is in `entries`
  std::string trailing;

  void add(std::string_view key, uint32_t type, std::string_view value) {
    entries.push_back(encoder.entry(key, type, value));
  }
  GgufTensor& tensor(std::string_view name) {
    return *std::find_if(tensors.begin(), tensors.end(),
                         [&](const GgufTensor& t) { return t.name == name; });
  }

  /// Everything before the data section, without its padding.
  std::string head() const {
    std::string bytes = magic + encoder.num(version) +
                        encoder.num(num_tensors.value_or(tensors.size())) +
                        encoder.num(num_keys.value_or(entries.size()));
    for (const std::string& entry : entries) bytes += entry;
    uint64_t offset = 0;
    for (const GgufTensor& t : tensors) {
      bytes += encoder.str(t.name);
      bytes += encoder.num(t.num_dims.value_or(static_cast<uint32_t>(t.ne.size())));
      for (const uint64_t dim : t.ne) bytes += encoder.num(dim);
      bytes += encoder.num(t.type) + encoder.num(t.offset.value_or(offset));
      offset += padded(t.data.size());
    }
    return bytes;
  }
  std::string bytes() const {
    std::string bytes = head();
    bytes.resize(padded(bytes.size()));
    for (const GgufTensor& t : tensors) {
      bytes += t.data;
      bytes.resize(bytes.size() + padded(t.data.size()) - t.data.size());
    }
    return bytes + trailing;
  }

 private:
  uint64_t padded(uint64_t size) const {
    return (size + layout_alignment - 1) / layout_alignment * layout_alignment;
  }
};

/// Three tensors (72 bytes of Q4_0, 102 of Q8_0, 20 of F32) and two keys; valid.
inline GgufFile small_gguf(GgufEncoder encoder = {}) {
  GgufFile file;
  file.encoder = encoder;
  file.add("general.architecture", kGgufString, encoder.str("llama"));
  file.add("test.number", kGgufU32, encoder.num<uint32_t>(7));
  file.tensors = {{"a.weight", {64, 2}, kGgmlQ4_0, std::string(72, '\x11')},
                  {"b.weight", {32, 3}, kGgmlQ8_0, std::string(102, '\x22')},
                  {"c.bias", {5}, kGgmlF32, std::string(20, '\x33')}};
  return file;
}

}  // namespace imp::testing

// Small models as GGUF files, made in a test: every number of a file is another one, so that a row
// of the imported tensor shows which stored row it is.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "src/base/log.h"
#include "src/model/import.h"
#include "src/model/source_read.h"
#include "tests/unit/gguf_bytes.h"
#include "tests/unit/temp_folder.h"

namespace imp::testing {

inline constexpr uint32_t kGgmlF16 = 1, kGgmlQ4K = 12, kGgmlQ6K = 14, kGgmlIq2Xxs = 16,
                          kGgmlMxfp4 = 39, kGgmlNvfp4 = 40;

class GgufModel {
 public:
  GgufFile file;

  explicit GgufModel(std::string_view architecture) : architecture_(architecture) {
    file.add("general.architecture", kGgufString, file.encoder.str(architecture));
    number("block_count", 1);
  }

  /// A key under the architecture.
  void number(std::string_view key, uint32_t value) {
    set(architecture_ + "." + std::string(key), kGgufU32, file.encoder.num(value));
  }
  void numbers(std::string_view key, const std::vector<uint32_t>& values) {
    std::string bytes = file.encoder.array_head(kGgufU32, values.size());
    for (const uint32_t value : values) bytes += file.encoder.num(value);
    set(architecture_ + "." + std::string(key), kGgufArray, bytes);
  }
  void text(std::string_view key, std::string_view value) {
    set(std::string(key), kGgufString, file.encoder.str(value));
  }

  /// F32, contiguous axis first; element i of the tensor is 4096 * (tensors before it) + i.
  void f32(std::string_view name, std::vector<uint64_t> ne) {
    uint64_t elems = 1;
    for (const uint64_t dim : ne) elems *= dim;
    std::string bytes;
    for (uint64_t i = 0; i < elems; ++i)
      bytes += file.encoder.num(static_cast<float>(4096 * file.tensors.size() + i));
    file.tensors.push_back({std::string(name), std::move(ne), kGgmlF32, bytes});
  }
  /// Blocks of which every byte is `fill`; `size` bytes of them.
  void blocks(std::string_view name, std::vector<uint64_t> ne, uint32_t type, uint64_t size,
              char fill = 0x11) {
    file.tensors.push_back({std::string(name), std::move(ne), type, std::string(size, fill)});
  }
  void value(std::string_view key, uint32_t type, std::string_view bytes) {
    set(architecture_ + "." + std::string(key), type, std::string(bytes));
  }
  /// Takes a key out. REQUIRES: it is there.
  void remove_key(std::string_view key) {
    const std::string head = file.encoder.str(architecture_ + "." + std::string(key));
    const auto at = std::find_if(file.entries.begin(), file.entries.end(),
                                 [&](const std::string& entry) { return entry.starts_with(head); });
    file.entries.erase(at);
  }
  /// Takes a tensor out. REQUIRES: it is there.
  void remove(std::string_view name) {
    file.tensors.erase(file.tensors.begin() + (&file.tensor(name) - file.tensors.data()));
  }

  /// Elements of stored rows, one row after the other; `columns` a row.
  std::vector<float> rows(std::string_view name, uint64_t columns,
                          const std::vector<uint64_t>& rows) {
    const GgufTensor& tensor = file.tensor(name);
    std::vector<float> values(rows.size() * columns);
    for (size_t i = 0; i < rows.size(); ++i)
      std::memcpy(&values[i * columns], tensor.data.data() + rows[i] * columns * 4, columns * 4);
    return values;
  }

 private:
  void set(const std::string& key, uint32_t type, const std::string& value) {
    const std::string head = file.encoder.str(key);
    for (std::string& entry : file.entries)
      if (entry.starts_with(head)) {
        entry = file.encoder.entry(key, type, value);
        return;
      }
    file.add(key, type, value);
  }

  std::string architecture_;
};

/// What the importer makes of it.
struct ImportedGguf {
  TempFolder folder;
  CollectingLog log;
  Result<model::Model> model;

  explicit ImportedGguf(const GgufModel& gguf, const model::ImportOptions& options = {})
      : model(model::import_checkpoint(folder.write("m.gguf", gguf.file.bytes()), options, log)) {}

  std::string error_line() const { return model.ok() ? "" : model.error().to_line(); }
  const model::SourceTensor* tensor(std::string_view name) const {
    for (const model::SourceTensor& t : model->source.tensors)
      if (t.name == name) return &t;
    return nullptr;
  }
  const model::Weight* weight(std::string_view name) const {
    for (const model::Weight& w : model->weights)
      if (w.name == name) return &w;
    return nullptr;
  }
  std::vector<std::string> names() const {
    std::vector<std::string> names;
    for (const model::SourceTensor& t : model->source.tensors) names.push_back(t.name);
    std::sort(names.begin(), names.end());
    return names;
  }
  /// Bytes of a tensor; empty if there is none of that name.
  std::string bytes(std::string_view name) const {
    const model::SourceTensor* t = tensor(name);
    if (t == nullptr) return "";
    std::string bytes(t->size_bytes, '\0');
    const auto index = static_cast<uint32_t>(t - model->source.tensors.data());
    EXPECT_TRUE(
        model::read_tensor(model->source, index, 0, std::as_writable_bytes(std::span(bytes))).ok());
    return bytes;
  }
  std::vector<float> values(std::string_view name) const {
    const std::string raw = bytes(name);
    std::vector<float> values(raw.size() / 4);
    std::memcpy(values.data(), raw.data(), values.size() * 4);
    return values;
  }
};

/// Refused with this kind, about this tensor, saying this.
inline void expect_refused(const GgufModel& gguf, ErrorKind kind, std::string_view tensor,
                           std::string_view fragment, const model::ImportOptions& options = {}) {
  const ImportedGguf imported(gguf, options);
  ASSERT_FALSE(imported.model.ok()) << "imported, expected a refusal saying: " << fragment;
  const Error& error = imported.model.error();
  EXPECT_EQ(error_kind_name(error.kind), error_kind_name(kind)) << error.to_line();
  EXPECT_EQ(error.tensor, tensor) << error.to_line();
  EXPECT_NE(error.message.find(fragment), std::string::npos) << error.to_line();
}

/// One block of hidden size 8, 2 heads and 1 of K and V, 4 rows each; feed-forward size 6.
inline GgufModel small_llama(std::string_view architecture = "llama") {
  GgufModel gguf(architecture);
  gguf.number("embedding_length", 8);
  gguf.number("attention.head_count", 2);
  gguf.number("attention.head_count_kv", 1);
  gguf.number("feed_forward_length", 6);
  gguf.f32("token_embd.weight", {8, 5});
  gguf.f32("output.weight", {8, 5});
  gguf.f32("output_norm.weight", {8});
  gguf.f32("blk.0.attn_norm.weight", {8});
  gguf.f32("blk.0.attn_q.weight", {8, 8});
  gguf.f32("blk.0.attn_k.weight", {8, 4});
  gguf.f32("blk.0.attn_v.weight", {8, 4});
  gguf.f32("blk.0.attn_output.weight", {8, 8});
  gguf.f32("blk.0.ffn_norm.weight", {8});
  gguf.f32("blk.0.ffn_gate.weight", {8, 6});
  gguf.f32("blk.0.ffn_up.weight", {8, 6});
  gguf.f32("blk.0.ffn_down.weight", {6, 8});
  return gguf;
}

/// DeepSeek without experts: 2 heads, 3 latent columns, 2 columns of K without rotation, 1 of V.
inline GgufModel small_latent() {
  GgufModel gguf = small_llama("deepseek2");
  for (const char* name : {"blk.0.attn_k.weight", "blk.0.attn_v.weight"}) gguf.remove(name);
  gguf.f32("blk.0.attn_kv_a_mqa.weight", {8, 4});
  gguf.f32("blk.0.attn_kv_a_norm.weight", {3});
  gguf.f32("blk.0.attn_k_b.weight", {2, 3, 2});
  gguf.f32("blk.0.attn_v_b.weight", {3, 1, 2});
  return gguf;
}

}  // namespace imp::testing

// The metadata of a GGUF file, asked for by key. Whole numbers may be of any integer type, numbers
// of a layer one for all or a list (gguf.md, sections 1.6 and 6).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "formats/gguf/file.h"
#include "src/base/result.h"

namespace imp::model {

class Metadata {
 public:
  /// `header` of the first shard, which must outlive this; `file` is named in errors.
  Metadata(const gguf::Header& header, std::string file);

  /// general.architecture; empty where it is no string.
  const std::string& architecture() const { return architecture_; }
  const std::string& file() const { return file_; }
  const gguf::Header& header() const { return header_; }

  /// "head_count" under the architecture: "llama.attention.head_count". For messages.
  std::string full_key(std::string_view key) const;
  /// A value under the architecture; nullptr if there is none.
  const gguf::Value* find(std::string_view key) const;

  /// Errors, of all that follow: kBadConfig for a value of another kind, naming the key.
  Result<std::optional<uint64_t>> find_number(std::string_view key) const;
  /// kBadConfig also where it is missing.
  Result<uint64_t> number(std::string_view key) const;
  /// One a layer; a single number is every layer's. Empty where there is no such key. kBadConfig
  /// also for a list of another length.
  Result<std::vector<uint64_t>> numbers_of_layers(std::string_view key, uint64_t layers) const;

  Error error(std::string message) const;

 private:
  const gguf::Header& header_;
  std::string file_;
  std::string architecture_;
};

}  // namespace imp::model

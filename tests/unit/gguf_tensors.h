// Files of single GGUF tensors with random blocks, of an architecture that nobody knows: they are
// converted as they are.
#pragma once

#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "tests/unit/conversion.h"
#include "tests/unit/ggml_cases.h"
#include "tests/unit/gguf_bytes.h"

namespace imp::testing {

inline GgufFile fixture_gguf() {
  GgufFile gguf;
  gguf.add("general.architecture", kGgufString, gguf.encoder.str("fixture"));
  return gguf;
}

/// [n, k] of random blocks. REQUIRES: k is a multiple of the block.
inline void add_blocks(GgufFile& gguf, std::string_view name, GgmlType type, uint64_t n,
                       uint64_t k) {
  std::mt19937 random(static_cast<uint32_t>(gguf.tensors.size()) + 1);
  const GgmlTypeInfo& info = ggml_type_info(type);
  const std::vector<std::byte> blocks = random_blocks(info, n * k / info.block_elems, random);
  gguf.tensors.push_back(
      {std::string(name),
       {k, n},
       static_cast<uint32_t>(type),
       std::string(reinterpret_cast<const char*>(blocks.data()), blocks.size())});
}

/// REQUIRES: converts.
inline std::string artifact_of(const GgufFile& gguf, std::vector<uint32_t> sms, bool as_is = true) {
  const TempFolder folder;
  convert::Options options = options_for(folder.write("m.gguf", gguf.bytes()), std::move(sms));
  options.import.as_is = as_is;
  CollectingLog log;
  Result<std::string> bytes = convert_to_memory(options, log);
  if (!bytes.ok()) ADD_FAILURE() << bytes.error().to_line();
  return bytes.ok() ? *bytes : std::string();
}

}  // namespace imp::testing

// The key-value section of a GGUF header.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "formats/gguf/byte_reader.h"
#include "formats/gguf/file.h"

namespace imp::gguf {

/// Keys have 1 to this many bytes (ggml docs/gguf.md: 2^16 - 1).
inline constexpr uint64_t kMaxKeyBytes = 65'535;
/// One string value; the largest honest ones are tokenizer.huggingface.json and chat templates.
inline constexpr uint64_t kMaxStringBytes = 64u << 20;
inline constexpr uint64_t kMaxArrayElems = 1u << 26;

/// `count` entries from the reader's place on. Warnings begin with `who`.
/// Errors: see read_header.
Result<std::vector<KeyValue>> read_metadata(ByteReader& reader, uint64_t count,
                                            const std::string& who, Log& log);

}  // namespace imp::gguf

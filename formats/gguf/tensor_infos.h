// The tensor infos of a GGUF header, and what must hold of all of them together.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "formats/gguf/byte_reader.h"
#include "formats/gguf/file.h"

namespace imp::gguf {

inline constexpr uint64_t kMaxTensorNameBytes = 64;
inline constexpr uint64_t kMaxDim = 1ull << 40;

/// `count` infos from the reader's place on, each checked alone. offset_bytes counts from the start
/// of the data section still. Errors: see read_header.
Result<std::vector<TensorInfo>> read_tensor_infos(ByteReader& reader, uint64_t count,
                                                  uint64_t alignment_bytes);

/// Each range lies in the data section of `data_bytes` bytes, none overlaps another (an equal one
/// is warned about), no name occurs twice. Bytes behind the last tensor and its padding are warned
/// about.
Status check_placement(const std::vector<TensorInfo>& tensors, uint64_t data_bytes,
                       uint64_t alignment_bytes, const std::string& who, Log& log);

}  // namespace imp::gguf

// Tensor types of GGUF files: ids, names and block sizes. Source: ggml.h (enum ggml_type) and
// ggml-common.h of ggml d99724f2; formats/gguf/SPEC.md has the table.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace imp {

/// Ids as in the file. Removed ids and those of intermediate formats (Q8_1, Q8_K) are no types of a
/// stored tensor and have no name here.
enum class GgmlType : uint32_t {
  kF32 = 0,
  kF16 = 1,
  kQ4_0 = 2,
  kQ4_1 = 3,
  kQ5_0 = 6,
  kQ5_1 = 7,
  kQ8_0 = 8,
  kQ2_K = 10,
  kQ3_K = 11,
  kQ4_K = 12,
  kQ5_K = 13,
  kQ6_K = 14,
  kIq2Xxs = 16,
  kIq2Xs = 17,
  kIq3Xxs = 18,
  kIq1S = 19,
  kIq4Nl = 20,
  kIq3S = 21,
  kIq2S = 22,
  kIq4Xs = 23,
  kI8 = 24,
  kI16 = 25,
  kI32 = 26,
  kI64 = 27,
  kF64 = 28,
  kIq1M = 29,
  kBf16 = 30,
  kTq1_0 = 34,
  kTq2_0 = 35,
  kMxfp4 = 39,
  kNvfp4 = 40,
  kQ1_0 = 41,
  kQ2_0 = 42,
};

struct GgmlTypeInfo {
  GgmlType type;
  std::string_view name;  ///< as llama.cpp prints it in capitals: "Q4_K", "IQ2_XXS"
  uint32_t block_elems;   ///< consecutive elements of a row in one block; 1 for plain numbers
  uint32_t block_bytes;
};

/// Every type that a file may hold, by id.
std::span<const GgmlTypeInfo> ggml_types();
/// nullptr for an id that is no type of a stored tensor.
const GgmlTypeInfo* find_ggml_type(uint32_t id);
/// REQUIRES: `type` is one of the enum.
const GgmlTypeInfo& ggml_type_info(GgmlType type);

}  // namespace imp

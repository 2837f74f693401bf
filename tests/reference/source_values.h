// Values of one expert's weight from the planes that a source holds, bit by bit and element by
// element, in float and in the exporter's own order of multiplication: what the fixtures' sha256
// are of. Knows nothing of src.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tests/reference/encodings.h"

namespace imp::reference {

enum class Codes { kBf16, kE2m1, kE4m3, kInteger };
enum class Order {
  kProduct,           ///< fl32((code - zero point) * scale)
  kGlobalTimesScale,  ///< ModelOpt NVFP4: fl32(code * fl32(scale * global)); -0 becomes +0
  kScaleOverGlobal,   ///< compressed-tensors NVFP4: fl32(code * fl32(scale / global))
};

struct SourceWeight {
  Codes codes = Codes::kE2m1;
  HeldPlane code_plane{};
  const uint8_t* code_bytes = nullptr;
  const uint8_t* bitmask = nullptr;  ///< of sparse codes: the elements that are there
  HeldPlane scale_plane{};           ///< columns 0: no block scales
  const uint8_t* scale_bytes = nullptr;
  std::string scale_dtype;  ///< as safetensors writes it
  uint64_t group_size = 1;
  uint64_t group_rows = 1;
  const uint8_t* zero_point_bytes = nullptr;
  HeldPlane zero_point_plane{};
  const uint8_t* group_index = nullptr;  ///< i32 of each column
  float global = 1.0f;
  Order order = Order::kProduct;
};

/// [rows, columns] of code_plane.
std::vector<float> source_values(const SourceWeight& weight);

/// One number of a safetensors plane: F32, BF16, F16, F8_E4M3, F8_E8M0, or U8 as E8M0.
float number_at(const uint8_t* bytes, uint64_t index, const std::string& dtype);

}  // namespace imp::reference

// How a weight's numbers are coded. Numbers are frozen: they are stored in .imp files
// (OperandRecord::scheme).
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "src/base/dtype.h"

namespace imp::model {

enum class Scheme : uint16_t {
  kF32 = 1,
  kF16 = 2,
  kBf16 = 3,
  kF64 = 4,
  kRaw = 8,     ///< values of the component's dtype that are no float weights; carried as they are
  kNvfp4 = 16,  ///< e2m1 codes, e4m3 scale per 16 along K, one f32 per module
};

/// "nvfp4", "bf16", ...; "?" for a number that is no scheme of this version.
std::string_view scheme_name(Scheme scheme);
/// Scheme of unquantised values.
Scheme scheme_of_plain(Dtype dtype);
/// True for schemes whose codes need scales.
bool is_quantized(Scheme scheme);
/// Codes along K under one block scale; 0 where the scheme has none.
uint32_t group_size_of(Scheme scheme);

}  // namespace imp::model

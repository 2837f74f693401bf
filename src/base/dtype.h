// Element types. Names are the wire names of safetensors (tensor.rs, Dtype); numbers are frozen,
// they are stored in .imp files (formats/imp/SPEC.md, "dtype").
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace imp {

enum class Dtype : uint16_t {
  kBool = 1,
  kF4 = 2,
  kF6E2M3 = 3,
  kF6E3M2 = 4,
  kU8 = 5,
  kI8 = 6,
  kF8E5M2 = 7,
  kF8E4M3 = 8,
  kF8E8M0 = 9,
  kF8E4M3Fnuz = 10,
  kF8E5M2Fnuz = 11,
  kI16 = 12,
  kU16 = 13,
  kF16 = 14,
  kBF16 = 15,
  kI32 = 16,
  kU32 = 17,
  kF32 = 18,
  kC64 = 19,
  kF64 = 20,
  kI64 = 21,
  kU64 = 22,
};

/// Bits per element, or 0 for a number that is no Dtype.
uint32_t dtype_bits(Dtype dtype);
/// Wire name such as "F8_E4M3"; "?" for a number that is no Dtype.
std::string_view dtype_name(Dtype dtype);
std::optional<Dtype> dtype_from_name(std::string_view name);
/// F16, BF16, F32 or F64: an unquantised weight can have it.
bool is_plain_float(Dtype dtype);

}  // namespace imp

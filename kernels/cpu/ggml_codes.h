// Codes taken out of GGUF's block types and the numbers of their groups: how they make a weight.
//
// Schemes 48 uint4_min, 49 uint8_min, 50 lut4, 52 int4_k, 53 int8_k, 54 uint4_min_k, 55
// uint8_min_k, 56 lut4_k (formats/imp/SPEC.md, registry "schemes"). The number of a code is the
// code itself where there is a min, entry "code" of the table of lut4, else the code less
// 2^(bits-1). Group numbers are F16, and with "_k" bytes under F16 numbers of 256 columns.
#pragma once

#include <cstdint>

#include "kernels/cpu/bits.h"
#include "kernels/cpu/gemm.h"
#include "src/base/little_endian.h"

namespace imp::kernels {

inline constexpr uint64_t kSuperColumns = 256;

template <uint16_t kNumber>
struct GgmlScheme {
  static constexpr uint16_t kScheme = kNumber;
  static constexpr bool kBytes = kNumber == 49 || kNumber == 53 || kNumber == 55;
  static constexpr bool kMin = kNumber == 48 || kNumber == 49 || kNumber == 54 || kNumber == 55;
  static constexpr bool kLut = kNumber == 50 || kNumber == 56;
  static constexpr bool kSuper = kNumber >= 52;
  static constexpr uint64_t kScaleBytes = kSuper ? 1 : 2;
};

/// weight = number * scale + min. Doubles: the products are exact in them, so that a weight is
/// rounded once, as it is by f32 operations on the codes and scales that blocks can hold.
struct GroupTerms {
  double scale = 0;
  double min = 0;
};

inline double f16_at(Bytes plane, uint64_t element) {
  return f16_bits_to_float(load_le<uint16_t>(plane.data() + 2 * element));
}

/// Of element `group` of the group planes and element `super` of the super planes.
template <class S>
GroupTerms group_terms(const PackedWeight& weight, uint64_t group, uint64_t super) {
  GroupTerms terms;
  if constexpr (!S::kSuper) {
    terms.scale = f16_at(weight.block_scale, group);
    if constexpr (S::kMin) terms.min = f16_at(weight.group_min, group);
  } else {
    const auto byte = std::to_integer<uint8_t>(weight.block_scale[group]);
    const double scale = S::kMin ? double{static_cast<float>(byte)}
                                 : double{static_cast<float>(static_cast<int8_t>(byte))};
    terms.scale = scale * f16_at(weight.super_scale, super);
    if constexpr (S::kMin)
      terms.min =
          -(std::to_integer<uint8_t>(weight.group_min[group]) * f16_at(weight.super_min, super));
  }
  return terms;
}

template <class S>
float ggml_weight(const PackedWeight& weight, uint32_t code, const GroupTerms& terms) {
  int32_t number = static_cast<int32_t>(code);
  if constexpr (S::kLut)
    number = static_cast<int8_t>(std::to_integer<uint8_t>(weight.lut[code]));
  else if constexpr (!S::kMin)
    number -= S::kBytes ? 128 : 8;
  return static_cast<float>(number * terms.scale + terms.min);
}

}  // namespace imp::kernels

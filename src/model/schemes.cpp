#include "src/model/schemes.h"

namespace imp::model {

std::string_view scheme_name(Scheme scheme) {
  switch (scheme) {
    case Scheme::kF32:
      return "f32";
    case Scheme::kF16:
      return "f16";
    case Scheme::kBf16:
      return "bf16";
    case Scheme::kF64:
      return "f64";
    case Scheme::kRaw:
      return "raw";
    case Scheme::kNvfp4:
      return "nvfp4";
    case Scheme::kNvfp4G32:
      return "nvfp4_g32";
    case Scheme::kMxfp4:
      return "mxfp4";
    case Scheme::kMxfp8:
      return "mxfp8";
    case Scheme::kFp8:
      return "fp8";
    case Scheme::kInt2:
      return "int2";
    case Scheme::kInt3:
      return "int3";
    case Scheme::kInt4:
      return "int4";
    case Scheme::kInt5:
      return "int5";
    case Scheme::kInt6:
      return "int6";
    case Scheme::kInt7:
      return "int7";
    case Scheme::kInt8:
      return "int8";
  }
  return "?";
}

Scheme scheme_of_plain(Dtype dtype) {
  switch (dtype) {
    case Dtype::kF32:
      return Scheme::kF32;
    case Dtype::kF16:
      return Scheme::kF16;
    case Dtype::kBF16:
      return Scheme::kBf16;
    case Dtype::kF64:
      return Scheme::kF64;
    default:
      return Scheme::kRaw;
  }
}

bool is_quantized(Scheme scheme) { return code_bits(scheme) != 0; }

uint32_t group_size_of(Scheme scheme) {
  switch (scheme) {
    case Scheme::kNvfp4:
      return 16;
    case Scheme::kNvfp4G32:
    case Scheme::kMxfp4:
    case Scheme::kMxfp8:
      return 32;
    default:
      return 0;
  }
}

bool is_integer(Scheme scheme) { return Scheme::kInt2 <= scheme && scheme <= Scheme::kInt8; }

uint32_t code_bits(Scheme scheme) {
  if (is_integer(scheme))
    return static_cast<uint32_t>(scheme) - static_cast<uint32_t>(Scheme::kInt2) + 2;
  switch (scheme) {
    case Scheme::kNvfp4:
    case Scheme::kNvfp4G32:
    case Scheme::kMxfp4:
      return 4;
    case Scheme::kMxfp8:
    case Scheme::kFp8:
      return 8;
    default:
      return 0;
  }
}

Scheme integer_scheme(uint32_t bits) {
  return static_cast<Scheme>(static_cast<uint32_t>(Scheme::kInt2) + bits - 2);
}

bool has_two_levels(Scheme scheme) {
  return scheme == Scheme::kNvfp4 || scheme == Scheme::kNvfp4G32;
}

}  // namespace imp::model

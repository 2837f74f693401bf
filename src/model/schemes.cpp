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

bool is_quantized(Scheme scheme) { return scheme == Scheme::kNvfp4; }

uint32_t group_size_of(Scheme scheme) { return scheme == Scheme::kNvfp4 ? 16 : 0; }

}  // namespace imp::model

// Quantisers of the producers, group by group: what their files must look like, and what
// transcode.h makes rows of. Each follows its producer's order of operations and its ties (sources:
// checkpoint-format notes 1.1, 3.7, 4.4 and the producers' vectors).
#pragma once

#include <array>
#include <cstdint>
#include <span>

namespace imp::quant {

/// Nearest e2m1 code, ties to even, saturating; the sign of a negative value only, so that -0 is
/// code 0, and so is NaN.
uint8_t e2m1_from_float(float value);
/// Nearest e4m3 code, ties to even, saturating at +-448; -0 keeps its sign, NaN is 0x7F.
uint8_t e4m3_from_float(float value);

/// Values of the source as its dtype holds them: amax, quotients and products of a bf16 model are
/// rounded to bf16 where the producer does so.
enum class ModelFloat : uint8_t { kF32, kBf16 };

struct Nvfp4Group {
  uint8_t scale = 0;
  std::array<uint8_t, 8> codes{};
};
/// ModelOpt, max calibration. `global` multiplies.
Nvfp4Group nvfp4_quantize_modelopt(std::span<const float, 16> x, float global);
/// compressed-tensors. `global` divides.
Nvfp4Group nvfp4_quantize_compressed_tensors(std::span<const float, 16> x, float global,
                                             ModelFloat dtype);
/// The divisor that compressed-tensors takes for values up to `amax`: 448 * 6 / amax in the model's
/// float.
float nvfp4_global_compressed_tensors(float amax, ModelFloat dtype);

struct Mxfp4Group {
  uint8_t scale = 0;
  std::array<uint8_t, 16> codes{};
};
struct Mxfp8Group {
  uint8_t scale = 0;
  std::array<uint8_t, 32> codes{};
};
/// ModelOpt: the power of two that holds amax without clipping; e2m1 ties toward zero, zero is code
/// 8.
Mxfp4Group mxfp4_quantize_modelopt(std::span<const float, 32> x);
Mxfp8Group mxfp8_quantize_modelopt(std::span<const float, 32> x);
/// compressed-tensors: amax is rounded to a power of two from 1.75 on up, so that up to 7/6 of the
/// largest code is clipped.
Mxfp4Group mxfp4_quantize_compressed_tensors(std::span<const float, 32> x, ModelFloat dtype);
Mxfp8Group mxfp8_quantize_compressed_tensors(std::span<const float, 32> x, ModelFloat dtype);

}  // namespace imp::quant

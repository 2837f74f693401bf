// Activations for the tests of quantisation: random ones and those at which a rounding could go
// wrong.
#pragma once

#include <cmath>
#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "kernels/cpu/quantize_activation.h"
#include "src/quant/bf16.h"
#include "src/quant/f16.h"
#include "tests/unit/layout_planes.h"

namespace imp::test {

struct Activations {
  std::string name;
  Dtype dtype = Dtype::kBF16;
  uint64_t m = 0;
  uint64_t k = 0;
  uint64_t stride = 0;
  float gs = 1.0f;
  std::vector<uint16_t> x;  ///< m * stride
  kernels::ActivationMatrix view() const {
    return {std::as_bytes(std::span(x)), dtype, m, k, stride};
  }
};

inline uint16_t bits_16(float value, Dtype dtype) {
  return dtype == Dtype::kBF16 ? quant::bf16_from_float(value) : quant::f16_from_float(value);
}
inline float float_16(uint16_t bits, Dtype dtype) {
  return dtype == Dtype::kBF16 ? quant::bf16_to_float(bits) : quant::f16_to_float(bits);
}

/// Normal numbers times 2^(-8 .. 8), one exponent a group; what lies between rows is NaN.
inline Activations random_activations(uint64_t m, uint64_t k, Dtype dtype, float gs,
                                      uint32_t seed) {
  Activations out{"random " + std::to_string(m) + " x " + std::to_string(k),
                  dtype,
                  m,
                  k,
                  k + 8,
                  gs,
                  std::vector<uint16_t>(m * (k + 8), 0x7FFF)};
  Random random(seed);
  std::normal_distribution<float> normal;
  for (uint64_t row = 0; row < m; ++row)
    for (uint64_t column = 0; column < k; column += 16) {
      const int exponent = static_cast<int>(random() % 17) - 8;
      for (uint64_t i = 0; i < 16; ++i)
        out.x[row * out.stride + column + i] = bits_16(std::ldexp(normal(random), exponent), dtype);
    }
  return out;
}

/// Every pattern of 16 bits: NaN, infinities, subnormals, both zeros. Pattern p leads a group whose
/// other members are p times fractions that reach each e2m1 value and tie.
inline Activations every_pattern(Dtype dtype, float gs) {
  Activations out{"every pattern", dtype, 1024, 1024, 1024, gs, {}};
  const float fractions[15] = {0.5f,  -0.5f,    0.25f,    -0.125f,  0.75f,
                               -1.0f, 1.0f / 3, 2.0f / 3, 1.0f / 6, 0.0625f,
                               0.0f,  0.58333f, 0.4166f,  -0.0f,    0.00001f};
  for (uint32_t pattern = 0; pattern < 0x10000; ++pattern) {
    const auto lead = static_cast<uint16_t>(pattern);
    out.x.push_back(lead);
    for (const float fraction : fractions)
      out.x.push_back(bits_16(float_16(lead, dtype) * fraction, dtype));
  }
  return out;
}

/// scale 1 and gs 1: every x of at most 6.25 in magnitude is divided by 1, so it is its own v.
inline Activations every_quotient(Dtype dtype) {
  Activations out{"every quotient", dtype, 0, 256, 256, 1.0f, {}};
  std::vector<uint16_t> members;
  for (uint32_t pattern = 0; pattern < 0x10000; ++pattern) {
    const float value = float_16(static_cast<uint16_t>(pattern), dtype);
    if (std::fabs(value) <= 6.25f) members.push_back(static_cast<uint16_t>(pattern));
  }
  for (size_t i = 0; i < members.size(); ++i) {
    if (out.x.size() % 16 == 0) out.x.push_back(bits_16(i % 2 == 0 ? 6.0f : -6.0f, dtype));
    out.x.push_back(members[i]);
  }
  while (out.x.size() % out.k != 0) out.x.push_back(0);
  out.m = out.x.size() / out.k;
  return out;
}

/// Small enough for a sanitizer build, and enough to reach every branch and every tile edge.
inline std::vector<Activations> activation_cases() {
  std::vector<Activations> cases;
  for (const Dtype dtype : {Dtype::kBF16, Dtype::kF16}) {
    const std::pair<uint64_t, uint64_t> shapes[] = {{1, 16},    {1, 48},    {2, 64},   {31, 80},
                                                    {129, 112}, {130, 528}, {3, 4112}, {257, 1040}};
    for (const auto& [m, k] : shapes)
      cases.push_back(
          random_activations(m, k, dtype, 0x1.9a3b57p-6f, static_cast<uint32_t>(m + k)));
    // Scales from all subnormal to all saturated; 1/6 makes 6 * gs round to 1 and t = a.
    for (const float gs :
         {1.0f / 6, 1.0f, 0x1.fffffep-4f, 0x1p-20f, 0x1.8p9f, 0x1p-120f, 0x1p-142f, 0x1.234568p20f})
      cases.push_back(every_pattern(dtype, gs));
    cases.push_back(every_quotient(dtype));
    Activations zeros = random_activations(5, 32, dtype, 1.0f, 1);
    zeros.name = "zeros";
    for (size_t i = 0; i < zeros.x.size(); ++i) zeros.x[i] = i % 3 == 0 ? 0x8000 : 0;
    cases.push_back(zeros);
  }
  return cases;
}

}  // namespace imp::test

#include "tests/reference/quantise.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <stdexcept>

#include "tests/reference/scheme_values.h"

namespace imp::reference {
namespace {

using Decode = double (*)(uint32_t);

/// Of codes 0 to `last`, whose values increase, the one nearest to `magnitude`.
uint32_t nearest(Decode decode, uint32_t last, double magnitude, bool ties_to_even) {
  uint32_t best = 0;
  for (uint32_t code = 1; code <= last; ++code) {
    const double before = std::fabs(decode(best) - magnitude);
    const double now = std::fabs(decode(code) - magnitude);
    if (now < before || (now == before && ties_to_even && code % 2 == 0)) best = code;
  }
  return best;
}

double e2m1_magnitude(double magnitude, bool ties_to_even) {
  return e2m1_value(nearest(e2m1_value, 7, std::min(magnitude, 6.0), ties_to_even));
}

double e4m3_magnitude(double magnitude) {
  return e4m3_value(nearest(e4m3_value, 126, std::min(magnitude, 448.0), true));
}

float to_bf16(float value) {
  uint32_t bits = 0;
  std::memcpy(&bits, &value, sizeof bits);
  const uint32_t rest = bits & 0xFFFF;
  bits &= 0xFFFF0000u;
  if (rest > 0x8000 || (rest == 0x8000 && (bits & 0x10000) != 0)) bits += 0x10000;
  std::memcpy(&value, &bits, sizeof bits);
  return value;
}

float in_model_float(float value, bool bf16) { return bf16 ? to_bf16(value) : value; }

float amax_of(const float* x, uint64_t count) {
  float amax = 0;
  for (uint64_t i = 0; i < count; ++i) amax = std::max(amax, std::fabs(x[i]));
  return amax;
}

/// ModelOpt: global = amax / (6 * 448), scale = e4m3(group amax / (6 * global)), at least 2^-9.
void nvfp4_modelopt(const float* x, float global, double* out) {
  float wanted = amax_of(x, 16) / (6.0f * global);
  if (wanted == 0) wanted = 1.0f;
  const double scale = e4m3_magnitude(std::max(wanted, 0x1p-9f));
  for (int i = 0; i < 16; ++i) {
    const float quotient = x[i] / (static_cast<float>(scale) * global);
    const double code = e2m1_magnitude(std::fabs(quotient), true);
    out[i] = (quotient < 0 ? -code : code) * scale * double{global};
  }
}

/// compressed-tensors: the global divides; a scale that would be zero is 0.125.
void nvfp4_compressed_tensors(const float* x, float global, bool bf16, double* out) {
  const float wanted = global * in_model_float(amax_of(x, 16) / 6.0f, bf16);
  double scale = e4m3_magnitude(wanted);
  if (scale == 0) scale = 0.125;
  for (int i = 0; i < 16; ++i) {
    const float quotient = x[i] / (static_cast<float>(scale) / global);
    const double code = e2m1_magnitude(std::fabs(quotient), true);
    out[i] = (quotient < 0 ? -code : code) * scale / double{global};
  }
}

/// The smallest power of two under which nothing is clipped; ties go to zero, zeros are minus.
void mxfp4_modelopt(const float* x, double* out) {
  int exponent = -127;
  while (std::ldexp(6.0, exponent) < amax_of(x, 32)) ++exponent;
  for (int i = 0; i < 32; ++i) {
    const double quotient = std::ldexp(double{x[i]}, -exponent);
    const double code = e2m1_magnitude(std::fabs(quotient), false);
    out[i] = std::ldexp(quotient > 0 ? code : -code, exponent);
  }
}

/// The power of two of amax, the next one from 1.75 times it on, over 4.
void mxfp4_compressed_tensors(const float* x, double* out) {
  const float amax = amax_of(x, 32);
  int exponent = -127;
  if (amax != 0) {
    int above = 0;
    const double mantissa = std::frexp(double{amax}, &above);  // [1/2, 1)
    exponent = std::max(above - 1 + (2 * mantissa >= 1.75 ? 1 : 0) - 2, -127);
  }
  for (int i = 0; i < 32; ++i) {
    const double quotient = std::ldexp(double{x[i]}, -exponent);
    const double code = e2m1_magnitude(std::fabs(quotient), true);
    out[i] = std::ldexp(quotient < 0 ? -code : code, exponent);
  }
}

double integer_nearest(double value) {
  const double below = std::floor(value), rest = value - below;
  if (rest == 0.5) return std::fmod(below, 2.0) == 0 ? below : below + 1;
  return rest < 0.5 ? below : below + 1;
}

void int8_row(const float* x, uint64_t columns, double* out) {
  const float amax = amax_of(x, columns), scale = amax == 0 ? 1.0f : amax / 127.0f;
  for (uint64_t i = 0; i < columns; ++i)
    out[i] = (integer_nearest(x[i] / scale) + 0.0) * double{scale};
}

void fp8_row(const float* x, uint64_t columns, double* out) {
  const float amax = amax_of(x, columns), scale = amax == 0 ? 1.0f : amax / 448.0f;
  for (uint64_t i = 0; i < columns; ++i) {
    const float quotient = x[i] / scale;
    const double code = e4m3_magnitude(std::fabs(quotient));
    out[i] = (std::signbit(quotient) ? -code : code) * double{scale};
  }
}

float global_of(const std::string& target, bool bf16, float amax) {
  if (target == "nvfp4") return amax == 0 ? 1.0f : amax / (6.0f * 448.0f);
  if (target != "nvfp4-ct" || amax == 0) return 1.0f;
  return in_model_float(in_model_float(1.0f / amax, bf16) * (6.0f * 448.0f), bf16);
}

}  // namespace

Quantised quantised(const std::string& target, bool bf16, const std::vector<float>& values,
                    uint64_t columns) {
  Quantised result{std::vector<double>(values.size()),
                   global_of(target, bf16, amax_of(values.data(), values.size()))};
  const uint64_t step = target.starts_with("nvfp4")   ? 16
                        : target.starts_with("mxfp4") ? 32
                                                      : columns;
  for (uint64_t at = 0; at < values.size(); at += step) {
    const float* x = &values[at];
    double* out = &result.values[at];
    if (target == "nvfp4")
      nvfp4_modelopt(x, result.global, out);
    else if (target == "nvfp4-ct")
      nvfp4_compressed_tensors(x, result.global, bf16, out);
    else if (target == "mxfp4")
      mxfp4_modelopt(x, out);
    else if (target == "mxfp4-ct")
      mxfp4_compressed_tensors(x, out);
    else if (target == "int8")
      int8_row(x, columns, out);
    else if (target == "fp8")
      fp8_row(x, columns, out);
    else
      throw std::runtime_error("no target " + target);
  }
  return result;
}

}  // namespace imp::reference

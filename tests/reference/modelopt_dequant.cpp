#include "tests/reference/modelopt_dequant.h"

#include <cmath>
#include <limits>

namespace imp::reference {

float nvfp4_modelopt_value(uint8_t code, uint8_t scale, float global) {
  static const float kMagnitudes[8] = {0, 0.5f, 1, 1.5f, 2, 3, 4, 6};
  float block = std::numeric_limits<float>::quiet_NaN();
  if ((scale & 127) != 127) {
    const int exponent = scale / 8 % 16, mantissa = scale % 8;
    block = std::ldexp(static_cast<float>(exponent == 0 ? mantissa : 8 + mantissa),
                       exponent == 0 ? -9 : exponent - 10);
    if (scale >= 128) block = -block;
  }
  const float magnitude = kMagnitudes[code % 8];
  const float value = code > 8 ? -magnitude : magnitude;
  const float group = block * global;
  return value * group;
}

}  // namespace imp::reference

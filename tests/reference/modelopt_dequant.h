// The value ModelOpt's own dequantisation gives a weight, in its order of float multiplications.
#pragma once

#include <cstdint>

namespace imp::reference {

/// f32(e2m1) * f32(f32(e4m3) * global), each product rounded; code 8 (minus zero) is +0. A NaN
/// scale gives some NaN.
float nvfp4_modelopt_value(uint8_t code, uint8_t scale, float global);

}  // namespace imp::reference

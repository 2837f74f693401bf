// Quantising and decoding again, from the producers' recipes in words: every code is found by
// looking at all values that it could have. Slow; the oracle of src/quant/transcode.h. Knows
// nothing of src.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace imp::reference {

struct Quantised {
  std::vector<double> values;  ///< code * scale * global, exactly; a quotient to 53 bits
  float global = 1.0f;         ///< of NVFP4; divides with "nvfp4-ct"
};

/// Values [rows, columns] of one module as `target` holds them ("nvfp4", "nvfp4-ct", "mxfp4",
/// "mxfp4-ct", "int8", "fp8"; the last two with a scale a row). `bf16`: the model's floats are.
/// REQUIRES: finite values, columns a multiple of the group.
Quantised quantised(const std::string& target, bool bf16, const std::vector<float>& values,
                    uint64_t columns);

}  // namespace imp::reference

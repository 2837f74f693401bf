// From stored bits to plain values, each rounded once.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "src/base/dtype.h"
#include "src/base/file.h"
#include "src/quant/nvfp4.h"

namespace imp::unpack {

/// Every value that a tensor of one global scale can have, by scale byte and code.
class Nvfp4Values {
 public:
  /// REQUIRES: `to` is F32 or BF16.
  Nvfp4Values(float global, quant::Convention convention, Dtype to);
  /// Values of whole groups, in order. REQUIRES: codes.size() == 8 * scales.size().
  void expand(Bytes codes, Bytes scales, std::vector<std::byte>& out) const;

 private:
  uint64_t elem_bytes_;
  std::array<uint32_t, 256 * 16> bits_;
};

/// Plain floats to F32 or BF16. REQUIRES: is_plain_float(from); whole elements.
void convert_floats(Bytes in, Dtype from, Dtype to, std::vector<std::byte>& out);

}  // namespace imp::unpack

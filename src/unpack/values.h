// From stored bits to plain values, each rounded once.
#pragma once

#include <span>
#include <vector>

#include "src/base/dtype.h"
#include "src/base/file.h"

namespace imp::unpack {

/// Each rounded once to F32 or BF16. REQUIRES: out.size() == values.size() * bytes of `to`.
void round_values(std::span<const double> values, Dtype to, MutableBytes out);

/// Plain floats to F32 or BF16. REQUIRES: is_plain_float(from); whole elements.
void convert_floats(Bytes in, Dtype from, Dtype to, std::vector<std::byte>& out);

}  // namespace imp::unpack

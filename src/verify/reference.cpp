#include "src/verify/reference.h"

#include <bit>

#include "src/base/little_endian.h"
#include "src/quant/bf16.h"
#include "src/quant/f16.h"
#include "src/quant/nvfp4.h"

namespace imp::verify {
namespace {

using artifact::ScalarState;
using model::Scheme;

}  // namespace

uint32_t kernel_bits(const artifact::ScalarRecord& scalar) {
  if (scalar.state == static_cast<uint8_t>(ScalarState::kAbsent)) return 0x7FC00000;
  if (scalar.state == static_cast<uint8_t>(ScalarState::kDivisor))
    return std::bit_cast<uint32_t>(1.0f / std::bit_cast<float>(scalar.bits));
  return scalar.bits;
}

bool has_reference(const FormView& view) {
  switch (view.scheme()) {
    case Scheme::kNvfp4:
    case Scheme::kBf16:
    case Scheme::kF16:
    case Scheme::kF32:
      return true;
    default:
      return false;
  }
}

std::vector<float> row_multipliers(const FormView& view, const StoredSlab& slab) {
  std::vector<float> rows(slab.rows, 1.0f);
  for (const artifact::PartRecord& part : view.reader.parts_of(view.operand)) {
    if (part.multiplier_count == 0) continue;
    const float multiplier = std::bit_cast<float>(
        kernel_bits(view.reader.scalars()[part.first_multiplier + slab.expert]));
    for (uint64_t r = 0; r < slab.rows; ++r)
      if (slab.row0 + r >= part.n0 && slab.row0 + r < part.n0 + part.n_count) rows[r] = multiplier;
  }
  return rows;
}

void unscaled_row(const FormView& view, const CanonicalSlab& canonical, uint64_t row,
                  std::vector<float>& out) {
  const uint64_t k = view.operand.k;
  out.resize(k);
  if (view.scheme() == Scheme::kNvfp4) {
    const auto* codes = reinterpret_cast<const uint8_t*>(canonical.codes.data()) + row * (k / 2);
    const auto* scales =
        reinterpret_cast<const uint8_t*>(canonical.scales.data()) + row * view.groups();
    for (uint64_t i = 0; i < k; ++i)
      out[i] = quant::nvfp4_unscaled(quant::nvfp4_code(codes, i), scales[i / quant::kNvfp4Group]);
    return;
  }
  for (uint64_t i = 0; i < k; ++i) {
    const uint64_t at = row * k + i;
    if (view.scheme() == Scheme::kF32)
      out[i] = load_le<float>(canonical.codes.data() + at * 4);
    else if (view.scheme() == Scheme::kBf16)
      out[i] = quant::bf16_to_float(load_le<uint16_t>(canonical.codes.data() + at * 2));
    else
      out[i] = quant::f16_to_float(load_le<uint16_t>(canonical.codes.data() + at * 2));
  }
}

}  // namespace imp::verify

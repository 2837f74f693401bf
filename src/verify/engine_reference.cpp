#include "src/verify/engine_reference.h"

#include <cmath>

#include "src/base/little_endian.h"
#include "src/quant/bf16.h"
#include "src/quant/e2m1.h"
#include "src/quant/e4m3.h"
#include "src/quant/e8m0.h"
#include "src/quant/f16.h"
#include "src/verify/engine_form.h"
#include "src/verify/reference.h"

namespace imp::verify {
namespace {

using artifact::ComponentKind;
using layouts::LayoutId;
using model::Scheme;

constexpr int kFp8UnitLog2 = 120;  // kernel-layouts 2.6, bf16 activations

/// Scale and what is added under it, of one group of a row.
struct Group {
  double scale = 1;
  double zero = 0;  ///< taken from the code
  double min = 0;
};

class RowOfGroups {
 public:
  RowOfGroups(const FormView& view, const CanonicalSlab& canonical, uint64_t row)
      : view_(view),
        canonical_(canonical),
        row_(row),
        groups_(has_row_scales(view) ? 1 : view.groups()),
        bits_(model::code_bits(view.scheme())) {}

  /// Columns under a scale.
  uint64_t columns() const {
    return has_row_scales(view_) ? view_.operand.k : view_.operand.group_size;
  }

  Group group(uint64_t g) const {
    Group made;
    made.scale = scale(row_ * groups_ + g);
    if (!model::is_integer(view_.scheme())) return made;
    const bool folded = !canonical_.mins.empty();
    if (folded) made.min = number(canonical_.mins, row_ * groups_ + g);
    made.zero = folded ? 0 : zero(g);
    return made;
  }

  double code(uint64_t k) const {
    const auto at = [&](uint64_t i) { return static_cast<uint8_t>(canonical_.codes[i]); };
    const uint64_t pitch = bits_ == 4 ? (view_.operand.k + 1) / 2 : view_.operand.k;
    const auto u = static_cast<uint8_t>(bits_ == 4 ? at(row_ * pitch + k / 2) >> (4 * (k % 2)) & 0xF
                                                   : at(row_ * pitch + k));
    if (model::is_integer(view_.scheme())) return u;
    return view_.scheme() == Scheme::kFp8 ? quant::e4m3_to_float(u) : quant::e2m1_to_float(u);
  }

 private:
  /// Element of a plane of bf16 or f16.
  double number(const std::vector<std::byte>& plane, uint64_t i) const {
    const auto bits = load_le<uint16_t>(plane.data() + 2 * i);
    return view_.form.dialect == 1 ? quant::f16_to_float(bits) : quant::bf16_to_float(bits);
  }

  double scale(uint64_t i) const {
    const std::vector<std::byte>& plane = canonical_.scales;
    if (model::is_integer(view_.scheme())) return number(plane, i);
    if (view_.scheme() == Scheme::kFp8) return std::ldexp(number(plane, i), -kFp8UnitLog2);
    const auto byte = static_cast<uint8_t>(plane[i]);
    if (view_.scheme() == Scheme::kMxfp4) return byte == 0 ? 0 : quant::e8m0_to_float(byte);
    if (view_.layout() == LayoutId::kMaxSm8x)
      return quant::bf16_to_float(folded_scale(byte, global()));
    // The kernel of marlin takes bit 7 of the byte for the highest bit of the exponent.
    if (view_.layout() == LayoutId::kMarlinA0 && s0e5m3(byte, 0) < 0x80)
      return std::ldexp(quant::bf16_to_float(static_cast<uint16_t>(s0e5m3(byte, 0) << 4)), -7);
    return quant::e4m3_to_float(byte);
  }

  float global() const {
    float value = 1;
    for (const artifact::PartRecord& part : view_.reader.parts_of(view_.operand))
      if (canonical_.row0 + row_ >= part.n0 && canonical_.row0 + row_ < part.n0 + part.n_count)
        value = part_multiplier(view_, part, canonical_.expert);
    return value;
  }

  double zero(uint64_t g) const {
    const std::vector<std::byte>& plane = canonical_.zero_points;
    if (plane.empty()) return bits_ == 4 ? 8 : 128;
    if (bits_ == 8) return static_cast<uint8_t>(plane[row_ * groups_ + g]);
    const auto pair = static_cast<uint8_t>(plane[row_ * ((groups_ + 1) / 2) + g / 2]);
    return pair >> (4 * (g % 2)) & 0xF;
  }

  const FormView& view_;
  const CanonicalSlab& canonical_;
  const uint64_t row_;
  const uint64_t groups_;
  const uint32_t bits_;
};

}  // namespace

void engine_row(const FormView& view, const CanonicalSlab& canonical, uint64_t row,
                std::vector<float>& out) {
  const RowOfGroups groups(view, canonical, row);
  out.resize(view.operand.k);
  Group group;
  for (uint64_t k = 0; k < out.size(); ++k) {
    if (k % groups.columns() == 0) group = groups.group(k / groups.columns());
    // 8 bits times 11 and a sum with 11 bits: exact in a double.
    out[k] = static_cast<float>((groups.code(k) - group.zero) * group.scale + group.min);
  }
}

uint16_t folded_scale(uint8_t e4m3, float global) {
  return quant::bf16_from_float(quant::e4m3_to_float(e4m3) * global);
}

uint16_t fp8_scale(double scale) {
  const double rounded = quant::bf16_to_float(quant::bf16_from_double(scale));
  return quant::bf16_from_double(std::ldexp(rounded, kFp8UnitLog2));
}

uint8_t s0e5m3(uint8_t e4m3, uint32_t log2) {
  const double value = std::ldexp(quant::e4m3_to_float(e4m3 & 0x7F), static_cast<int>(7 + log2));
  return static_cast<uint8_t>(quant::f16_from_double(value) >> 7);
}

}  // namespace imp::verify

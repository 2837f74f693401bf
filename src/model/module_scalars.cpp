#include "src/model/module_scalars.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <sstream>
#include <string>

#include "src/model/scalars.h"

namespace imp::model {
namespace {

/// Larger than any scale of activations: what uninitialised memory can look like.
constexpr float kAbsurd = 1e30f;

Result<std::vector<uint32_t>> read_per_expert(const Siblings& s, const WeightForm& form,
                                              Suffix suffix) {
  const SourceTensor& t = s.at(suffix);
  const uint64_t elems = num_elems(t);
  const bool fits = elems == 1 || (form.stacked && elems == form.experts);
  if (is_scale_float(t.dtype) && !fits)
    return s.error(
        suffix, ErrorKind::kShapeMismatch,
        "shape is " + t.shape.to_string() + ", expected one element" +
            (form.stacked ? " or one an expert (" + std::to_string(form.experts) + ")" : ""));
  IMP_ASSIGN(std::vector<uint32_t> bits, read_floats(s.context.source, s.tensors[suffix]));
  bits.resize(form.experts, bits.front());
  return bits;
}

/// Codes of magnitude zero only, whatever their sign. Read in pieces: this is asked of few tensors.
Result<bool> all_codes_zero(const Siblings& s, const WeightForm& form) {
  constexpr uint64_t kPiece = 1u << 20;
  const SourceTensor& codes = s.at(form.codes);
  for (uint64_t at = 0; at < codes.size_bytes; at += kPiece) {
    IMP_ASSIGN(const std::vector<std::byte> piece,
               read_bytes(s.context.source, s.tensors[form.codes], at,
                          std::min(kPiece, codes.size_bytes - at)));
    const bool zero = std::all_of(piece.begin(), piece.end(), [](std::byte b) {
      return (b & std::byte{0x77}) == std::byte{0};
    });
    if (!zero) return false;
  }
  return true;
}

void count_magnitude(ImportContext& context, const WeightForm& form, const std::string& name,
                     float value, ScalarState state) {
  if (!has_two_levels(form.scheme)) return;
  if (state == ScalarState::kMultiplier && value > 1) context.counts.large_multipliers.add(name);
  if (state == ScalarState::kDivisor && value < 1) context.counts.small_divisors.add(name);
}

/// Kernels multiply by the reciprocal of a divisor: it must be a number. Zero and the smallest
/// subnormals have none.
bool has_reciprocal(uint32_t bits) { return std::isfinite(1.0f / std::bit_cast<float>(bits)); }

std::string no_reciprocal(uint32_t bits, const char* what) {
  std::ostringstream text;
  text << "value is " << std::bit_cast<float>(bits) << ", but " << what
       << " divided by it and its reciprocal is infinite";
  return text.str();
}

Result<Scalar> multiplier(ImportContext& context, const Siblings& s, const WeightForm& form,
                          Suffix suffix, uint32_t bits, ScalarState state) {
  const std::string& name = s.at(suffix).name;
  const auto value = std::bit_cast<float>(bits);
  const bool divides = state == ScalarState::kDivisor;
  const bool usable = is_scale(bits) && (!divides || has_reciprocal(bits));
  if (!usable && divides && !std::signbit(value)) {
    IMP_ASSIGN(const bool zero, all_codes_zero(s, form));
    if (zero) {
      context.counts.unused_globals.add(name);
      return Scalar{bits, ScalarState::kUnused};
    }
  }
  if (!is_scale(bits)) return bad_scale(context.source, s.tensors[suffix], bits);
  if (!usable)
    return s.error(suffix, ErrorKind::kBadScale,
                   no_reciprocal(bits, "weights that are not zero are"));
  // mma64's epilogue multiplies by 2^14 more.
  const float factor = divides ? 1 / value : value;
  if (has_two_levels(form.scheme) && !std::isfinite(factor * 0x1p14f))
    return s.error(suffix, ErrorKind::kBadScale,
                   "scales by " + std::to_string(factor) + ", too large for a kernel's f32");
  if (value == 0) context.log.warn("tensor '" + name + "' is 0: everything it scales is zero");
  count_magnitude(context, form, name, value, state);
  return Scalar{bits, state};
}

bool is_usable_input(uint32_t bits) {
  const auto value = std::bit_cast<float>(bits);
  return is_scale(bits) && value >= std::numeric_limits<float>::min() && value <= kAbsurd;
}

}  // namespace

Result<std::vector<Scalar>> read_multipliers(ImportContext& context, const Siblings& s,
                                             const WeightForm& form, Suffix suffix,
                                             ScalarState state) {
  IMP_ASSIGN(const std::vector<uint32_t> all, read_per_expert(s, form, suffix));
  std::vector<Scalar> scalars;
  for (size_t e = 0; e < all.size(); ++e) {
    // One number of a stack is judged once.
    if (e > 0 && num_elems(s.at(suffix)) == 1) {
      scalars.push_back(scalars.front());
      continue;
    }
    IMP_ASSIGN(const Scalar scalar, multiplier(context, s, form, suffix, all[e], state));
    scalars.push_back(scalar);
  }
  return scalars;
}

Result<std::vector<Scalar>> read_input_scales(ImportContext& context, const Siblings& s,
                                              const WeightForm& form) {
  const bool divides = s.has(Suffix::kInputGlobalScale);
  const Suffix suffix = divides ? Suffix::kInputGlobalScale : Suffix::kInputScale;
  std::vector<Scalar> scalars;
  if (!s.has(suffix)) return scalars;
  IMP_ASSIGN(const std::vector<uint32_t> all, read_per_expert(s, form, suffix));
  const bool routed = s.module.per_expert || (form.stacked && num_elems(s.at(suffix)) > 1);
  for (const uint32_t bits : all) {
    if (routed && !is_usable_input(bits)) {
      context.counts.unused_inputs.add(s.at(suffix).name);
      scalars.push_back({bits, ScalarState::kUnused});
      continue;
    }
    if (!is_scale(bits)) return bad_scale(context.source, s.tensors[suffix], bits);
    if (divides && !has_reciprocal(bits))
      return s.error(suffix, ErrorKind::kBadScale, no_reciprocal(bits, "activations are"));
    if (std::bit_cast<float>(bits) == 0 && scalars.empty())
      context.log.warn("tensor '" + s.at(suffix).name + "' is 0: everything it scales is zero");
    scalars.push_back({bits, divides ? ScalarState::kDivisor : ScalarState::kMultiplier});
  }
  return scalars;
}

}  // namespace imp::model

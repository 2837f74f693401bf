#include "tests/unit/engine_expected.h"

#include <bit>
#include <cmath>
#include <cstring>
#include <stdexcept>

#include "src/model/plane_coding.h"
#include "src/model/source_read.h"
#include "src/quant/encoding.h"

namespace imp::testing {
namespace {

using model::ComponentKind;
using model::Role;
using model::Scheme;
using plan::LayoutId;
using reference::Buffer;
using reference::Channels;
using Words = reference::WordMatrix;

/// Nearest, ties to even, by the number: exact for what tests put here.
uint32_t bf16_of(double value) {
  const uint32_t bits = std::bit_cast<uint32_t>(static_cast<float>(value));
  const uint32_t low = bits & 0xFFFF, high = bits >> 16;
  return high + (low > 0x8000 || (low == 0x8000 && high % 2 == 1) ? 1 : 0);
}
double bf16_value(uint32_t bits) { return std::bit_cast<float>(bits << 16); }

double half_value(uint32_t bits) {
  const int exponent = static_cast<int>(bits >> 10 & 31);
  const double mantissa = bits & 1023;
  const double magnitude =
      exponent == 0 ? std::ldexp(mantissa, -24) : std::ldexp(1024 + mantissa, exponent - 25);
  return bits >> 15 != 0 ? -magnitude : magnitude;
}
uint32_t half_of(double value) {
  const uint32_t sign = std::signbit(value) ? 0x8000 : 0;
  const double magnitude = std::fabs(value);
  const int exponent = magnitude == 0 ? -14 : std::max(std::ilogb(magnitude), -14);
  const double units = std::nearbyint(std::ldexp(magnitude, 10 - exponent));
  return sign + static_cast<uint32_t>(units) + (static_cast<uint32_t>(exponent + 14) << 10);
}

double scale_value(uint32_t bits, Dtype dtype) {
  if (dtype == Dtype::kF32) return std::bit_cast<float>(bits);
  if (dtype == Dtype::kBF16) return bf16_value(bits);
  if (dtype == Dtype::kF16) return half_value(bits);
  return std::ldexp(1, static_cast<int>(bits) - 127);  // e8m0
}

bool is_machete(LayoutId layout) {
  return layout == LayoutId::kMachete4 || layout == LayoutId::kMachete8;
}
bool is_marlin(LayoutId layout) {
  return layout == LayoutId::kMarlin || layout == LayoutId::kMarlinA0;
}

}  // namespace

EngineOracle::EngineOracle(const convert::Prepared& prepared, const plan::Operand& operand,
                           const plan::Form& form)
    : prepared_(prepared),
      model_(prepared.model),
      operand_(operand),
      form_(form),
      padded_n_(operand.n),
      padded_k_(operand.k) {
  const uint64_t group = one_scale_a_row() ? 1 : operand.group_size;
  if (is_marlin(form.layout)) {
    if (operand.role == Role::kExpertGateUp || operand.role == Role::kExpertGate ||
        operand.role == Role::kExpertUp) {
      const uint64_t parts = operand.role == Role::kExpertGateUp ? 2 : 1;
      part_rows_ = reference::marlin_padded_intermediate(operand.n / parts, operand.k, group);
      padded_n_ = parts * part_rows_;
    } else if (operand.role == Role::kExpertDown) {
      padded_k_ = reference::marlin_padded_intermediate(operand.k, operand.n, group);
    } else {
      std::tie(padded_n_, padded_k_) = reference::marlin_padded_nk(operand.n, operand.k, group);
    }
  }
  if (form.layout != LayoutId::kMarlin || operand.scheme != Scheme::kNvfp4) return;
  std::vector<uint8_t> all;
  for (uint64_t e = 0; e < operand.experts; ++e)
    for (size_t p = 0; p < operand.parts.size(); ++p)
      for (const uint32_t scale : part_plane(ComponentKind::kBlockScale, p, e).at)
        all.push_back(static_cast<uint8_t>(scale));
  factor_ = reference::marlin_factor(all);
}

uint32_t EngineOracle::width_of(ComponentKind kind) const {
  const model::Weight& weight = model_.weights[operand_.parts[0].weight];
  return model::coding_of(model_.source, weight, *weight.find(kind), 1).bits;
}

EngineOracle::Words EngineOracle::part_plane(ComponentKind kind, size_t part,
                                             uint64_t expert) const {
  const model::Weight& weight = model_.weights[operand_.parts[part].weight];
  const model::PlaneSet& set = *weight.find(kind);
  const quant::PlaneCoding coding = model::coding_of(model_.source, weight, set, weight.n);
  const bool stacked = weight.experts > 1 && set.tensors.size() == 1;
  std::vector<std::byte> source(quant::source_bytes(coding));
  if (!model::read_tensor(model_.source, set.tensors[stacked ? 0 : expert],
                          stacked ? expert * source.size() : 0, source)
           .ok())
    throw std::runtime_error("a plane cannot be read");
  std::vector<std::byte> bytes(quant::canonical_bytes(coding));
  if (!quant::to_canonical(coding, source, bytes).ok())
    throw std::runtime_error("a plane has no canonical form");
  Words words{coding.rows, coding.columns, {}};
  const uint64_t pitch = bytes.size() / coding.rows;
  for (uint64_t row = 0; row < coding.rows; ++row)
    for (uint64_t c = 0; c < coding.columns; ++c) {
      const uint64_t from = kind == ComponentKind::kCodes && !weight.k_gather.empty()
                                ? weight.k_gather[expert][c]
                                : c;
      uint32_t word = 0;
      if (coding.bits == 4)
        word = std::to_integer<uint32_t>(bytes[row * pitch + from / 2]) >> (4 * (from % 2)) & 15;
      else
        std::memcpy(&word, bytes.data() + row * pitch + from * coding.bits / 8, coding.bits / 8);
      words.at.push_back(word);
    }
  return words;
}

uint64_t EngineOracle::packed_row(size_t part, uint64_t row) const {
  if (part_rows_ == 0) return operand_.parts[part].n0 + row;
  const uint64_t half = operand_.n / (padded_n_ / part_rows_);
  const uint64_t of_operand = operand_.parts[part].n0 + row;
  return of_operand / half * part_rows_ + of_operand % half;
}

EngineOracle::Words EngineOracle::plane(ComponentKind kind, uint64_t expert,
                                        uint64_t columns) const {
  Words all{padded_n_, columns, std::vector<uint32_t>(padded_n_ * columns)};
  for (size_t p = 0; p < operand_.parts.size(); ++p) {
    const Words part = part_plane(kind, p, expert);
    for (uint64_t row = 0; row < part.rows; ++row)
      for (uint64_t c = 0; c < part.columns; ++c)
        all.at[packed_row(p, row) * columns + c] = part(row, c);
  }
  return all;
}

bool EngineOracle::one_scale_a_row() const {
  const bool any_group = operand_.scheme != Scheme::kNvfp4 && operand_.scheme != Scheme::kMxfp4;
  return any_group && (operand_.group_size == 0 || operand_.group_size >= operand_.k);
}

uint64_t EngineOracle::padded_groups() const {
  return one_scale_a_row() ? 1 : padded_k_ / operand_.group_size;
}

float EngineOracle::multiplier(size_t part, uint64_t expert) const {
  const model::Weight& weight = model_.weights[operand_.parts[part].weight];
  const model::Scalar& scalar = weight.multipliers.at(expert);
  const float value = std::bit_cast<float>(scalar.bits);
  return scalar.state == model::ScalarState::kDivisor ? 1.0f / value : value;
}

uint32_t EngineOracle::stored_scale(uint8_t e4m3, size_t part, uint64_t expert) const {
  if (form_.layout == LayoutId::kMarlin) return reference::marlin_scale_byte(e4m3, factor_);
  if (form_.layout == LayoutId::kMarlinA0) return reference::marlin_a0_scale_byte(e4m3);
  return reference::max_scale_bits(e4m3, multiplier(part, expert));
}

/// The smallest byte that gives the same is what comes back.
bool EngineOracle::is_lost(uint8_t e4m3, size_t part, uint64_t expert) const {
  const uint32_t stored = stored_scale(e4m3, part, expert);
  for (uint32_t other = 0; other < e4m3; ++other)
    if (other != 0x7F && stored_scale(static_cast<uint8_t>(other), part, expert) == stored)
      return true;
  return false;
}

EngineOracle::Words EngineOracle::nvfp4_scales(uint64_t expert) const {
  const uint64_t groups = padded_k_ / 16;
  Words all{padded_n_, groups, std::vector<uint32_t>(padded_n_ * groups)};
  for (size_t p = 0; p < operand_.parts.size(); ++p) {
    const Words part = part_plane(ComponentKind::kBlockScale, p, expert);
    for (uint64_t row = 0; row < part.rows; ++row)
      for (uint64_t c = 0; c < part.columns; ++c)
        all.at[packed_row(p, row) * groups + c] =
            stored_scale(static_cast<uint8_t>(part(row, c)), p, expert);
  }
  return all;
}

EngineOracle::Words EngineOracle::fp8_scales(uint64_t expert) const {
  const auto stored = [](double scale) {
    return bf16_of(std::ldexp(bf16_value(bf16_of(scale)), 120));
  };
  const uint64_t groups = padded_groups();
  Words all{padded_n_, groups, std::vector<uint32_t>(padded_n_ * groups)};
  for (size_t p = 0; p < operand_.parts.size(); ++p) {
    const model::Weight& weight = model_.weights[operand_.parts[p].weight];
    const auto* set = weight.find(ComponentKind::kBlockScale);
    const Words part =
        set == nullptr ? Words{1, 1, {0}} : part_plane(ComponentKind::kBlockScale, p, expert);
    for (uint64_t row = 0; row < weight.n; ++row)
      for (uint64_t c = 0; c < part.columns; ++c)
        all.at[packed_row(p, row) * groups + c] =
            stored(set == nullptr ? double{multiplier(p, expert)}
                                  : scale_value(part(row / weight.group_rows, c),
                                                model::first_tensor(model_.source, *set).dtype));
  }
  return all;
}

EngineOracle::Words EngineOracle::folded_zeros(uint64_t expert) const {
  const model::Weight& weight = model_.weights[operand_.parts[0].weight];
  const Dtype dtype =
      model::first_tensor(model_.source, *weight.find(ComponentKind::kBlockScale)).dtype;
  const Words scales = plane(ComponentKind::kBlockScale, expert, padded_groups());
  Words zeros = plane(ComponentKind::kZeroPoint, expert, padded_groups());
  for (size_t i = 0; i < zeros.at.size(); ++i) {
    const double folded = -(scale_value(scales.at[i], dtype) * zeros.at[i]);
    zeros.at[i] = dtype == Dtype::kF16 ? half_of(folded) : bf16_of(folded);
  }
  return zeros;
}

Buffer EngineOracle::blocks(uint64_t expert) const {
  const Words codes = plane(ComponentKind::kCodes, expert, padded_k_);
  if (form_.layout == LayoutId::kMachete4) return reference::machete4(codes);
  if (form_.layout == LayoutId::kMachete8) return reference::machete8(codes);
  if (is_marlin(form_.layout))
    return width_of(ComponentKind::kCodes) == 4 ? reference::marlin_w4a16(codes)
                                                : reference::marlin_w8a16(codes);
  Buffer both = reference::max_sm8x_codes(codes);
  const Buffer scales = reference::group_plane(Channels::kGroup, 16, nvfp4_scales(expert));
  both.insert(both.end(), scales.begin(), scales.end());
  return both;
}

Buffer EngineOracle::scales(uint64_t expert) const {
  const Channels floats = is_machete(form_.layout) ? Channels::kNatural
                          : one_scale_a_row()      ? Channels::kSingle
                                                   : Channels::kGroup;
  if (operand_.scheme == Scheme::kNvfp4)
    return reference::group_plane(Channels::kBytes, 8, nvfp4_scales(expert));
  if (operand_.scheme == Scheme::kFp8)
    return reference::group_plane(floats, 16, fp8_scales(expert));
  const Words plain = plane(ComponentKind::kBlockScale, expert, padded_groups());
  return operand_.scheme == Scheme::kMxfp4 ? reference::group_plane(Channels::kBytes, 8, plain)
                                           : reference::group_plane(floats, 16, plain);
}

Buffer EngineOracle::component(ComponentKind kind, uint64_t expert) const {
  if (kind == ComponentKind::kBlocks) return blocks(expert);
  if (kind == ComponentKind::kBlockScale) return scales(expert);
  if (kind == ComponentKind::kGroupMin)
    return reference::group_plane(Channels::kNatural, 16, folded_zeros(expert));
  if (kind == ComponentKind::kZeroPoint && is_marlin(form_.layout)) {
    const bool narrow = width_of(kind) == 4;
    return reference::group_plane(narrow ? Channels::kZero4 : Channels::kZero8, narrow ? 4 : 8,
                                  plane(kind, expert, padded_groups()));
  }
  if (kind == ComponentKind::kMultiplier && operand_.scheme == Scheme::kNvfp4) {
    const auto value = static_cast<float>(std::ldexp(double{multiplier(0, expert)}, 119) / factor_);
    Buffer bytes(4);
    std::memcpy(bytes.data(), &value, 4);
    return bytes;
  }
  return {};
}

std::vector<repack::LostGroup> EngineOracle::lost() const {
  std::vector<repack::LostGroup> groups;
  for (uint64_t e = 0; e < operand_.experts; ++e)
    for (size_t p = 0; p < operand_.parts.size(); ++p) {
      const Words scales = part_plane(ComponentKind::kBlockScale, p, e);
      const Words codes = part_plane(ComponentKind::kCodes, p, e);
      for (uint64_t row = 0; row < scales.rows; ++row)
        for (uint64_t g = 0; g < scales.columns; ++g) {
          const auto scale = static_cast<uint8_t>(scales(row, g));
          if (!is_lost(scale, p, e)) continue;
          const uint64_t of_operand = e * operand_.n + operand_.parts[p].n0 + row;
          repack::LostGroup group{of_operand * scales.columns + g, scale, {}};
          for (uint64_t i = 0; i < 8; ++i)
            group.codes[i] = static_cast<uint8_t>(codes(row, 16 * g + 2 * i) |
                                                  codes(row, 16 * g + 2 * i + 1) << 4);
          groups.push_back(group);
        }
    }
  return groups;
}

uint64_t EngineOracle::flushed() const {
  uint64_t count = 0;
  for (uint64_t e = 0; e < operand_.experts; ++e)
    for (size_t p = 0; p < operand_.parts.size(); ++p)
      for (const uint32_t word : part_plane(ComponentKind::kBlockScale, p, e).at) {
        const auto scale = static_cast<uint8_t>(word);
        if (form_.layout == LayoutId::kMarlinA0)
          count += scale >= 1 && scale <= 7;
        else if (form_.layout == LayoutId::kMarlin)
          count += scale != 0 && scale != 0x80 && stored_scale(scale, p, e) == 0;
        else
          count += is_lost(scale, p, e);
      }
  return count;
}

}  // namespace imp::testing

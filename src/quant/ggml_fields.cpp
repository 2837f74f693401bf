// Where the fields of blocks lie that are wider than a byte, and those that are scales: byte order
// and the check of scales.
#include <algorithm>
#include <cmath>
#include <string>

#include "src/quant/bf16.h"
#include "src/quant/ggml_codec.h"

namespace imp::quant {
namespace {

/// `count` numbers of `width` bytes in a row.
struct WideField {
  uint32_t at = 0;
  uint32_t width = 0;
  uint32_t count = 0;
  bool half_scale = false;  ///< a scale or min of its own, IEEE half
};

struct BlockFormat {
  GgmlType type;
  std::array<WideField, 2> wide{};
};

constexpr WideField halves(uint32_t at, uint32_t count = 1) { return {at, 2, count, true}; }
constexpr WideField words(uint32_t at, uint32_t width, uint32_t count) {
  return {at, width, count, false};
}

constexpr BlockFormat kFormats[] = {
    {GgmlType::kF32, {words(0, 4, 1)}},
    {GgmlType::kF16, {halves(0)}},
    {GgmlType::kBf16, {words(0, 2, 1)}},
    {GgmlType::kF64, {words(0, 8, 1)}},
    {GgmlType::kI16, {words(0, 2, 1)}},
    {GgmlType::kI32, {words(0, 4, 1)}},
    {GgmlType::kI64, {words(0, 8, 1)}},
    {GgmlType::kQ4_0, {halves(0)}},
    {GgmlType::kQ4_1, {halves(0, 2)}},
    {GgmlType::kQ5_0, {halves(0), words(2, 4, 1)}},
    {GgmlType::kQ5_1, {halves(0, 2), words(4, 4, 1)}},
    {GgmlType::kQ8_0, {halves(0)}},
    {GgmlType::kQ2_K, {halves(80, 2)}},
    {GgmlType::kQ3_K, {halves(108)}},
    {GgmlType::kQ4_K, {halves(0, 2)}},
    {GgmlType::kQ5_K, {halves(0, 2)}},
    {GgmlType::kQ6_K, {halves(208)}},
    {GgmlType::kIq2Xxs, {halves(0), words(2, 4, 16)}},
    {GgmlType::kIq2Xs, {halves(0), words(2, 2, 32)}},
    {GgmlType::kIq2S, {halves(0)}},
    {GgmlType::kIq3Xxs, {halves(0), words(66, 4, 8)}},
    {GgmlType::kIq3S, {halves(0)}},
    {GgmlType::kIq1S, {halves(0), words(34, 2, 8)}},
    {GgmlType::kIq1M, {words(48, 2, 4)}},
    {GgmlType::kIq4Nl, {halves(0)}},
    {GgmlType::kIq4Xs, {halves(0), words(2, 2, 1)}},
    {GgmlType::kTq1_0, {halves(52)}},
    {GgmlType::kTq2_0, {halves(64)}},
    {GgmlType::kQ1_0, {halves(0)}},
    {GgmlType::kQ2_0, {halves(0)}},
};

const BlockFormat* format_of(GgmlType type) {
  const auto* found = std::find_if(std::begin(kFormats), std::end(kFormats),
                                   [&](const BlockFormat& f) { return f.type == type; });
  return found == std::end(kFormats) ? nullptr : found;
}

bool half_is_finite(uint16_t bits) { return (bits & 0x7C00) != 0x7C00; }

/// Empty: the block's own scale bytes are good. Else what is wrong.
std::string wrong_bytes(GgmlType type, const uint8_t* block) {
  switch (type) {
    case GgmlType::kMxfp4:
      // Six times 2^126 is past the largest float.
      return *block >= 0xFD ? "an E8M0 scale of " + std::to_string(*block) + ", expected 0 to 252"
                            : "";
    case GgmlType::kNvfp4:
      for (uint32_t s = 0; s < 4; ++s)
        if (block[s] >= 0x7F)
          return "an E4M3 scale of " + std::to_string(block[s]) +
                 ", expected 0 to 126 (no sign, no NaN)";
      return "";
    case GgmlType::kIq1M:
      return half_is_finite(iq1m_scale(block)) ? "" : "an infinite or NaN scale";
    case GgmlType::kF32:
      return std::isfinite(load_le<float>(block)) ? "" : "an infinite or NaN value";
    case GgmlType::kF64:
      return std::isfinite(load_le<double>(block)) ? "" : "an infinite or NaN value";
    case GgmlType::kF16:
      return half_is_finite(load_le<uint16_t>(block)) ? "" : "an infinite or NaN value";
    case GgmlType::kBf16:
      return std::isfinite(bf16_to_float(load_le<uint16_t>(block))) ? ""
                                                                    : "an infinite or NaN value";
    default:
      return "";
  }
}

}  // namespace

void swap_block_fields(GgmlType type, MutableBytes blocks) {
  const BlockFormat* format = format_of(type);
  if (format == nullptr) return;
  const uint32_t block_bytes = ggml_type_info(type).block_bytes;
  for (const WideField& field : format->wide)
    for (uint64_t at = field.at; at < blocks.size(); at += block_bytes)
      for (uint32_t i = 0; i < field.count; ++i) {
        std::byte* number = blocks.data() + at + i * field.width;
        std::reverse(number, number + field.width);
      }
}

Status check_block_scales(GgmlType type, Bytes blocks) {
  const BlockFormat* format = format_of(type);
  const GgmlTypeInfo& info = ggml_type_info(type);
  const auto* at = reinterpret_cast<const uint8_t*>(blocks.data());
  for (uint64_t block = 0; block < blocks.size() / info.block_bytes; ++block) {
    std::string wrong = wrong_bytes(type, at);
    if (format != nullptr && info.block_elems > 1)
      for (const WideField& field : format->wide)
        for (uint32_t i = 0; field.half_scale && i < field.count; ++i)
          if (!half_is_finite(load_le<uint16_t>(at + field.at + 2 * i)))
            wrong = "an infinite or NaN scale";
    if (!wrong.empty())
      return Error{
          ErrorKind::kBadScale,
          (info.block_elems == 1 ? "element " : "block ") + std::to_string(block) + " has " + wrong,
          {},
          {}};
    at += info.block_bytes;
  }
  return {};
}

}  // namespace imp::quant

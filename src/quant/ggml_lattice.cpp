// IQ1, IQ2 and IQ3: 256 elements in 32 runs of eight. A run is one or two points of a lattice, with
// a sign for each coordinate (IQ2, IQ3) or one shift for all (IQ1). Products are exact in a float.
#include "src/quant/ggml_codec.h"
#include "src/quant/ggml_grids.h"

namespace imp::quant {
namespace {

constexpr uint32_t kRuns = 32;

/// Seven signs; the eighth makes the number of minus signs even.
constexpr uint8_t even_signs(uint32_t seven) {
  return static_cast<uint8_t>(seven | (std::popcount(seven) & 1) << 7);
}

/// Eight coordinates of 2 or 4 bits each, first lowest.
struct SignedRun {
  uint32_t coordinates;
  uint8_t signs;   ///< bit i: coordinate i is negative
  uint32_t scale;  ///< 4 bits
};

struct Iq2Xxs {
  static constexpr uint32_t kBytes = 66, kBits = 2;
  static constexpr float kUnit = 0.125f;
  static constexpr const auto& kCoordinates = kIq2Coordinates;
  static SignedRun run(const uint8_t* block, uint32_t r) {
    const uint8_t* part = block + 2 + 8 * (r / 4);
    const auto signs_and_scale = load_le<uint32_t>(part + 4);
    return {kIq2XxsGrid[part[r % 4]], even_signs(signs_and_scale >> (7 * (r % 4)) & 127),
            signs_and_scale >> 28};
  }
};

struct Iq2Xs {
  static constexpr uint32_t kBytes = 74, kBits = 2, kScalesAt = 66;
  static constexpr float kUnit = 0.125f;
  static constexpr const auto& kCoordinates = kIq2Coordinates;
  static SignedRun run(const uint8_t* block, uint32_t r) {
    const uint32_t word = load_le<uint16_t>(block + 2 + 2 * r);
    return {kIq2XsGrid[word & 511], even_signs(word >> 9),
            block[kScalesAt + r / 4] >> (4 * (r % 4 / 2)) & 0xFu};
  }
};

struct Iq2S {
  static constexpr uint32_t kBytes = 82, kBits = 2;
  static constexpr uint32_t kLowAt = 2, kSignsAt = 34, kHighAt = 66, kScalesAt = 74;
  static constexpr float kUnit = 0.125f;
  static constexpr const auto& kCoordinates = kIq2Coordinates;
  static SignedRun run(const uint8_t* block, uint32_t r) {
    const uint32_t high = block[kHighAt + r / 4] >> (2 * (r % 4)) & 3u;
    return {kIq2SGrid[block[kLowAt + r] | high << 8], block[kSignsAt + r],
            block[kScalesAt + r / 4] >> (4 * (r % 4 / 2)) & 0xFu};
  }
};

struct Iq3Xxs {
  static constexpr uint32_t kBytes = 98, kBits = 4, kSignsAt = 66;
  static constexpr float kUnit = 0.25f;
  static constexpr const auto& kCoordinates = kIq3XxsCoordinates;
  static SignedRun run(const uint8_t* block, uint32_t r) {
    const uint8_t* points = block + 2 + 2 * r;
    const auto signs_and_scale = load_le<uint32_t>(block + kSignsAt + 4 * (r / 4));
    return {kIq3XxsGrid[points[0]] | static_cast<uint32_t>(kIq3XxsGrid[points[1]]) << 16,
            even_signs(signs_and_scale >> (7 * (r % 4)) & 127), signs_and_scale >> 28};
  }
};

struct Iq3S {
  static constexpr uint32_t kBytes = 110, kBits = 4;
  static constexpr uint32_t kLowAt = 2, kHighAt = 66, kSignsAt = 74, kScalesAt = 106;
  static constexpr float kUnit = 1.0f;
  static constexpr const auto& kCoordinates = kIq3SCoordinates;
  static SignedRun run(const uint8_t* block, uint32_t r) {
    const uint32_t high = block[kHighAt + r / 4] >> (2 * (r % 4)) & 3u;
    const uint8_t* low = block + kLowAt + 2 * r;
    const uint32_t first = kIq3SGrid[low[0] | (high & 1) << 8];
    const uint32_t second = kIq3SGrid[low[1] | (high >> 1) << 8];
    return {first | second << 16, block[kSignsAt + r],
            block[kScalesAt + r / 8] >> (4 * (r / 4 % 2)) & 0xFu};
  }
};

template <class T>
void decode_signed(const uint8_t* blocks, uint64_t count, float* out) {
  for (uint64_t i = 0; i < count; ++i) {
    const uint8_t* block = blocks + i * T::kBytes;
    const float unit = load_half(block) * T::kUnit;
    for (uint32_t r = 0; r < kRuns; ++r) {
      const SignedRun run = T::run(block, r);
      const float scale = unit * static_cast<float>(2 * run.scale + 1);
      for (uint32_t e = 0; e < 8; ++e) {
        const uint32_t index = run.coordinates >> (T::kBits * e) & ((1u << T::kBits) - 1);
        const float value = scale * static_cast<float>(T::kCoordinates[index]);
        *out++ = (run.signs >> e & 1) != 0 ? -value : value;
      }
    }
  }
}

/// Eight coordinates of 2 bits, each less 1, all moved by an eighth up or down.
struct ShiftedRun {
  uint32_t coordinates;
  bool down;
  uint32_t scale;  ///< 3 bits
};

struct Iq1S {
  static constexpr uint32_t kBytes = 50, kLowAt = 2, kHighAt = 34;
  static float unit(const uint8_t* block) { return load_half(block); }
  static ShiftedRun run(const uint8_t* block, uint32_t r) {
    const uint32_t high = load_le<uint16_t>(block + kHighAt + 2 * (r / 4));
    const uint32_t index = block[kLowAt + r] | (high >> (3 * (r % 4)) & 7) << 8;
    return {kIq1Grid[index], high >> 15 != 0, high >> 12 & 7};
  }
};

struct Iq1M {
  static constexpr uint32_t kBytes = 56, kLowAt = 0, kHighAt = 32, kScalesAt = 48;
  static float unit(const uint8_t* block) { return f16_to_float(iq1m_scale(block)); }
  static ShiftedRun run(const uint8_t* block, uint32_t r) {
    const uint32_t high = block[kHighAt + r / 2] >> (4 * (r % 2)) & 0xFu;
    const uint32_t scales = load_le<uint16_t>(block + kScalesAt + 2 * (r / 8));
    return {kIq1Grid[block[kLowAt + r] | (high & 7) << 8], (high & 8) != 0,
            scales >> (3 * (r / 2 % 4)) & 7};
  }
};

template <class T>
void decode_shifted(const uint8_t* blocks, uint64_t count, float* out) {
  for (uint64_t i = 0; i < count; ++i) {
    const uint8_t* block = blocks + i * T::kBytes;
    const float unit = T::unit(block);
    for (uint32_t r = 0; r < kRuns; ++r) {
      const ShiftedRun run = T::run(block, r);
      const float scale = unit * static_cast<float>(2 * run.scale + 1);
      const float shift = run.down ? -1.125f : -0.875f;  // less 1, and the eighth
      for (uint32_t e = 0; e < 8; ++e)
        *out++ = scale * (static_cast<float>(run.coordinates >> (2 * e) & 3) + shift);
    }
  }
}

}  // namespace

uint16_t iq1m_scale(const uint8_t* block) {
  uint32_t bits = 0;
  for (uint32_t k = 0; k < 4; ++k)
    bits |= static_cast<uint32_t>(load_le<uint16_t>(block + Iq1M::kScalesAt + 2 * k) >> 12)
            << (4 * k);
  return static_cast<uint16_t>(bits);
}

BlockDecoder lattice_decoder(GgmlType type) {
  switch (type) {
    case GgmlType::kIq2Xxs:
      return decode_signed<Iq2Xxs>;
    case GgmlType::kIq2Xs:
      return decode_signed<Iq2Xs>;
    case GgmlType::kIq2S:
      return decode_signed<Iq2S>;
    case GgmlType::kIq3Xxs:
      return decode_signed<Iq3Xxs>;
    case GgmlType::kIq3S:
      return decode_signed<Iq3S>;
    case GgmlType::kIq1S:
      return decode_shifted<Iq1S>;
    case GgmlType::kIq1M:
      return decode_shifted<Iq1M>;
    default:
      return nullptr;
  }
}

}  // namespace imp::quant

#include "src/model/packed_words.h"

#include <optional>
#include <vector>

#include "src/base/checked.h"
#include "src/model/scalars.h"

namespace imp::model {
namespace {

bool straddles(uint32_t bits) { return 32 % bits != 0; }

bool fits(uint64_t k, uint64_t words, uint32_t bits, bool padded) {
  return words_of(k, bits, padded) == words;
}

/// Widths with which k codes fill `words` words.
std::vector<uint32_t> widths(uint64_t k, uint64_t words) {
  std::vector<uint32_t> list;
  for (uint32_t bits = 2; bits <= 8; ++bits)
    if (fits(k, words, bits, false) || fits(k, words, bits, true)) list.push_back(bits);
  return list;
}

Result<uint64_t> columns_of_shape(const Siblings& s) {
  IMP_ASSIGN(const auto shape, read_shape_pair(s.context.source, s.tensors[Suffix::kWeightShape]));
  const SourceTensor& codes = s.at(Suffix::kWeightPacked);
  if (shape && shape->first == codes.shape[0]) return shape->second;
  return s.error(
      Suffix::kWeightShape, ErrorKind::kShapeMismatch,
      (shape ? "says [" + std::to_string(shape->first) + ", " + std::to_string(shape->second) + "]"
             : shape_text(s.at(Suffix::kWeightShape)) + " holds no two sizes") +
          ", expected [" + std::to_string(codes.shape[0]) + ", K] beside " + shape_text(codes));
}

/// Whether odd widths are padded, where the widths of codes and zero points leave it open.
Result<bool> padded_by_version(const Siblings& s, uint32_t bits, uint64_t n) {
  if (s.has(Suffix::kWeightZeroPoint) && s.at(Suffix::kWeightZeroPoint).shape.rank == 2) {
    const uint64_t rows = s.at(Suffix::kWeightZeroPoint).shape[0];
    if (fits(n, rows, bits, false) != fits(n, rows, bits, true)) return fits(n, rows, bits, true);
  }
  if (s.context.config.padded_words) return *s.context.config.padded_words;
  return s.error(Suffix::kWeightPacked, ErrorKind::kUnsupportedScheme,
                 shape_text(s.at(Suffix::kWeightPacked)) + " of " + std::to_string(bits) +
                     "-bit codes is as wide densely packed as padded, and the configuration names "
                     "no version of compressed-tensors that tells which (padded before 0.17)");
}

}  // namespace

uint64_t words_of(uint64_t elems, uint32_t bits, bool padded) {
  constexpr uint64_t kWordBits = 32;
  if (padded) return div_up(elems, kWordBits / bits);
  return elems / kWordBits * bits + div_up(elems % kWordBits * bits, kWordBits);
}

Result<uint64_t> packed_columns(const Siblings& s, Suffix scale) {
  if (s.has(Suffix::kWeightShape)) return columns_of_shape(s);
  const uint64_t words = s.at(Suffix::kWeightPacked).shape[1];
  const uint32_t bits = s.expected.bits.value_or(0);
  const uint64_t group = s.expected.group_size.value_or(kWholeRow);
  const Shape& scales = s.at(scale).shape;
  if (group != kWholeRow && scales.rank == 2)
    if (const auto k = checked_mul(group, scales[1]); k && bits >= 2 && bits <= 8)
      if (fits(*k, words, bits, false) || fits(*k, words, bits, true)) return *k;
  if (bits >= 2 && bits <= 8 && !straddles(bits))
    if (const auto k = checked_mul(words, 32 / bits)) return *k;
  return s.missing(Suffix::kWeightPacked, "weight_shape",
                   "K cannot be told from the words and the configuration");
}

Result<WordPacking> packing_of(const Siblings& s, uint64_t n, uint64_t k) {
  const SourceTensor& codes = s.at(Suffix::kWeightPacked);
  const uint64_t words = codes.shape[1];
  const uint32_t said = s.expected.is_float.value_or(false) ? 0 : s.expected.bits.value_or(0);
  const std::vector<uint32_t> candidates = widths(k, words);
  WordPacking packing;
  packing.bits = 0;
  for (const uint32_t bits : candidates)
    if (bits == said) packing.bits = bits;
  if (packing.bits == 0) {
    if (candidates.size() != 1)
      return s.error(
          Suffix::kWeightPacked,
          candidates.empty() ? ErrorKind::kShapeMismatch : ErrorKind::kUnsupportedScheme,
          shape_text(codes) + " for K = " + std::to_string(k) +
              (candidates.empty() ? " fits no width of 2 to 8 bits" : " fits several widths") +
              "; the configuration says " + (said == 0 ? "none" : std::to_string(said) + " bits"));
    packing.bits = candidates[0];
    if (said != 0)
      packing.warning = "tensor '" + codes.name + "' has " + std::to_string(packing.bits) +
                        "-bit codes, " + s.context.config.file + " says " + std::to_string(said) +
                        " bits; the tensor decides";
  }
  if (!straddles(packing.bits)) return packing;
  const bool dense = fits(k, words, packing.bits, false);
  packing.padded = !dense;
  if (dense && fits(k, words, packing.bits, true)) {
    IMP_ASSIGN(packing.padded, padded_by_version(s, packing.bits, n));
  }
  return packing;
}

}  // namespace imp::model

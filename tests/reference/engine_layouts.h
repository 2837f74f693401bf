// Packed buffers of other engines' layouts, straight from the index formulas of their
// specification: one element at a time, W[n][k] to its place. Nothing here is fast or shared with
// the code under test. Matrices come padded (`padded`).
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "tests/reference/golden_inputs.h"
#include "tests/reference/layout_variants.h"
#include "tests/reference/layouts.h"

namespace imp::reference {

/// Zeros around a matrix.
WordMatrix padded(const WordMatrix& matrix, size_t rows, size_t columns);

/// Codes of 4 or 8 bits, padded [N, K].
Buffer marlin_w4a16(const WordMatrix& codes);
Buffer marlin_w8a16(const WordMatrix& codes);
Buffer max_sm8x_codes(const WordMatrix& codes);
Buffer machete4(const WordMatrix& codes);
Buffer machete8(const WordMatrix& codes);

/// Orders of planes of groups, padded [N, groups] to [groups, N]; elements of `bits` bits.
enum class Channels { kNatural, kGroup, kSingle, kBytes, kZero4, kZero8 };
Buffer group_plane(Channels channels, unsigned bits, const WordMatrix& elements);

/// Dialect A2 of Marlin's NVFP4 scales: the factor for the largest of all scales, and the byte.
double marlin_factor(const std::vector<uint8_t>& e4m3_scales);
uint8_t marlin_scale_byte(uint8_t e4m3, double factor);
/// Dialect A0: no factor, no flush.
uint8_t marlin_a0_scale_byte(uint8_t e4m3);
/// bf16 bits of scale * global.
uint16_t max_scale_bits(uint8_t e4m3, float global);

/// Marlin's padded N and K of a dense matrix: {N, K}.
std::pair<uint64_t, uint64_t> marlin_padded_nk(uint64_t n, uint64_t k, uint64_t group);
/// What an expert's intermediate size becomes.
uint64_t marlin_padded_intermediate(uint64_t intermediate, uint64_t hidden, uint64_t group);

}  // namespace imp::reference

// What the packed bytes of other engines' layouts mean, from the canonical planes by arithmetic of
// the judge's own: a scale is not always what the source has.
#pragma once

#include <vector>

#include "src/verify/slab.h"

namespace imp::verify {

/// Row of weights, as unscaled_row (reference.h), each rounded once to f32:
///
///   marlin      nvfp4: code * e4m3 scale, 0 under a flushed one; mxfp4: code * 2^(b - 127), 0
///   under
///               byte 0; integers: (u - zero) * scale; fp8: code * the bf16 scale
///   marlin_a0   the same, but the scales 1..7 of e4m3 are what a bf16 kernel decodes: its pattern
///               (b & 0x7F) << 4 of the stored byte, times 2^-7
///   max_sm8x    code * bf16(scale * global scale)
///   machete     (u - 8) * scale, (u - 128) * scale; with zero points u * scale + min
///
/// REQUIRES: canonical of invert() without exceptions, or with: what they restore has no part in it
/// but for flushed scales.
void engine_row(const FormView& view, const CanonicalSlab& canonical, uint64_t row,
                std::vector<float>& out);

/// bf16 bits of an e4m3 scale times a global scale, rounded to nearest even: max_sm8x.
uint16_t folded_scale(uint8_t e4m3, float global);
/// bf16 bits of a scale of fp8 as marlin has it: rounded, then times 2^120.
uint16_t fp8_scale(double scale);
/// The fp16 pattern of an e4m3 scale times 2^(7 + log2), without its lower 7 bits: S0E5M3.
uint8_t s0e5m3(uint8_t e4m3, uint32_t log2);

}  // namespace imp::verify

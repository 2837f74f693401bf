// Values of GGUF's block types, one element at a time, from the formulas of the format (element e
// of a block is so many bits at such a place). Slow and of no use but to compare with.
#pragma once

#include <cstdint>
#include <functional>

namespace imp::reference {

/// Coordinate `i` of point `index` of the lattice of a type (ids below).
using LatticePoint = std::function<int(uint32_t type_id, uint32_t index, uint32_t i)>;

/// Exact value of element `e` of the block; -0 where ggml has it. Type ids are GGUF's: 2 Q4_0, 3
/// Q4_1, 6 Q5_0, 7 Q5_1, 8 Q8_0, 10..14 Q2_K..Q6_K, 16 IQ2_XXS, 17 IQ2_XS, 18 IQ3_XXS, 19 IQ1_S, 20
/// IQ4_NL, 21 IQ3_S, 22 IQ2_S, 23 IQ4_XS, 29 IQ1_M, 34 TQ1_0, 35 TQ2_0, 39 MXFP4, 40 NVFP4, 41
/// Q1_0, 42 Q2_0. REQUIRES: finite half scales, E8M0 below 253, E4M3 below 127.
double ggml_value(uint32_t type_id, const uint8_t* block, uint32_t e, const LatticePoint& point);

}  // namespace imp::reference

// Numbers of FormRecord::targets. Bits are never reused (SPEC.md, registry "targets").
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "formats/imp/ondisk.h"

namespace imp::artifact {

struct TargetInfo {
  uint32_t sm;           ///< compute capability x 10: 89 for sm_89
  uint32_t bit;          ///< of FormRecord::targets
  const char* examples;  ///< cards, for --list-targets
};

inline constexpr TargetInfo kTargets[] = {
    {75, 0, "T4, RTX 20xx"},
    {80, 1, "A100, A30"},
    {86, 2, "A10, A40, RTX 30xx"},
    {87, 3, "Jetson Orin"},
    {88, 4, "Jetson (sm_88)"},
    {89, 5, "L4, L40S, RTX 40xx"},
    {90, 6, "H100, H200, GH200"},
    {100, 7, "B200, GB200"},
    {103, 8, "B300, GB300"},
    {110, 9, "Jetson Thor"},
    {120, 10, "RTX 50xx, RTX PRO 6000 Blackwell"},
    {121, 11, "DGX Spark (GB10)"},
};

/// Bit set of one SM, or nullopt for an SM that has no bit.
std::optional<uint64_t> target_mask(uint32_t sm);
/// "sm_89" to 89 (also "89", "8.9"); an architecture suffix (sm_90a, sm_120f) names the same
/// target. nullopt for anything else.
std::optional<uint32_t> parse_target(std::string_view text);
/// SMs in the set, ascending; kTargetAny is not one of them.
std::vector<uint32_t> targets_in(uint64_t mask);
/// "sm_80 sm_86", or "any".
std::string targets_to_string(uint64_t mask);

}  // namespace imp::artifact

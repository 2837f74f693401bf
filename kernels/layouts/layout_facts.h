// What people want to know of a layout before they ask for it: imp-convert --list-layouts and the
// README's table print this. Facts about other engines are as read from their sources
// (kernel-layouts 2, 4, 5.1, 16), not from runs with them.
#pragma once

#include <array>
#include <cstdint>

#include "kernels/layouts/registry.h"

namespace imp::layouts {

struct LayoutFacts {
  LayoutId id;
  const char* engine;  ///< who reads it, and which of its versions
  const char* needs;   ///< of a weight, beside a scheme that it has a version for
  const char* pads;
  const char* fusion;
  const char* exceptions;  ///< what goes there; "" where nothing is lost
  const char* differs;     ///< numbers that a kernel does not read as the source has them; or ""
};

inline constexpr std::array<LayoutFacts, 8> kFacts = {{
    {LayoutId::kPlain, "whoever takes the source's planes", "nothing", "nothing",
     "rows of the parts follow each other", "", ""},
    {LayoutId::kMma64, "this project's kernels",
     "integers and fp8: groups that are multiples of 32 or a scale a row, or a grid of multiples "
     "of "
     "64 x 64",
     "N and K to 64", "parts of a multiple of 64 rows",
     "groups under a zero scale whose bits are not all zero", ""},
    {LayoutId::kNative,
     "this project's kernels; scales as cuBLAS, cuDNN and CUTLASS take them (128x4 tiles)",
     "groups that divide K", "rows to 16 bytes, scales to 128 x 4",
     "parts of a multiple of 128 rows", "", ""},
    {LayoutId::kMarlin,
     "Marlin kernels with 16-bit activations: vLLM (nvfp4 since pull request 37502), SGLang (since "
     "05c279f2), FlashInfer's SM12x MoE; codes and 16-bit scales alike since 2024-01",
     "int4, int8: F16 or BF16 scales of groups of 32, 64, 128 or of rows; fp8: scales of a tensor, "
     "rows or 128 x 128; experts: a hidden size that is a multiple of 64",
     "(N to 64, K to 128) or (N to 128, K to 64), the smaller, and K to whole groups; experts: the "
     "intermediate size alone, gate and up each for itself",
     "parts of a multiple of 64 rows; nvfp4 parts with equal multipliers; experts' gate and up in "
     "one operand or not in this layout",
     "nvfp4: groups whose scale is flushed or -0",
     "nvfp4: scales below 2^-6 over the largest power of two that fits read as 0; fp8: scales are "
     "rounded to bf16, the source's are kept beside them"},
    {LayoutId::kMarlinA0, "SGLang's hybrid relayout of nvfp4 (dialect A0')",
     "experts: a hidden size that is a multiple of 64", "as marlin", "as marlin",
     "groups whose scale is -0", "a bf16 kernel reads subnormal scales as about 2^-112"},
    {LayoutId::kMaxSm8x, "Modular MAX, draft pull request 6708 (MAX_NVFP4_SKELETON_GEMM)",
     "N a multiple of 64, K of 128", "nothing", "parts of a multiple of 64 rows",
     "groups whose rounded scale does not give the source's back",
     "scale times multiplier is rounded to bf16"},
    {LayoutId::kMachete4, "vLLM's Machete kernels (machete_mm)",
     "N a multiple of 128, K of 64; F16 or BF16 scales of groups of 64, 128 or of rows", "nothing",
     "parts of a multiple of 128 rows", "",
     "zero points are folded into rounded group mins, the source's are kept beside them"},
    {LayoutId::kMachete8, "vLLM's Machete kernels (machete_mm)",
     "N a multiple of 128, K of 64; F16 or BF16 scales of groups of 64, 128 or of rows", "nothing",
     "parts of a multiple of 128 rows", "",
     "zero points are folded into rounded group mins, the source's are kept beside them"},
}};

/// REQUIRES: `id` is in the registry.
constexpr const LayoutFacts& facts_of(LayoutId id) {
  for (const LayoutFacts& facts : kFacts)
    if (facts.id == id) return facts;
  return kFacts[0];
}

constexpr bool every_layout_has_facts() {
  for (const LayoutInfo& layout : kLayouts)
    if (facts_of(layout.id).id != layout.id) return false;
  return kFacts.size() == kLayouts.size();
}
static_assert(every_layout_has_facts());

/// Bits of a weight without padding: s of a 16-bit or f32 scale, z of a zero point, over a group.
constexpr const char* bits_per_weight(LayoutId layout, uint16_t scheme) {
  switch (scheme) {
    case 16:
      return layout == LayoutId::kMaxSm8x ? "5" : "4.5";
    case 17:
      return "4.5";
    case 18:
      return "4.25";
    case 19:
      return "8.25";
    case 20:
      return "8 + s/group";
    case 36:
      return "4 + (s + z)/group";
    case 40:
      return "8 + (s + z)/group";
    case 48:
      return "4 + 32/group";
    case 49:
      return "8 + 32/group";
    case 50:
      return "4 + 16/group";
    case 52:
    case 56:
      return "4 + 8/group + 1/16";
    case 53:
      return "8 + 8/group + 1/16";
    case 54:
      return "4 + 16/group + 1/8";
    case 55:
      return "8 + 16/group + 1/8";
    default:
      return "the source's";
  }
}

}  // namespace imp::layouts

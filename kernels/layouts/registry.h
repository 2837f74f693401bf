// Every layout that an .imp file can hold: numbers (frozen, stored in form records), the facts that
// planning needs, and the versions of the bytes, one for each scheme that a layout holds. The bytes
// are in the header named after the layout; README.md explains them.
#pragma once

#include <array>
#include <cstdint>

namespace imp::layouts {

/// FormRecord::layout. Never reused.
enum class LayoutId : uint16_t {
  kPlain = 1,
  kMma64 = 2,
  kNative = 3,
  // Of other engines (kernel-layouts sections 2, 4, 5.1); README.md says whose and since when.
  kMarlin = 4,
  kMarlinA0 = 5,
  kMaxSm8x = 6,
  kMachete4 = 7,
  kMachete8 = 8,
};

/// How several source modules that share their input become one operand.
enum class Fusion : uint8_t {
  kConcatenate,  ///< rows of the next part follow; each part but the last must be a multiple of
                 ///< fuse_unit_n rows
  kNever,
};

struct LayoutInfo {
  LayoutId id;
  const char* name;
  std::array<uint16_t, 12> default_sms;  ///< chosen by default on these; 0 ends the list
  std::array<uint16_t, 12>
      by_name_sms;   ///< served too, when asked for by --layout; 0 ends the list
  bool any_sm;       ///< serves every GPU
  uint32_t pad_n;    ///< N is padded to this many rows
  uint32_t pad_k;    ///< K is padded to this many columns
  uint32_t slice_n;  ///< a tensor-parallel slice of the packed bytes starts at a multiple of this
  uint32_t slice_k;
  Fusion fusion;
  uint32_t fuse_unit_n;
  const char* summary;  ///< one line for --list-layouts
};

inline constexpr std::array<LayoutInfo, 8> kLayouts = {{
    {LayoutId::kPlain,
     "plain",
     {},
     {},
     true,
     1,
     1,
     1,
     1,
     Fusion::kConcatenate,
     1,
     "the source's planes as they are: embeddings, routers, norms, 16-bit weights, and whatever no "
     "other layout holds"},
    {LayoutId::kMma64,
     "mma64",
     {80, 86, 87, 88, 89, 90},
     {100, 103, 110, 120, 121},
     false,
     64,
     64,
     64,
     64,
     Fusion::kConcatenate,
     64,
     "64x64 blocks of codes, of 4-bit floats with their scales, in mma.sync fragment order for "
     "16-bit activations"},
    {LayoutId::kNative,
     "native",
     {100, 103, 110, 120, 121},
     {},
     false,
     1,
     32,
     128,
     64,
     Fusion::kConcatenate,
     128,
     "row-major codes with a pitch of 16 bytes and sf128x4 scales, as tcgen05 and block-scaled "
     "mma.sync take them"},
    // What marlin pads to depends on the shape (padded_shape.h).
    {LayoutId::kMarlin,
     "marlin",
     {},
     {80, 86, 87, 88, 89, 90, 100, 103, 110, 120, 121},
     false,
     64,
     64,
     64,
     64,
     Fusion::kConcatenate,
     64,
     "Marlin's 16 x 64 tiles for 16-bit activations, scales in its order; NVFP4 scales rescaled "
     "and "
     "flushed as vLLM and SGLang do now (dialect A2)"},
    {LayoutId::kMarlinA0,
     "marlin_a0",
     {},
     {80, 86, 87, 88, 89, 90, 100, 103, 110, 120, 121},
     false,
     64,
     64,
     64,
     64,
     Fusion::kConcatenate,
     64,
     "marlin with NVFP4 scales as SGLang's hybrid relayout has them (dialect A0'): nothing is "
     "lost"},
    {LayoutId::kMaxSm8x,
     "max_sm8x",
     {},
     {80, 86, 87, 88, 89},
     false,
     64,
     128,
     64,
     128,
     Fusion::kConcatenate,
     64,
     "Modular MAX's combined buffer: Marlin's tiles in another order, then bf16 scales with the "
     "global scale folded in"},
    {LayoutId::kMachete4,
     "machete4",
     {},
     {90},
     false,
     128,
     64,
     128,
     64,
     Fusion::kConcatenate,
     128,
     "Machete's 64 x 128 blocks of 4-bit integers for wgmma, scales [groups, N]"},
    {LayoutId::kMachete8,
     "machete8",
     {},
     {90},
     false,
     128,
     64,
     128,
     64,
     Fusion::kConcatenate,
     128,
     "Machete's 64 x 128 blocks of 8-bit integers for wgmma, scales [groups, N]"},
}};

/// nullptr for a number that is no layout of this version.
constexpr const LayoutInfo* find_layout(uint16_t id) {
  for (const LayoutInfo& layout : kLayouts)
    if (static_cast<uint16_t>(layout.id) == id) return &layout;
  return nullptr;
}

/// LayoutVariant::scheme of a layout whose bytes do not depend on the scheme.
inline constexpr uint16_t kEveryScheme = 0;

/// The bytes of a layout for one scheme. Versions belong to the pair: a new scheme in an old layout
/// starts at 0, whatever its neighbours have reached.
struct LayoutVariant {
  LayoutId layout;
  uint16_t scheme;  ///< OperandRecord::scheme (src/model/schemes.h), or kEveryScheme
  const char* scheme_name;
  uint16_t major;  ///< FormRecord::major of what is written; 0: not frozen, may change any release
  uint16_t oldest_major;  ///< forms from this major to `major` hold the same bytes
  bool exceptions;        ///< bits that it cannot hold go to the exceptions component

  constexpr bool reads(uint16_t form_major) const {
    return oldest_major <= form_major && form_major <= major;
  }
};

/// A major is never lowered, and the bytes of one above 0 never change.
inline constexpr std::array<LayoutVariant, 27> kVariants = {{
    {LayoutId::kPlain, kEveryScheme, "every scheme", 1, 1, false},
    // Frozen in the order that was 0: measured kernels wanted no other (README.md).
    {LayoutId::kMma64, 16, "nvfp4", 1, 0, true},
    {LayoutId::kMma64, 17, "nvfp4_g32", 0, 0, true},
    {LayoutId::kMma64, 18, "mxfp4", 0, 0, false},
    {LayoutId::kMma64, 20, "fp8", 0, 0, false},
    {LayoutId::kMma64, 36, "int4", 0, 0, false},
    {LayoutId::kMma64, 40, "int8", 0, 0, false},
    {LayoutId::kMma64, 48, "uint4_min", 0, 0, false},
    {LayoutId::kMma64, 49, "uint8_min", 0, 0, false},
    {LayoutId::kMma64, 50, "lut4", 0, 0, false},
    {LayoutId::kMma64, 52, "int4_k", 0, 0, false},
    {LayoutId::kMma64, 53, "int8_k", 0, 0, false},
    {LayoutId::kMma64, 54, "uint4_min_k", 0, 0, false},
    {LayoutId::kMma64, 55, "uint8_min_k", 0, 0, false},
    {LayoutId::kMma64, 56, "lut4_k", 0, 0, false},
    {LayoutId::kNative, 16, "nvfp4", 1, 1, false},
    {LayoutId::kNative, 18, "mxfp4", 0, 0, false},
    {LayoutId::kNative, 19, "mxfp8", 0, 0, false},
    {LayoutId::kMarlin, 16, "nvfp4", 0, 0, true},
    {LayoutId::kMarlin, 18, "mxfp4", 0, 0, false},
    {LayoutId::kMarlin, 20, "fp8", 0, 0, false},
    {LayoutId::kMarlin, 36, "int4", 0, 0, false},
    {LayoutId::kMarlin, 40, "int8", 0, 0, false},
    {LayoutId::kMarlinA0, 16, "nvfp4", 0, 0, true},
    {LayoutId::kMaxSm8x, 16, "nvfp4", 0, 0, true},
    {LayoutId::kMachete4, 36, "int4", 0, 0, false},
    {LayoutId::kMachete8, 40, "int8", 0, 0, false},
}};

/// nullptr if this version's layout does not hold the scheme.
constexpr const LayoutVariant* find_variant(LayoutId layout, uint16_t scheme) {
  for (const LayoutVariant& variant : kVariants)
    if (variant.layout == layout && (variant.scheme == scheme || variant.scheme == kEveryScheme))
      return &variant;
  return nullptr;
}

}  // namespace imp::layouts

// Every layout that an .imp file can hold: numbers (frozen, stored in form records), versions and
// the facts that planning needs. The bytes are in the header named after the layout; README.md
// explains them.
#pragma once

#include <array>
#include <cstdint>

namespace imp::layouts {

/// FormRecord::layout. Never reused.
enum class LayoutId : uint16_t {
  kPlain = 1,
  kMma64 = 2,
  kNative = 3,
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
  uint16_t major;  ///< 0: not frozen yet, bytes may change with the next release
  std::array<uint16_t, 8> default_sms;  ///< chosen by default on these; 0 ends the list
  std::array<uint16_t, 8> by_name_sms;  ///< served too, when asked for by --layout; 0 ends the list
  bool any_sm;                          ///< serves every GPU
  uint32_t pad_n;                       ///< N is padded to this many rows
  uint32_t pad_k;                       ///< K is padded to this many columns
  uint32_t slice_n;  ///< a tensor-parallel slice of the packed bytes starts at a multiple of this
  uint32_t slice_k;
  Fusion fusion;
  uint32_t fuse_unit_n;
  bool lossless;        ///< false: bits it cannot hold go to the exceptions component
  const char* schemes;  ///< for people
  const char* summary;  ///< one line for --list-layouts
};

inline constexpr std::array<LayoutInfo, 3> kLayouts = {{
    {LayoutId::kPlain,
     "plain",
     1,
     {},
     {},
     true,
     1,
     1,
     1,
     1,
     Fusion::kConcatenate,
     1,
     true,
     "every scheme",
     "the source's planes as they are: embeddings, routers, norms, 16-bit weights, and whatever no "
     "other layout holds"},
    {LayoutId::kMma64,
     "mma64",
     0,
     {80, 86, 87, 88, 89, 90},
     {100, 103, 110, 120, 121},
     false,
     64,
     64,
     64,
     64,
     Fusion::kConcatenate,
     64,
     false,
     "nvfp4",
     "64x64 blocks of codes and scales in mma.sync fragment order, 16-bit activations, one stream "
     "per CTA"},
    {LayoutId::kNative,
     "native",
     1,
     {100, 103, 110, 120, 121},
     {},
     false,
     1,
     32,
     128,
     64,
     Fusion::kConcatenate,
     128,
     true,
     "nvfp4",
     "row-major codes with a pitch of 16 bytes and sf128x4 scales, as tcgen05 and block-scaled "
     "mma.sync take them"},
}};

/// nullptr for a number that is no layout of this version.
constexpr const LayoutInfo* find_layout(uint16_t id) {
  for (const LayoutInfo& layout : kLayouts)
    if (static_cast<uint16_t>(layout.id) == id) return &layout;
  return nullptr;
}

}  // namespace imp::layouts

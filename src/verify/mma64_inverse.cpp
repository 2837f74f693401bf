#include "src/verify/mma64_inverse.h"

#include <algorithm>
#include <string>

#include "kernels/layouts/mma64_bytes.h"
#include "kernels/layouts/mma64_int4.h"
#include "kernels/layouts/mma64_mxfp4.h"
#include "kernels/layouts/mma64_nvfp4.h"
#include "kernels/layouts/mma64_plane.h"
#include "src/base/checked.h"
#include "src/base/little_endian.h"
#include "src/verify/exceptions.h"

namespace imp::verify {
namespace {

using artifact::ComponentKind;
using model::Scheme;

namespace mma64 = layouts::mma64_nvfp4;
namespace mxfp4 = layouts::mma64_mxfp4;
namespace int4 = layouts::mma64_int4;
namespace bytes8 = layouts::mma64_bytes;
namespace lanes = layouts::mma64_plane;

/// One 64x64 block of a slab.
struct Block {
  const std::byte* at;
  uint64_t row0;  ///< in the slab
  uint64_t k0;
};

/// Puts elements of blocks into canonical rows; what lies outside the matrix must be zero.
class BlockInverse {
 public:
  BlockInverse(const FormView& view, const StoredSlab& slab, CanonicalSlab& out)
      : view_(view), slab_(slab), out_(out), k_(view.operand.k) {
    pitch_ = model::code_bits(view.scheme()) == 4 ? div_up(k_, 2) : k_;
    // Blocks of two levels have a scale per 16 whatever the source's groups are.
    scale_columns_ = model::has_two_levels(view.scheme()) ? k_ / mma64::kGroup : view.groups();
    out_.codes.resize(slab.rows * pitch_);
    if (view.has_scales_in_blocks()) out_.scales.resize(slab.rows * scale_columns_);
  }

  Status run() {
    const uint64_t k_tiles = div_up(k_, mma64::kTileK), bytes = mma64_block_bytes(view_.scheme());
    for (uint64_t tile = 0; tile < div_up(slab_.rows, mma64::kTileN); ++tile)
      for (uint64_t kt = 0; kt < k_tiles; ++kt) {
        const Block block{slab_.codes.data() + (tile * k_tiles + kt) * bytes, tile * mma64::kTileN,
                          kt * mma64::kTileK};
        if (!invert(block)) return inverse_error(view_, "padding is not zero", slab_, block.row0);
      }
    return {};
  }

 private:
  /// False for padding that is not zero.
  bool invert(const Block& b) {
    if (model::code_bits(view_.scheme()) == 8) return bytes_of(b);
    if (!words_of(b)) return false;
    if (model::has_two_levels(view_.scheme())) return e4m3_scales_of(b);
    return view_.scheme() != Scheme::kMxfp4 || e8m0_scales_of(b);
  }

  bool words_of(const Block& b) {
    const bool floats = model::has_two_levels(view_.scheme()) || view_.scheme() == Scheme::kMxfp4;
    for (uint32_t word = 0; word < mma64::kWords; ++word) {
      const mma64::WordSource src = mma64::src_of_word(word);
      const auto stored = load_le<uint32_t>(b.at + 4 * word);
      const auto codes =
          floats ? mma64::decode_word(stored) : static_cast<uint32_t>(int4::decode_words(stored));
      const uint64_t row = b.row0 + src.n, column = b.k0 + 8 * src.k8;
      if (row < slab_.rows && column + 8 <= k_) {
        store_le(out_.codes.data() + row * pitch_ + column / 2, codes);
        continue;
      }
      for (uint32_t e = 0; e < 8; ++e)
        if (!put_nibble(row, column + e, codes >> (4 * e) & 0xF)) return false;
    }
    return true;
  }

  bool put_nibble(uint64_t row, uint64_t column, uint32_t code) {
    if (row >= slab_.rows || column >= k_) return code == 0;
    out_.codes[row * pitch_ + column / 2] |= static_cast<std::byte>(code << (4 * (column % 2)));
    return true;
  }

  bool bytes_of(const Block& b) {
    constexpr uint32_t kRun = 16;  // consecutive columns of a row
    for (uint32_t byte = 0; byte < bytes8::kBlockBytes; byte += kRun) {
      const bytes8::Source src = bytes8::src_of_byte(byte);
      const uint64_t row = b.row0 + src.n, column = b.k0 + src.k;
      const uint64_t inside =
          row < slab_.rows && column < k_ ? std::min<uint64_t>(kRun, k_ - column) : 0;
      const std::byte* run = b.at + byte;
      if (inside > 0) std::copy_n(run, inside, out_.codes.data() + row * pitch_ + column);
      if (std::any_of(run + inside, run + kRun, [](std::byte x) { return x != std::byte{0}; }))
        return false;
    }
    return true;
  }

  bool put_scale(uint64_t row, uint64_t group, std::byte scale, std::byte stored) {
    if (row >= slab_.rows || group >= scale_columns_) return stored == std::byte{0};
    out_.scales[row * scale_columns_ + group] = scale;
    return true;
  }

  bool e4m3_scales_of(const Block& b) {
    for (uint32_t byte = mma64::kCodeBytes; byte < mma64::kBlockBytes; ++byte) {
      const mma64::ScaleSource src = mma64::src_of_scale_byte(byte);
      const std::byte stored = b.at[byte];
      const auto scale = static_cast<std::byte>(mma64::decode_scale(static_cast<uint8_t>(stored)));
      if (!put_scale(b.row0 + src.n, b.k0 / mma64::kGroup + src.c, scale, stored)) return false;
    }
    return true;
  }

  bool e8m0_scales_of(const Block& b) {
    for (uint32_t byte = mxfp4::kCodeBytes; byte < mxfp4::kBlockBytes; ++byte) {
      const mxfp4::ScaleSource src = mxfp4::src_of_scale_byte(byte);
      if (!put_scale(b.row0 + src.n, b.k0 / mxfp4::kGroup + src.h, b.at[byte], b.at[byte]))
        return false;
    }
    return true;
  }

  const FormView& view_;
  const StoredSlab& slab_;
  CanonicalSlab& out_;
  const uint64_t k_;
  uint64_t pitch_ = 0;
  uint64_t scale_columns_ = 0;
};

/// What the zero-group rule of mma64 promises of blocks of two levels.
Status check_groups(const FormView& view, const StoredSlab& slab, const CanonicalSlab& canonical) {
  const uint64_t groups = view.operand.k / mma64::kGroup;
  for (uint64_t i = 0; i < canonical.scales.size(); ++i) {
    const auto scale = static_cast<uint8_t>(canonical.scales[i]);
    if (scale == 0xFF)
      return inverse_error(view, "a stored scale byte encodes no e4m3 scale", slab, i / groups);
    if (scale == 0 && load_le<uint64_t>(canonical.codes.data() + i * 8) != 0)
      return inverse_error(view, "codes under a zero scale", slab, i / groups);
  }
  return {};
}

/// Scales of groups of 32 stand twice in blocks with a scale per 16.
Status join_pairs(const FormView& view, const StoredSlab& slab, CanonicalSlab& canonical) {
  for (uint64_t i = 0; i < canonical.scales.size() / 2; ++i) {
    if (canonical.scales[2 * i] != canonical.scales[2 * i + 1])
      return inverse_error(
          view, "the two scales of group " + std::to_string(i % view.groups()) + " differ", slab,
          i / view.groups());
    canonical.scales[i] = canonical.scales[2 * i];
  }
  canonical.scales.resize(canonical.scales.size() / 2);
  return {};
}

/// A plane in lane order. Zero points of 4 bits are stored a byte each.
Status invert_lanes(const FormView& view, const StoredSlab& slab, ComponentKind plane,
                    std::vector<std::byte>& out) {
  const Bytes stored = slab.of(plane);
  const uint64_t groups = view.groups(plane);
  const uint64_t bytes = stored.size() / (round_up(slab.rows, lanes::kTileN) * groups);
  const bool nibbles = plane == ComponentKind::kZeroPoint && model::code_bits(view.scheme()) == 4;
  const uint64_t pitch = nibbles ? div_up(groups, 2) : groups * bytes;
  out.assign(slab.rows * pitch, std::byte{0});
  for (uint64_t element = 0; element < stored.size() / bytes; ++element) {
    const uint64_t tile = element / lanes::kTileN;
    const uint64_t row = tile / groups * lanes::kTileN +
                         lanes::src_of_element(static_cast<uint32_t>(element % lanes::kTileN));
    const uint64_t group = tile % groups;
    const Bytes value = stored.subspan(element * bytes, bytes);
    const bool too_wide = nibbles && value[0] > std::byte{0xF};
    const bool outside = row >= slab.rows;
    if (too_wide || (outside && std::any_of(value.begin(), value.end(),
                                            [](std::byte b) { return b != std::byte{0}; })))
      return inverse_error(
          view,
          too_wide ? "a zero point has more than 4 bits" : "padding of the scales is not zero",
          slab, row);
    if (outside) continue;
    if (nibbles)
      out[row * pitch + group / 2] |= value[0] << (4 * (group % 2));
    else
      std::copy(value.begin(), value.end(),
                out.begin() + static_cast<std::ptrdiff_t>(row * pitch + group * bytes));
  }
  return {};
}

}  // namespace

Error inverse_error(const FormView& view, const std::string& what, const StoredSlab& slab,
                    uint64_t row) {
  return Error{ErrorKind::kInverseMismatch,
               what + " at row " + std::to_string(slab.row0 + row) +
                   (view.operand.experts > 1 ? " of expert " + std::to_string(slab.expert) : "") +
                   " in layout " + layouts::find_layout(view.form.layout)->name,
               view.reader.path(), view.name()};
}

Result<CanonicalSlab> invert_mma64(const FormView& view, const StoredSlab& slab,
                                   ExceptionCursor* exceptions) {
  CanonicalSlab out;
  IMP_TRY(BlockInverse(view, slab, out).run());
  if (model::has_two_levels(view.scheme())) {
    IMP_TRY(check_groups(view, slab, out));
    if (exceptions != nullptr)
      IMP_TRY(
          exceptions->apply(slab, out, [&out](uint64_t at, uint8_t scale, uint64_t) -> const char* {
            if (out.scales[at] != std::byte{0}) return "has a scale that is not zero";
            return (scale & 0x7F) == 0 ? nullptr : "has a record whose scale is not zero";
          }));
    if (view.scheme() == Scheme::kNvfp4G32) IMP_TRY(join_pairs(view, slab, out));
  }
  for (const ComponentKind plane : kGroupPlanes) {
    if (slab.of(plane).empty()) continue;
    if (view.is_packed(plane))
      IMP_TRY(invert_lanes(view, slab, plane, out.of(plane)));
    else
      out.of(plane) = slab.of(plane);
  }
  return out;
}

}  // namespace imp::verify

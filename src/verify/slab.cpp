#include "src/verify/slab.h"

#include <algorithm>
#include <string>

#include "kernels/layouts/mma64_nvfp4.h"
#include "kernels/layouts/native_rows.h"
#include "kernels/layouts/registry.h"
#include "kernels/layouts/sf128x4.h"
#include "src/base/checked.h"
#include "src/base/little_endian.h"

namespace imp::verify {
namespace {

using artifact::ComponentKind;
using artifact::ComponentRecord;
using layouts::LayoutId;
using model::Scheme;

namespace mma64 = layouts::mma64_nvfp4;
namespace rows16 = layouts::native_rows;
namespace sf = layouts::sf128x4;

LayoutId layout_of(const FormView& view) { return static_cast<LayoutId>(view.form.layout); }

Error inverse_error(const FormView& view, const std::string& what, uint64_t expert, uint64_t row) {
  return Error{ErrorKind::kInverseMismatch,
               what + " at row " + std::to_string(row) +
                   (view.operand.experts > 1 ? " of expert " + std::to_string(expert) : "") +
                   " in layout " + layouts::find_layout(view.form.layout)->name,
               view.reader.path(), view.name()};
}

/// Bytes of `rows` rows of the codes component.
uint64_t code_bytes(const FormView& view, uint64_t rows) {
  const uint64_t k = view.operand.k;
  switch (layout_of(view)) {
    case LayoutId::kMma64:
      return div_up(rows, mma64::kTileN) * div_up(k, mma64::kTileK) * mma64::kBlockBytes;
    case LayoutId::kNative:
      return rows * rows16::pitch_bytes(k);
    case LayoutId::kPlain:
      break;
  }
  if (view.scheme() == Scheme::kNvfp4) return rows * (k / 2);
  const ComponentRecord* codes = view.reader.find_component(view.form, ComponentKind::kCodes);
  return codes == nullptr ? 0 : rows * k * dtype_bits(static_cast<Dtype>(codes->dtype)) / 8;
}

uint64_t scale_bytes(const FormView& view, uint64_t rows) {
  if (view.groups() == 0 || layout_of(view) == LayoutId::kMma64) return 0;
  return layout_of(view) == LayoutId::kNative ? sf::size_bytes(rows, view.groups())
                                              : rows * view.groups();
}

Result<std::vector<std::byte>> read_rows(const FormView& view, ComponentKind kind, uint64_t expert,
                                         uint64_t offset, uint64_t size) {
  const ComponentRecord* component = view.reader.find_component(view.form, kind);
  if (component == nullptr)
    return Error{ErrorKind::kBadRecord,
                 "form has no component of kind " + std::to_string(static_cast<int>(kind)),
                 view.reader.path(), view.name()};
  std::vector<std::byte> bytes(size);
  IMP_TRY(view.reader.read_component(*component, expert * component->expert_stride_bytes + offset,
                                     bytes));
  return bytes;
}

/// One 64x64 block; rows and columns outside the matrix must be zero.
struct BlockOfSlab {
  const std::byte* block;
  uint64_t row0;  ///< in the slab
  uint64_t k0;
};

bool block_to_rows(const FormView& view, const StoredSlab& slab, const BlockOfSlab& b,
                   CanonicalSlab& out) {
  const uint64_t k = view.operand.k, groups = view.groups();
  bool padding_is_zero = true;
  for (uint32_t word = 0; word < mma64::kWords; ++word) {
    const mma64::WordSource src = mma64::src_of_word(word);
    const auto stored = load_le<uint32_t>(b.block + 4 * word);
    const uint64_t row = b.row0 + src.n, column = b.k0 + 8 * src.k8;
    // K is a multiple of 16, so a word lies inside or outside as a whole.
    if (row < slab.rows && column < k)
      store_le(out.codes.data() + row * (k / 2) + column / 2, mma64::decode_word(stored));
    else
      padding_is_zero = padding_is_zero && stored == 0;
  }
  for (uint32_t byte = mma64::kCodeBytes; byte < mma64::kBlockBytes; ++byte) {
    const mma64::ScaleSource src = mma64::src_of_scale_byte(byte);
    const uint64_t row = b.row0 + src.n, group = b.k0 / mma64::kGroup + src.c;
    if (row < slab.rows && group < groups)
      out.scales[row * groups + group] =
          static_cast<std::byte>(mma64::decode_scale(static_cast<uint8_t>(b.block[byte])));
    else
      padding_is_zero = padding_is_zero && b.block[byte] == std::byte{0};
  }
  return padding_is_zero;
}

/// What the zero-group rule of mma64 promises.
Status check_groups(const FormView& view, const StoredSlab& slab, const CanonicalSlab& canonical) {
  const uint64_t groups = std::max<uint64_t>(view.groups(), 1);
  for (uint64_t i = 0; i < canonical.scales.size(); ++i) {
    const auto scale = static_cast<uint8_t>(canonical.scales[i]);
    const uint64_t row = slab.row0 + i / groups;
    if (scale == 0xFF)
      return inverse_error(view, "a stored scale byte encodes no e4m3 scale", slab.expert, row);
    if (scale == 0 && load_le<uint64_t>(canonical.codes.data() + i * 8) != 0)
      return inverse_error(view, "codes under a zero scale", slab.expert, row);
  }
  return {};
}

Result<CanonicalSlab> invert_mma64(const FormView& view, const StoredSlab& slab) {
  CanonicalSlab out{std::vector<std::byte>(slab.rows * (view.operand.k / 2)),
                    std::vector<std::byte>(slab.rows * view.groups())};
  const uint64_t k_tiles = div_up(view.operand.k, mma64::kTileK);
  for (uint64_t tile = 0; tile < div_up(slab.rows, mma64::kTileN); ++tile)
    for (uint64_t kt = 0; kt < k_tiles; ++kt) {
      const BlockOfSlab block{slab.codes.data() + (tile * k_tiles + kt) * mma64::kBlockBytes,
                              tile * mma64::kTileN, kt * mma64::kTileK};
      if (!block_to_rows(view, slab, block, out))
        return inverse_error(view, "padding is not zero", slab.expert, slab.row0 + block.row0);
    }
  IMP_TRY(check_groups(view, slab, out));
  return out;
}

Result<CanonicalSlab> invert_native(const FormView& view, const StoredSlab& slab) {
  const uint64_t row_bytes = view.operand.k / 2, pitch = rows16::pitch_bytes(view.operand.k),
                 groups = view.groups();
  CanonicalSlab out{std::vector<std::byte>(slab.rows * row_bytes),
                    std::vector<std::byte>(slab.rows * groups)};
  for (uint64_t row = 0; row < slab.rows; ++row) {
    const auto stored = slab.codes.begin() + static_cast<std::ptrdiff_t>(row * pitch);
    std::copy_n(stored, row_bytes,
                out.codes.begin() + static_cast<std::ptrdiff_t>(row * row_bytes));
    if (std::any_of(stored + static_cast<std::ptrdiff_t>(row_bytes),
                    stored + static_cast<std::ptrdiff_t>(pitch),
                    [](std::byte b) { return b != std::byte{0}; }))
      return inverse_error(view, "padding of the codes is not zero", slab.expert, slab.row0 + row);
  }
  for (uint64_t at = 0; at < slab.block_scale.size(); ++at) {
    const sf::Source src = sf::src_of_byte(static_cast<uint32_t>(at % sf::kTileBytes));
    const uint64_t tile = at / sf::kTileBytes;
    const uint64_t row = tile / sf::group_tiles(groups) * sf::kTileRows + src.row;
    const uint64_t group = tile % sf::group_tiles(groups) * sf::kTileGroups + src.group;
    if (row < slab.rows && group < groups)
      out.scales[row * groups + group] = slab.block_scale[at];
    else if (slab.block_scale[at] != std::byte{0})
      return inverse_error(view, "padding of the scales is not zero", slab.expert, slab.row0 + row);
  }
  return out;
}

}  // namespace

uint64_t slab_rows(const FormView& view, uint64_t bytes) {
  const uint64_t unit_bytes = std::max<uint64_t>(code_bytes(view, kSlabUnitRows), 1);
  return std::max<uint64_t>(bytes / unit_bytes, 1) * kSlabUnitRows;
}

bool can_invert(const FormView& view) {
  if (layout_of(view) == LayoutId::kPlain) return true;
  return (layout_of(view) == LayoutId::kMma64 || layout_of(view) == LayoutId::kNative) &&
         view.scheme() == Scheme::kNvfp4;
}

Result<StoredSlab> read_slab(const FormView& view, uint64_t expert, uint64_t row0, uint64_t rows) {
  StoredSlab slab;
  slab.expert = expert;
  slab.row0 = row0;
  slab.rows = rows;
  const ComponentKind kind =
      layout_of(view) == LayoutId::kMma64 ? ComponentKind::kBlocks : ComponentKind::kCodes;
  IMP_ASSIGN(slab.codes,
             read_rows(view, kind, expert, code_bytes(view, row0), code_bytes(view, rows)));
  if (const uint64_t size = scale_bytes(view, rows); size > 0) {
    IMP_ASSIGN(slab.block_scale,
               read_rows(view, ComponentKind::kBlockScale, expert, scale_bytes(view, row0), size));
  }
  return slab;
}

Result<CanonicalSlab> invert(const FormView& view, const StoredSlab& slab) {
  switch (layout_of(view)) {
    case LayoutId::kMma64:
      return invert_mma64(view, slab);
    case LayoutId::kNative:
      return invert_native(view, slab);
    case LayoutId::kPlain:
      break;
  }
  return CanonicalSlab{slab.codes, slab.block_scale};
}

}  // namespace imp::verify

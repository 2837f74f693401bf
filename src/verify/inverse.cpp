// The inverses of native and plain, over their maps: the judge's own; those of mma64 and of other
// engines' layouts are beside.
#include <algorithm>
#include <string>

#include "kernels/layouts/native_bytes.h"
#include "kernels/layouts/native_rows.h"
#include "kernels/layouts/sf128x4.h"
#include "src/verify/engine_inverse.h"
#include "src/verify/mma64_inverse.h"
#include "src/verify/plain_form.h"

namespace imp::verify {
namespace {

using layouts::LayoutId;

namespace sf = layouts::sf128x4;

Result<CanonicalSlab> invert_native(const FormView& view, const StoredSlab& slab) {
  const bool nibbles = model::code_bits(view.scheme()) == 4;
  const uint64_t k = view.operand.k, groups = view.groups(), row_bytes = nibbles ? k / 2 : k;
  const uint64_t pitch =
      nibbles ? layouts::native_rows::pitch_bytes(k) : layouts::native_bytes::pitch_bytes(k);
  CanonicalSlab out{std::vector<std::byte>(slab.rows * row_bytes),
                    std::vector<std::byte>(slab.rows * groups)};
  for (uint64_t row = 0; row < slab.rows; ++row) {
    const auto stored = slab.codes.begin() + static_cast<std::ptrdiff_t>(row * pitch);
    std::copy_n(stored, row_bytes,
                out.codes.begin() + static_cast<std::ptrdiff_t>(row * row_bytes));
    if (std::any_of(stored + static_cast<std::ptrdiff_t>(row_bytes),
                    stored + static_cast<std::ptrdiff_t>(pitch),
                    [](std::byte b) { return b != std::byte{0}; }))
      return inverse_error(view, "padding of the codes is not zero", slab, row);
  }
  for (uint64_t at = 0; at < slab.scales.size(); ++at) {
    const sf::Source src = sf::src_of_byte(static_cast<uint32_t>(at % sf::kTileBytes));
    const uint64_t tile = at / sf::kTileBytes;
    const uint64_t row = tile / sf::group_tiles(groups) * sf::kTileRows + src.row;
    const uint64_t group = tile % sf::group_tiles(groups) * sf::kTileGroups + src.group;
    if (row < slab.rows && group < groups)
      out.scales[row * groups + group] = slab.scales[at];
    else if (slab.scales[at] != std::byte{0})
      return inverse_error(view, "padding of the scales is not zero", slab, row);
  }
  return out;
}

Result<CanonicalSlab> invert_layout(const FormView& view, const StoredSlab& slab,
                                    ExceptionCursor* exceptions) {
  switch (view.layout()) {
    case LayoutId::kPlain:
      return invert_plain(view, slab);
    case LayoutId::kMma64:
      return invert_mma64(view, slab, exceptions);
    case LayoutId::kNative:
      return invert_native(view, slab);
    default:
      return invert_engine(view, slab, exceptions);
  }
}

}  // namespace

Result<CanonicalSlab> invert(const FormView& view, const StoredSlab& slab,
                             ExceptionCursor* exceptions) {
  IMP_ASSIGN(CanonicalSlab canonical, invert_layout(view, slab, exceptions));
  canonical.expert = slab.expert;
  canonical.row0 = slab.row0;
  canonical.rows = slab.rows;
  return canonical;
}

}  // namespace imp::verify

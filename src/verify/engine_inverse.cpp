#include "src/verify/engine_inverse.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <string>

#include "kernels/layouts/machete.h"
#include "kernels/layouts/marlin.h"
#include "kernels/layouts/max_sm8x.h"
#include "src/base/checked.h"
#include "src/base/little_endian.h"
#include "src/verify/engine_form.h"
#include "src/verify/engine_reference.h"
#include "src/verify/engine_scales.h"
#include "src/verify/exceptions.h"
#include "src/verify/mma64_inverse.h"

namespace imp::verify {
namespace {

using artifact::ComponentKind;
using layouts::LayoutId;
using model::Scheme;

namespace marlin = layouts::marlin;
namespace machete = layouts::machete;
namespace max_sm8x = layouts::max_sm8x;

/// Calls visit.template operator()<Tiles>() for the tiles of the form's codes.
template <class Visit>
auto with_tiles(const FormView& view, Visit visit) {
  switch (view.layout()) {
    case LayoutId::kMaxSm8x:
      return visit.template operator()<max_sm8x::Codes>();
    case LayoutId::kMachete4:
      return visit.template operator()<machete::Codes4>();
    case LayoutId::kMachete8:
      return visit.template operator()<machete::Codes8>();
    default:
      break;
  }
  return model::code_bits(view.scheme()) == 4 ? visit.template operator()<marlin::Codes4>()
                                              : visit.template operator()<marlin::Codes8>();
}

/// The eight codes of a lane in a sub-block are four pairs of neighbours along k: a canonical byte
/// of 4-bit codes, two bytes of 8-bit ones.
struct PairSource {
  uint16_t n = 0;
  uint16_t k = 0;    ///< even
  uint8_t low = 0;   ///< place of code k among the eight
  uint8_t high = 0;  ///< of code k + 1
};

/// Pairs of a tile, by the first of their codes in memory order, for each run of eight codes.
template <class Tiles>
std::array<PairSource, Tiles::kTileCodes / 2> pairs_of_tile() {
  std::array<PairSource, Tiles::kTileCodes / 2> pairs{};
  for (uint32_t run = 0; run < Tiles::kTileCodes / 8; ++run) {
    uint32_t count = 0;
    for (uint32_t low = 0; low < 8; ++low) {
      const layouts::CodeSource src = Tiles::src_in_tile(8 * run + low);
      if (src.k % 2 != 0) continue;
      PairSource& pair = pairs[4 * run + count++];
      pair.n = static_cast<uint16_t>(src.n);
      pair.k = static_cast<uint16_t>(src.k);
      pair.low = static_cast<uint8_t>(low);
      pair.high = static_cast<uint8_t>(
          Tiles::code_in_tile(static_cast<uint32_t>(src.n), static_cast<uint32_t>(src.k + 1)) % 8);
    }
  }
  return pairs;
}

/// Codes of the slab to canonical rows; what lies outside the matrix must be zero.
template <class Tiles>
class TileInverse {
 public:
  TileInverse(const FormView& view, const StoredSlab& slab, CanonicalSlab& out)
      : view_(view), slab_(slab), out_(out), k_(view.operand.k) {
    pitch_ = Tiles::kBits == 4 ? div_up(k_, 2) : k_;
    out_.codes.assign(slab.rows * pitch_, std::byte{0});
  }

  Status run() {
    const uint64_t padded_n = slab_.padded_rows, padded_k = view_.form.padded_k;
    const uint64_t tiles = padded_n / Tiles::kTileN * (padded_k / Tiles::kTileK);
    for (size_t p = 0; p < pairs_.size(); ++p)
      places_[p] = pairs_[p].n * pitch_ + pairs_[p].k * Tiles::kBits / 8;
    for (uint64_t tile = 0; tile < tiles; ++tile) {
      const layouts::CodeSource at = Tiles::src_of_tile(tile, padded_n, padded_k);
      const std::byte* bytes = slab_.codes.data() + tile * Tiles::kTileBytes;
      if (at.n + Tiles::kTileN <= slab_.rows && at.k + Tiles::kTileK <= k_)
        put_whole(at, bytes);
      else
        IMP_TRY(put_cut(at, bytes));
    }
    return {};
  }

 private:
  /// A tile without padding.
  void put_whole(const layouts::CodeSource& at, const std::byte* bytes) {
    std::byte* out = out_.codes.data() + at.n * pitch_ + at.k * Tiles::kBits / 8;
    for (uint32_t run = 0; run < Tiles::kTileCodes / 8; ++run) {
      const uint64_t eight = load(bytes + run * Tiles::kBits);
      for (uint32_t p = 4 * run; p < 4 * run + 4; ++p)
        store(out + places_[p], code(eight, pairs_[p].low), code(eight, pairs_[p].high));
    }
  }

  Status put_cut(const layouts::CodeSource& at, const std::byte* bytes) {
    for (uint32_t run = 0; run < Tiles::kTileCodes / 8; ++run) {
      const uint64_t eight = load(bytes + run * Tiles::kBits);
      for (uint32_t p = 4 * run; p < 4 * run + 4; ++p)
        if (!put(at.n + pairs_[p].n, at.k + pairs_[p].k, code(eight, pairs_[p].low),
                 code(eight, pairs_[p].high)))
          return inverse_error(view_, "padding is not zero", slab_, at.n + pairs_[p].n);
    }
    return {};
  }

  /// Codes k and k + 1 of a row.
  static void store(std::byte* at, uint32_t low, uint32_t high) {
    if constexpr (Tiles::kBits == 4) {
      at[0] = static_cast<std::byte>(low | high << 4);
    } else {
      at[0] = static_cast<std::byte>(low);
      at[1] = static_cast<std::byte>(high);
    }
  }

  /// Eight codes.
  static uint64_t load(const std::byte* at) {
    return Tiles::kBits == 4 ? load_le<uint32_t>(at) : load_le<uint64_t>(at);
  }
  static uint32_t code(uint64_t eight, uint32_t place) {
    return static_cast<uint32_t>(eight >> (Tiles::kBits * place) & ((1u << Tiles::kBits) - 1));
  }
  /// False for padding that is not zero.
  bool put(uint64_t row, uint64_t column, uint32_t low, uint32_t high) {
    if (row >= slab_.rows || column >= k_) return (low | high) == 0;
    std::byte* at = out_.codes.data() + row * pitch_ + column * Tiles::kBits / 8;
    if (column + 1 < k_) {
      store(at, low, high);
      return true;
    }
    at[0] = static_cast<std::byte>(low);
    return high == 0;
  }

  const std::array<PairSource, Tiles::kTileCodes / 2> pairs_ = pairs_of_tile<Tiles>();
  std::array<uint64_t, Tiles::kTileCodes / 2> places_{};  ///< of pairs, from a tile's first byte
  const FormView& view_;
  const StoredSlab& slab_;
  CanonicalSlab& out_;
  const uint64_t k_;
  uint64_t pitch_ = 0;
};

/// Channel at place `at` of 64.
using ChannelOf = uint32_t (*)(uint32_t at);

ChannelOf channels_of(const FormView& view) {
  if (view.layout() == LayoutId::kMachete4 || view.layout() == LayoutId::kMachete8)
    return [](uint32_t at) { return at; };
  if (view.layout() != LayoutId::kMaxSm8x &&
      (model::has_two_levels(view.scheme()) || view.scheme() == Scheme::kMxfp4))
    return marlin::src_of_bytes;
  return has_row_scales(view) ? marlin::src_of_single : marlin::src_of_group;
}

/// [groups, rows] of elements of `bytes` bytes, channels in an order of their own, to [rows,
/// groups].
Status invert_groups(const FormView& view, const StoredSlab& slab, Bytes stored, uint64_t bytes,
                     uint64_t groups, ChannelOf channel, std::vector<std::byte>& out) {
  out.assign(slab.rows * groups * bytes, std::byte{0});
  for (uint64_t element = 0; element < stored.size() / bytes; ++element) {
    const uint64_t at = element % slab.padded_rows, group = element / slab.padded_rows;
    const uint64_t row = at / 64 * 64 + channel(static_cast<uint32_t>(at % 64));
    const Bytes value = stored.subspan(element * bytes, bytes);
    if (row < slab.rows && group < groups)
      std::memcpy(out.data() + (row * groups + group) * bytes, value.data(), bytes);
    else if (std::any_of(value.begin(), value.end(), [](std::byte b) { return b != std::byte{0}; }))
      return inverse_error(view, "padding of the scales is not zero", slab, row);
  }
  return {};
}

/// Zero points of 4 bits: nibbles of 32-bit words to canonical ones, two groups a byte.
Status invert_zero4(const FormView& view, const StoredSlab& slab, uint64_t groups,
                    std::vector<std::byte>& out) {
  const uint64_t pitch = div_up(groups, 2);
  out.assign(slab.rows * pitch, std::byte{0});
  for (uint64_t element = 0; element < slab.zero_points.size() * 2; ++element) {
    const uint64_t at = element % slab.padded_rows, group = element / slab.padded_rows;
    const uint64_t row = at / 64 * 64 + marlin::src_of_zero4(static_cast<uint32_t>(at % 64));
    const std::byte zero = slab.zero_points[element / 2] >> (4 * (element % 2)) & std::byte{0xF};
    if (row < slab.rows && group < groups)
      out[row * pitch + group / 2] |= zero << (4 * (group % 2));
    else if (zero != std::byte{0})
      return inverse_error(view, "padding of the zero points is not zero", slab, row);
  }
  return {};
}

/// e4m3 bytes of what is stored, and the groups that the layout lost.
Status restore_scales(const FormView& view, const StoredSlab& slab,
                      const std::vector<std::byte>& stored, ExceptionCursor* exceptions,
                      CanonicalSlab& out) {
  const uint64_t groups = view.groups();
  IMP_ASSIGN(const EngineScales scales, EngineScales::of(view, slab));
  out.scales.resize(slab.rows * groups);
  for (uint64_t i = 0; i < out.scales.size(); ++i) {
    const auto scale = scales.inverse(slab.row0 + i / groups, scales.element(stored, i));
    if (!scale)
      return inverse_error(view, "a stored scale encodes no e4m3 scale", slab, i / groups);
    out.scales[i] = std::byte{*scale};
  }
  if (exceptions == nullptr) return {};
  return exceptions->apply(
      slab, out, [&](uint64_t at, uint8_t scale, uint64_t codes) -> const char* {
        if (load_le<uint64_t>(out.codes.data() + 8 * at) != codes)
          return "has a record with other codes than the form";
        if (scale == static_cast<uint8_t>(out.scales[at]))
          return "has a record, but its scale is not lost";
        return scales.forward(slab.row0 + at / groups, scale) == scales.element(stored, at)
                   ? nullptr
                   : "has a record whose scale is not what is stored";
      });
}

}  // namespace

Result<CanonicalSlab> invert_engine(const FormView& view, const StoredSlab& slab,
                                    ExceptionCursor* exceptions) {
  CanonicalSlab out;
  IMP_TRY(
      with_tiles(view, [&]<class Tiles>() { return TileInverse<Tiles>(view, slab, out).run(); }));
  Bytes scales = slab.scales;
  if (view.layout() == LayoutId::kMaxSm8x)
    scales = Bytes(slab.codes)
                 .subspan(max_sm8x::scales_offset_bytes(slab.padded_rows, view.form.padded_k));
  const uint64_t bytes = scales.size() / (slab.padded_rows * engine_groups(view));
  const uint64_t groups = has_row_scales(view) ? 1 : view.groups();
  std::vector<std::byte> rows;
  IMP_TRY(invert_groups(view, slab, scales, bytes, groups, channels_of(view), rows));
  if (model::has_two_levels(view.scheme()))
    IMP_TRY(restore_scales(view, slab, rows, exceptions, out));
  else
    out.scales = std::move(rows);
  if (!slab.mins.empty())
    IMP_TRY(invert_groups(view, slab, slab.mins, 2, groups, channels_of(view), out.mins));
  if (slab.zero_points.empty()) return out;
  if (model::code_bits(view.scheme()) == 4)
    IMP_TRY(invert_zero4(view, slab, groups, out.zero_points));
  else
    IMP_TRY(invert_groups(view, slab, slab.zero_points, 1, groups, marlin::src_of_bytes,
                          out.zero_points));
  return out;
}

CodePlace engine_code_place(const FormView& view, uint64_t padded_rows, uint64_t row, uint64_t k) {
  return with_tiles(view, [&]<class Tiles>() -> CodePlace {
    const uint64_t code = Tiles::dst_of_src(row, k, padded_rows, view.form.padded_k);
    return {code * Tiles::kBits / 8, static_cast<uint32_t>(code * Tiles::kBits % 8)};
  });
}

}  // namespace imp::verify

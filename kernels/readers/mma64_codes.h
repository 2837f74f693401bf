// mma64 integers and fp8 as an mma.sync kernel reads them: blocks of 64 x 64 codes alone, scales
// and zero points beside them.
//
// Lanes and their codes: mma64_lanes.h. Scales and zero points in lane order: the eight of a lane
// and group, j = 0..7, lie at element (row tile * groups + group) * 64 + 8g.
#pragma once

#include "kernels/readers/block_scales.h"
#include "kernels/readers/mma64_lanes.h"

namespace imp::kernels::readers {

struct Int4Lanes : NibbleLanes {
  static constexpr uint16_t kScheme = 36;
  static constexpr uint32_t kZero = 8;
  static IMP_HD float value(uint32_t code, uint32_t zero) {
    return static_cast<float>(static_cast<int32_t>(code) - static_cast<int32_t>(zero));
  }
};

struct Int8Lanes : ByteLanes {
  static constexpr uint16_t kScheme = 40;
  static constexpr uint32_t kZero = 128;
  static IMP_HD float value(uint32_t code, uint32_t zero) { return Int4Lanes::value(code, zero); }
};

struct Fp8Lanes : ByteLanes {
  static constexpr uint16_t kScheme = 20;
  static constexpr uint32_t kZero = 0;
  static IMP_HD float value(uint32_t code, uint32_t) { return e4m3_bits_to_float(code); }
};

template <class Codes>
struct Mma64Codes {
  static constexpr uint16_t kLayout = 2;
  static constexpr uint16_t kScheme = Codes::kScheme;
  static constexpr Dtype kDtype = Dtype::kU8;
  static constexpr float kUnit = 1.0f;
  static constexpr uint32_t kDialects = 1;
  using Slots = Mma64Slots;

  template <class Put>
  static IMP_HD void read_lane(const WeightView& w, uint64_t row_tile, uint64_t column_tile,
                               uint32_t lane, Put put) {
    const uint8_t* block =
        w.codes + (row_tile * quotient_up(w.k, kReaderColumns) + column_tile) * Codes::kBlockBytes;
    const uint32_t g = lane / 4, c = lane % 4;
    const uint64_t k = column_tile * kReaderColumns + kLaneCodes * c;
    // Past K there is no scale to load; the kernel's activations are zeros there.
    const bool inside = k < w.k;
    for (uint32_t j = 0; j < 8; ++j) {
      const GroupFacts facts = inside ? facts_of(w, row_tile, j, g, k) : GroupFacts{0.0f, 0};
      Codes::for_each(block, lane, j, [&](uint32_t i, uint32_t code) {
        put(8 * j + g, Slots::of_lane_code(c, i),
            inside ? Codes::value(code, facts.zero) * facts.scale : 0.0f);
      });
    }
  }

  static Result<ComponentBytes> sizes(const WeightView& w) {
    IMP_TRY(check_groups(w));
    const uint64_t row_tiles = quotient_up(w.n, kReaderRows), groups = groups_along_k(w);
    const uint64_t rows = is_grid(w) ? quotient_up(w.n, w.group_rows) : row_tiles * kReaderRows;
    ComponentBytes want;
    IMP_ASSIGN(want.codes,
               bytes_of(w, {row_tiles, quotient_up(w.k, kReaderColumns), Codes::kBlockBytes}));
    IMP_ASSIGN(want.block_scale, bytes_of(w, {rows, groups, scale_bytes(w.scale_dtype)}));
    IMP_ASSIGN(want.zero_point, bytes_of(w, {rows, groups}));
    return want;
  }

 private:
  static constexpr uint64_t kGroupUnit = 32;  ///< groups are multiples of it, or whole rows

  /// What one lane multiplies the codes of one row by, and what it takes from them first.
  struct GroupFacts {
    float scale;
    uint32_t zero;
  };

  /// Row 8j + g of a row tile, the group of column k. REQUIRES: k < K.
  static IMP_HD GroupFacts facts_of(const WeightView& w, uint64_t row_tile, uint32_t j, uint32_t g,
                                    uint64_t k) {
    GroupFacts facts{1.0f, Codes::kZero};
    if (!has_block_scales(w)) return facts;
    const uint64_t group = k / w.group_size, groups = groups_along_k(w);
    if (is_grid(w)) {
      const uint64_t n = row_tile * kReaderRows + 8 * j + g;
      if (n >= w.n) return {0.0f, Codes::kZero};
      facts.scale = block_scale(w, n / w.group_rows * groups + group);
      return facts;
    }
    const uint64_t element = lane_element(row_tile, j, g, group, groups);
    facts.scale = block_scale(w, element);
    if (w.zero_point != nullptr) facts.zero = load_u8(w.zero_point, element);
    return facts;
  }

  static Status check_groups(const WeightView& w) {
    if (!has_block_scales(w)) return {};
    const std::string groups = "block scales span " + std::to_string(w.group_rows) + " rows and " +
                               std::to_string(w.group_size) + " columns";
    if (is_grid(w)) {
      if (w.group_rows % kReaderRows != 0 || w.group_size % kReaderColumns != 0)
        return shape_error(groups + ", expected multiples of 64");
      if (w.zero_point != nullptr)
        return shape_error(groups + ", but zero points need scales of one row");
    } else if (w.group_size < w.k && w.group_size % kGroupUnit != 0) {
      return shape_error(groups + ", expected one row and a multiple of 32 columns or all of them");
    }
    return check_scale_dtype(w);
  }
};

using Mma64Int4 = Mma64Codes<Int4Lanes>;
using Mma64Int8 = Mma64Codes<Int8Lanes>;
using Mma64Fp8 = Mma64Codes<Fp8Lanes>;

}  // namespace imp::kernels::readers

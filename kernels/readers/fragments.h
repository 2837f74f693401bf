// What the kernels of other engines' layouts have in common: codes lie in the order of the register
// fragments of mma.sync m16n8k16, columns in their own order.
//
// In step t of four lane 4g + c takes eight codes of each 16 rows j: rows 16j + g and 16j + 8 + g,
// columns 16t + 2c, + 1, + 8, + 9. Pairs of neighbours along K go into one register: v1 tells the
// row, v2 the columns.
#pragma once

#include <string>

#include "kernels/readers/bits.h"
#include "kernels/readers/component_bytes.h"
#include "kernels/readers/slots.h"

namespace imp::kernels::readers {

/// What a lane does to the codes of one row and group: (u - zero) * scale + min.
struct LaneScale {
  float scale = 0;
  int32_t zero = 0;
  float min = 0;
};

// Numbers of codes.
struct E2m1Number {
  static IMP_HD float value(uint32_t u, const LaneScale& s) {
    return e2m1_bits_to_float(u) * s.scale;
  }
};
struct E4m3Number {
  static IMP_HD float value(uint32_t u, const LaneScale& s) {
    return e4m3_bits_to_float(u) * s.scale;
  }
};
struct IntegerNumber {
  static IMP_HD float value(uint32_t u, const LaneScale& s) {
    return static_cast<float>(static_cast<int32_t>(u) - s.zero) * s.scale + s.min;
  }
};

/// Engine: kLayout, kScheme, kUnit, kDialects, kBits, kTileRows, Number;
///   pair(w, row_tile, step, lane, j, v1, v2): codes of k and k + 1, in bits 0 to 15 and 16 to 31;
///     `step` counts 16 columns of the whole matrix
///   scale(w, row_tile, i, g, k): of row 8i + g of the row tile, for column k
///   planes(w, want): sizes of the components beside the codes, and what it refuses
template <class Engine>
struct FragmentReader {
  static constexpr uint16_t kLayout = Engine::kLayout;
  static constexpr uint16_t kScheme = Engine::kScheme;
  static constexpr Dtype kDtype = Dtype::kU8;
  static constexpr float kUnit = Engine::kUnit;
  static constexpr uint32_t kDialects = Engine::kDialects;
  using Slots = FragmentSlots;

  template <class Put>
  static IMP_HD void read_lane(const WeightView& w, uint64_t row_tile, uint64_t column_tile,
                               uint32_t lane, Put put) {
    const uint32_t g = lane / 4, c = lane % 4;
    for (uint32_t t = 0; t < 4; ++t)
      for (uint32_t i = 0; i < 8; ++i) {
        const uint64_t step = 4 * column_tile + t;
        // Past K there may be no scale; the kernels' activations are zeros there.
        const bool group = 16 * step < w.k;
        const LaneScale scale = group ? Engine::scale(w, row_tile, i, g, 16 * step) : LaneScale{};
        for (uint32_t v2 = 0; v2 < 2; ++v2) {
          const uint32_t pair = Engine::pair(w, row_tile, step, lane, i / 2, i % 2, v2);
          const uint64_t k = 16 * step + 8 * v2 + 2 * c;
          const uint32_t row = 8 * i + g, slot = 16 * t + 4 * c + 2 * v2;
          put(row, slot, k < w.k ? Engine::Number::value(pair & 0xFFFF, scale) : 0.0f);
          put(row, slot + 1, k + 1 < w.k ? Engine::Number::value(pair >> 16, scale) : 0.0f);
        }
      }
  }

  static Result<ComponentBytes> sizes(const WeightView& w) {
    if (w.padded_n < w.n || w.padded_k < w.k || w.padded_n % Engine::kTileRows != 0 ||
        w.padded_k % kReaderColumns != 0)
      return shape_error("[" + std::to_string(w.n) + ", " + std::to_string(w.k) +
                         "] is padded to [" + std::to_string(w.padded_n) + ", " +
                         std::to_string(w.padded_k) + "], expected multiples of " +
                         std::to_string(Engine::kTileRows) + " and 64");
    ComponentBytes want;
    IMP_ASSIGN(want.codes, bytes_of(w, {w.padded_n / 2, w.padded_k, Engine::kBits / 4}));
    IMP_TRY(Engine::planes(w, want));
    return want;
  }
};

/// One scale a row: no groups, or one.
IMP_HD inline bool has_row_scales(const WeightView& w) {
  return w.group_size == 0 || w.group_size >= w.k;
}
/// Groups of the padded matrix and the group of a column. REQUIRES: k < K.
IMP_HD inline uint64_t padded_groups(const WeightView& w) {
  return has_row_scales(w) ? 1 : quotient_up(w.padded_k, w.group_size);
}
IMP_HD inline uint64_t column_group(const WeightView& w, uint64_t k) {
  return has_row_scales(w) ? 0 : k / w.group_size;
}

/// Element of a plane of bf16 or f16.
IMP_HD inline float half_at(const WeightView& w, const uint8_t* plane, uint64_t element) {
  const uint32_t bits = load_u16(plane, 2 * element);
  return w.scale_dtype == Dtype::kF16 ? f16_bits_to_float(bits) : bf16_low(bits);
}

/// Scales of integers: bf16 or f16, in groups of `unit` columns or more.
inline Status check_integer_scales(const WeightView& w, uint64_t unit) {
  if (!has_row_scales(w) && w.group_size % unit != 0)
    return shape_error("block scales span " + std::to_string(w.group_size) +
                       " columns, expected a multiple of " + std::to_string(unit) +
                       " or all of them");
  if (w.scale_dtype == Dtype::kF16 || w.scale_dtype == Dtype::kBF16) return {};
  Error error;
  error.kind = ErrorKind::kBadRecord;
  error.message =
      "block_scale has dtype " + std::string(dtype_name(w.scale_dtype)) + ", expected F16 or BF16";
  return error;
}

}  // namespace imp::kernels::readers

// The slow path of layouts that permute whole elements: what one byte of an output is, through the
// index map of the layout header. Host and device run the same code. An order has
//
//   kBits, kStoredBits      of an element in the canonical plane, and packed (4, 8, 16 or 32)
//   padded_rows, padded_columns
//   element(row, column)    number of the packed element, over the padded box
//   source(element)         its row and column
#pragma once

#include <cstdint>

#include "kernels/layouts/engine_maps.h"
#include "kernels/layouts/hd.h"
#include "kernels/layouts/mma64_bytes.h"
#include "kernels/layouts/mma64_int4.h"
#include "kernels/layouts/mma64_plane.h"
#include "kernels/layouts/native_bytes.h"

namespace imp::kernels::map {

IMP_HD constexpr uint64_t padded_to(uint64_t value, uint64_t unit) {
  return (value + unit - 1) / unit * unit;
}

struct Place {
  uint64_t row;
  uint64_t column;
};

/// mma64 blocks of 4-bit integers; the places of whole codes.
struct Int4Order {
  static constexpr uint32_t kBits = 4, kStoredBits = 4;
  static constexpr uint32_t kBlockCodes = 2 * layouts::mma64_int4::kBlockBytes;
  uint64_t padded_rows;
  uint64_t padded_columns;

  IMP_HD Int4Order(uint64_t rows, uint64_t k)
      : padded_rows(padded_to(rows, 64)), padded_columns(padded_to(k, 64)) {}
  IMP_HD uint64_t element(uint64_t n, uint64_t k) const {
    using namespace layouts::mma64_int4;
    return 2 * block_offset_bytes(n, k, padded_columns / kTileK) +
           8 * word_of_src(static_cast<uint32_t>(n % kTileN),
                           static_cast<uint32_t>(k % kTileK / 8)) +
           bit_of_src(static_cast<uint32_t>(k % 8), 0) / 4;
  }
  IMP_HD Place source(uint64_t element) const {
    using namespace layouts::mma64_int4;
    const uint64_t block = element / kBlockCodes, k_tiles = padded_columns / kTileK;
    const uint32_t code = static_cast<uint32_t>(element % kBlockCodes);
    const auto word = src_of_word(code / 8);
    return {block / k_tiles * kTileN + word.n,
            block % k_tiles * kTileK + 8 * word.k8 + src_of_bit(code % 8 * 4).e};
  }
};

/// mma64 blocks of one-byte codes.
struct OctetOrder {
  static constexpr uint32_t kBits = 8, kStoredBits = 8;
  uint64_t padded_rows;
  uint64_t padded_columns;

  IMP_HD OctetOrder(uint64_t rows, uint64_t k)
      : padded_rows(padded_to(rows, 64)), padded_columns(padded_to(k, 64)) {}
  IMP_HD uint64_t element(uint64_t n, uint64_t k) const {
    using namespace layouts::mma64_bytes;
    return block_offset_bytes(n, k, padded_columns / kTileK) +
           byte_of_src(static_cast<uint32_t>(n % kTileN), static_cast<uint32_t>(k % kTileK));
  }
  IMP_HD Place source(uint64_t element) const {
    using namespace layouts::mma64_bytes;
    const uint64_t block = element / kBlockBytes, k_tiles = padded_columns / kTileK;
    const Source inside = src_of_byte(static_cast<uint32_t>(element % kBlockBytes));
    return {block / k_tiles * kTileN + inside.n, block % k_tiles * kTileK + inside.k};
  }
};

/// Scales or zero points beside mma64 blocks, in lane order; columns are groups.
template <uint32_t kElementBits>
struct LanePlaneOrder {
  static constexpr uint32_t kBits = kElementBits,
                            kStoredBits = kElementBits == 4 ? 8 : kElementBits;
  uint64_t padded_rows;
  uint64_t padded_columns;

  IMP_HD LanePlaneOrder(uint64_t rows, uint64_t groups)
      : padded_rows(padded_to(rows, layouts::mma64_plane::kTileN)), padded_columns(groups) {}
  IMP_HD uint64_t element(uint64_t n, uint64_t group) const {
    return layouts::mma64_plane::dst_of_src(n, group, padded_columns);
  }
  IMP_HD Place source(uint64_t element) const {
    using namespace layouts::mma64_plane;
    const uint64_t run = element / kTileN;
    return {run / padded_columns * kTileN + src_of_element(static_cast<uint32_t>(element % kTileN)),
            run % padded_columns};
  }
};

/// native rows of one-byte codes.
struct NativeBytesOrder {
  static constexpr uint32_t kBits = 8, kStoredBits = 8;
  uint64_t padded_rows;
  uint64_t padded_columns;

  IMP_HD NativeBytesOrder(uint64_t rows, uint64_t k)
      : padded_rows(rows), padded_columns(layouts::native_bytes::pitch_bytes(k)) {}
  IMP_HD uint64_t element(uint64_t n, uint64_t k) const {
    return layouts::native_bytes::dst_of_src(n, k, padded_columns);
  }
  IMP_HD Place source(uint64_t element) const {
    const auto src = layouts::native_bytes::src_of_dst(element, padded_columns);
    return {src.n, src.k};
  }
};

/// Tiles of other engines' layouts.
template <class Tiles>
struct TilesOrder {
  static constexpr uint32_t kBits = Tiles::kBits, kStoredBits = Tiles::kBits;
  uint64_t padded_rows;
  uint64_t padded_columns;

  IMP_HD uint64_t element(uint64_t n, uint64_t k) const {
    return Tiles::dst_of_src(n, k, padded_rows, padded_columns);
  }
  IMP_HD Place source(uint64_t element) const {
    const layouts::CodeSource src = Tiles::src_of_dst(element, padded_rows, padded_columns);
    return {src.n, src.k};
  }
};

/// Planes of groups of other engines' layouts; columns are groups.
template <uint32_t kElementBits>
struct GroupsOrder {
  static constexpr uint32_t kBits = kElementBits, kStoredBits = kElementBits;
  static constexpr uint32_t kChannels = layouts::kOrderedChannels;
  layouts::GroupOrder order;
  uint64_t padded_rows;
  uint64_t padded_columns;

  IMP_HD uint64_t element(uint64_t n, uint64_t group) const {
    return group * padded_rows + n / kChannels * kChannels +
           layouts::channel_of_src(order, static_cast<uint32_t>(n % kChannels));
  }
  IMP_HD Place source(uint64_t element) const {
    const uint64_t at = element % padded_rows;
    return {at / kChannels * kChannels +
                layouts::src_of_channel(order, static_cast<uint32_t>(at % kChannels)),
            element / padded_rows};
  }
};

/// Element `at` of elements of kBits that follow each other, those of 4 bits two a byte.
template <uint32_t kBits>
IMP_HD inline uint32_t element_at(const uint8_t* bytes, uint64_t at) {
  if constexpr (kBits == 4) {
    return static_cast<uint32_t>(bytes[at / 2]) >> (4 * (at % 2)) & 0xF;
  } else {
    uint32_t element = 0;
    for (uint32_t i = 0; i < kBits / 8; ++i)
      element |= static_cast<uint32_t>(bytes[at * (kBits / 8) + i]) << (8 * i);
    return element;
  }
}

/// A canonical plane, each row in whole bytes.
template <uint32_t kBits>
struct Canonical {
  const uint8_t* at;
  uint64_t rows;
  uint64_t columns;

  IMP_HD static uint64_t pitch(uint64_t columns) { return (columns * kBits + 7) / 8; }
  IMP_HD bool inside(const Place& place) const {
    return place.row < rows && place.column < columns;
  }
  IMP_HD uint32_t operator()(const Place& place) const {
    return element_at<kBits>(at + place.row * pitch(columns), place.column);
  }
};

/// Byte `at` of the packed buffer.
template <class Order>
struct PackedByte {
  Order order;
  Canonical<Order::kBits> in;

  IMP_HD uint8_t operator()(uint64_t at) const {
    if constexpr (Order::kStoredBits == 4) {
      return static_cast<uint8_t>(element(2 * at) | element(2 * at + 1) << 4);
    } else {
      constexpr uint32_t kBytes = Order::kStoredBits / 8;
      return static_cast<uint8_t>(element(at / kBytes) >> (8 * (at % kBytes)));
    }
  }

 private:
  IMP_HD uint32_t element(uint64_t i) const {
    const Place from = order.source(i);
    return in.inside(from) ? in(from) : 0;
  }
};

/// Byte `at` of the canonical plane that the packed buffer holds.
template <class Order>
struct PlaneByte {
  Order order;
  const uint8_t* packed;
  uint64_t columns;

  IMP_HD uint8_t operator()(uint64_t at) const {
    const uint64_t pitch = Canonical<Order::kBits>::pitch(columns), row = at / pitch;
    if constexpr (Order::kBits == 4) {
      const uint64_t column = 2 * (at % pitch);
      const uint32_t odd = column + 1 < columns ? element(row, column + 1) : 0;
      return static_cast<uint8_t>(element(row, column) | odd << 4);
    } else {
      constexpr uint32_t kBytes = Order::kBits / 8;
      return static_cast<uint8_t>(element(row, at % pitch / kBytes) >> (8 * (at % kBytes)));
    }
  }

 private:
  IMP_HD uint32_t element(uint64_t row, uint64_t column) const {
    return element_at<Order::kStoredBits>(packed, order.element(row, column)) &
           (0xFFFFFFFFu >> (32 - Order::kBits));
  }
};

/// True if the element at `place` = row * padded_columns + column is padding that is not zero, or
/// wider than an element.
template <class Order>
struct WrongElement {
  Order order;
  const uint8_t* packed;
  uint64_t rows;
  uint64_t columns;

  IMP_HD uint64_t places() const { return order.padded_rows * order.padded_columns; }
  IMP_HD bool operator()(uint64_t place) const {
    const uint64_t row = place / order.padded_columns, column = place % order.padded_columns;
    const uint32_t stored = element_at<Order::kStoredBits>(packed, order.element(row, column));
    if (row >= rows || column >= columns) return stored != 0;
    if constexpr (Order::kStoredBits > Order::kBits)
      return stored >> Order::kBits != 0;
    else
      return false;
  }
};

}  // namespace imp::kernels::map

// Planes of groups of other engines' layouts, [groups, N]; both paths.
#include <algorithm>
#include <array>
#include <cassert>

#include "kernels/layouts/engine_maps.h"
#include "src/base/checked.h"
#include "src/base/little_endian.h"
#include "src/repack/engine_tiles.h"
#include "src/repack/map_path.h"
#include "src/repack/padding.h"

namespace imp::repack {
namespace {

using layouts::channel_of_src;
constexpr uint32_t kChannels = layouts::kOrderedChannels;

uint64_t row_bytes(uint32_t bits, uint64_t elements) { return div_up(elements * bits, 8); }

/// Element `at` of a row of 4, 8 or 16 bits each, and back.
uint32_t get(uint32_t bits, const std::byte* row, uint64_t at) {
  if (bits == 16) return load_le<uint16_t>(row + 2 * at);
  if (bits == 8) return std::to_integer<uint32_t>(row[at]);
  return std::to_integer<uint32_t>(row[at / 2]) >> (4 * (at % 2)) & 0xF;
}
/// REQUIRES: of 4 bits: those of the element are zero.
void put(uint32_t bits, uint32_t element, std::byte* row, uint64_t at) {
  if (bits == 16) return store_le(row + 2 * at, static_cast<uint16_t>(element));
  if (bits == 8) return store_le(row + at, static_cast<uint8_t>(element));
  row[at / 2] |= static_cast<std::byte>(element << (4 * (at % 2)));
}

/// The two planes and what lies where.
template <class Packed, class Plane>
struct Sides {
  GroupOrder order;
  uint32_t bits;
  PaddedBox box;
  Packed* packed;
  Plane* plane;

  Packed* run(uint64_t group) const { return packed + group * row_bytes(bits, box.padded_rows); }
  Plane* row(uint64_t n) const { return plane + n * row_bytes(bits, box.columns); }
  uint64_t element(uint64_t n) const {
    return n / kChannels * kChannels + channel_of_src(order, static_cast<uint32_t>(n % kChannels));
  }
};
using PackSides = Sides<std::byte, const std::byte>;
using UnpackSides = Sides<const std::byte, std::byte>;

/// Rows from row0 to row1 and groups from group0 to group1 of the padded box, element by element.
/// REQUIRES: the packed bytes are zero.
void pack_elements(const PackSides& sides, uint64_t row0, uint64_t row1, uint64_t group0,
                   uint64_t group1) {
  const uint64_t end = std::min(group1, sides.box.columns);
  for (uint64_t n = row0; n < std::min(row1, sides.box.rows); ++n) {
    const uint64_t at = sides.element(n);
    const std::byte* const row = sides.row(n);
    for (uint64_t group = group0; group < end; ++group)
      put(sides.bits, get(sides.bits, row, group), sides.run(group), at);
  }
}

/// REQUIRES: of 4 bits: the plane is zero.
Status unpack_elements(const UnpackSides& sides, uint64_t row0, uint64_t row1, uint64_t group0,
                       uint64_t group1) {
  for (uint64_t n = row0; n < row1; ++n) {
    const uint64_t at = sides.element(n);
    const uint64_t inside = n < sides.box.rows ? sides.box.columns : 0;
    for (uint64_t group = group0; group < group1; ++group) {
      const uint32_t element = get(sides.bits, sides.run(group), at);
      if (group < inside)
        put(sides.bits, element, sides.row(n), group);
      else if (element != 0)
        return padding_error(n, "group", group);
    }
  }
  return {};
}

/// A square of elements, a 64-bit word a row.
template <class Element>
struct Square {
  static constexpr uint32_t kSide = 8 / sizeof(Element);
  std::array<uint64_t, kSide> words;

  void transpose() {
    for (uint32_t half = kSide / 2; half > 0; half /= 2) {
      const uint32_t shift = 8 * static_cast<uint32_t>(sizeof(Element)) * half;
      const uint64_t low = ~uint64_t{0} / ((uint64_t{1} << shift) + 1);  // every other `shift` bits
      for (uint32_t i = 0; i < kSide; ++i) {
        if ((i & half) != 0) continue;
        const uint64_t moved = (words[i] >> shift ^ words[i + half]) & low;
        words[i] ^= moved << shift;
        words[i + half] ^= moved;
      }
    }
  }
};

/// Rows of the source in the order of a run's 64 elements.
std::array<uint32_t, kChannels> sources_of(GroupOrder order) {
  std::array<uint32_t, kChannels> sources{};
  for (uint32_t at = 0; at < kChannels; ++at) sources[at] = layouts::src_of_channel(order, at);
  return sources;
}

/// Calls whole(row0, group0) for each 64 rows x kSide groups without padding, edge(row0, group0,
/// group1) for the rest; stops at the first error.
template <class Element, class Whole, class Edge>
Status for_each_block(const PaddedBox& box, const Whole& whole, const Edge& edge) {
  constexpr uint32_t kSide = Square<Element>::kSide;
  for (uint64_t row0 = 0; row0 < box.padded_rows; row0 += kChannels) {
    uint64_t group = 0;
    if (row0 + kChannels <= box.rows)
      for (; group + kSide <= box.columns; group += kSide) whole(row0, group);
    IMP_TRY(edge(row0, group, box.padded_columns));
  }
  return {};
}

template <class Element>
void pack_squares(const PackSides& sides) {
  using Block = Square<Element>;
  const auto sources = sources_of(sides.order);
  const auto whole = [&](uint64_t row0, uint64_t group0) {
    for (uint32_t at = 0; at < kChannels; at += Block::kSide) {
      Block block;
      for (uint32_t i = 0; i < Block::kSide; ++i)
        block.words[i] =
            load_le<uint64_t>(sides.row(row0 + sources[at + i]) + group0 * sizeof(Element));
      block.transpose();
      for (uint32_t i = 0; i < Block::kSide; ++i)
        store_le(sides.run(group0 + i) + (row0 + at) * sizeof(Element), block.words[i]);
    }
  };
  const auto edge = [&](uint64_t row0, uint64_t group0, uint64_t group1) -> Status {
    for (uint64_t group = group0; group < group1; ++group)
      std::fill_n(sides.run(group) + row0 * sizeof(Element), kChannels * sizeof(Element),
                  std::byte{0});
    pack_elements(sides, row0, row0 + kChannels, group0, group1);
    return {};
  };
  (void)for_each_block<Element>(sides.box, whole, edge);
}

template <class Element>
Status unpack_squares(const UnpackSides& sides) {
  using Block = Square<Element>;
  const auto sources = sources_of(sides.order);
  const auto whole = [&](uint64_t row0, uint64_t group0) {
    for (uint32_t at = 0; at < kChannels; at += Block::kSide) {
      Block block;
      for (uint32_t i = 0; i < Block::kSide; ++i)
        block.words[i] = load_le<uint64_t>(sides.run(group0 + i) + (row0 + at) * sizeof(Element));
      block.transpose();
      for (uint32_t i = 0; i < Block::kSide; ++i)
        store_le(sides.row(row0 + sources[at + i]) + group0 * sizeof(Element), block.words[i]);
    }
  };
  return for_each_block<Element>(
      sides.box, whole, [&](uint64_t row0, uint64_t group0, uint64_t group1) {
        return unpack_elements(sides, row0, row0 + kChannels, group0, group1);
      });
}

[[maybe_unused]] bool sizes_fit(GroupOrder order, uint32_t bits, const PaddedBox& box,
                                uint64_t plane_bytes, uint64_t packed_bytes) {
  const Runs runs = group_runs(order, bits, box.padded_rows, box.padded_columns);
  return box.rows <= box.padded_rows && box.columns <= box.padded_columns &&
         plane_bytes == box.rows * row_bytes(bits, box.columns) &&
         packed_bytes == runs.count * runs.bytes;
}

}  // namespace

Runs group_runs([[maybe_unused]] GroupOrder order, uint32_t bits, uint64_t padded_rows,
                uint64_t padded_groups) {
  assert(padded_rows % kChannels == 0);
  assert((bits == 4) == (order == GroupOrder::kZero4) && (bits == 4 || bits == 8 || bits == 16));
  return {padded_groups, row_bytes(bits, padded_rows)};
}

void groups_pack(GroupOrder order, uint32_t bits, Bytes plane, const PaddedBox& box, Path path,
                 MutableBytes out) {
  assert(sizes_fit(order, bits, box, plane.size(), out.size()));
  const PackSides sides{order, bits, box, out.data(), plane.data()};
  if (path == Path::kWord && bits == 8) return pack_squares<uint8_t>(sides);
  if (path == Path::kWord && bits == 16) return pack_squares<uint16_t>(sides);
  std::fill(out.begin(), out.end(), std::byte{0});
  pack_elements(sides, 0, box.rows, 0, box.columns);
}

Status groups_unpack(GroupOrder order, uint32_t bits, Bytes packed, const PaddedBox& box, Path path,
                     MutableBytes plane) {
  assert(sizes_fit(order, bits, box, plane.size(), packed.size()));
  const UnpackSides sides{order, bits, box, packed.data(), plane.data()};
  if (path == Path::kWord && bits == 8) return unpack_squares<uint8_t>(sides);
  if (path == Path::kWord && bits == 16) return unpack_squares<uint16_t>(sides);
  std::fill(plane.begin(), plane.end(), std::byte{0});
  return unpack_elements(sides, 0, box.padded_rows, 0, box.padded_columns);
}

}  // namespace imp::repack

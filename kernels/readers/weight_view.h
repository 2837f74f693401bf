// What a reader is given: one expert of one form, as raw pointers, on the host or on the device.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/readers/hd.h"
#include "src/base/dtype.h"

namespace imp::kernels {

/// Registry numbers, shapes and component pointers (formats/imp/SPEC.md). Components that the form
/// has not are null. Nothing is assumed about their alignment.
struct WeightView {
  uint16_t layout = 0;
  uint16_t scheme = 0;
  uint16_t dialect = 0;            ///< FormRecord::dialect; of plain, how the codes are stored
  Dtype dtype = Dtype::kU8;        ///< of the codes where the scheme is an unquantised one
  Dtype scale_dtype = Dtype::kU8;  ///< of block_scale where the scheme does not fix it
  uint64_t n = 0;                  ///< without padding
  uint64_t k = 0;
  uint64_t padded_n =
      0;  ///< of the form, where the layout pads by the operand's shape; else unused
  uint64_t padded_k = 0;
  uint64_t group_size = 0;  ///< columns under one block scale, at least k for one a row; 0: none
  uint64_t group_rows = 0;  ///< rows under one block scale; 0 and 1: each row has its own
  const uint8_t* codes = nullptr;  ///< component codes or blocks
  const uint8_t* block_scale = nullptr;
  const uint8_t* zero_point = nullptr;
  const uint8_t* group_min = nullptr;
  const uint8_t* super_scale = nullptr;
  const uint8_t* super_min = nullptr;
  const uint8_t* lut = nullptr;
  const uint8_t* bitmask = nullptr;
  const uint8_t* row_offsets = nullptr;
  const uint8_t* group_index = nullptr;
};

/// A reader puts every weight of a tile of so many rows and columns.
inline constexpr uint32_t kReaderRows = 64;
inline constexpr uint32_t kReaderColumns = 64;
inline constexpr uint32_t kReaderLanes = 32;

// Little-endian loads at any alignment.
IMP_HD inline uint32_t load_u8(const uint8_t* plane, uint64_t byte) { return plane[byte]; }
IMP_HD inline uint32_t load_u16(const uint8_t* plane, uint64_t byte) {
  return plane[byte] | static_cast<uint32_t>(plane[byte + 1]) << 8;
}
IMP_HD inline uint32_t load_u32(const uint8_t* plane, uint64_t byte) {
  return load_u16(plane, byte) | load_u16(plane, byte + 2) << 16;
}
IMP_HD inline uint64_t load_u64(const uint8_t* plane, uint64_t byte) {
  return load_u32(plane, byte) | static_cast<uint64_t>(load_u32(plane, byte + 4)) << 32;
}

IMP_HD constexpr uint64_t quotient_up(uint64_t value, uint64_t unit) {
  return value / unit + (value % unit != 0 ? 1 : 0);
}

}  // namespace imp::kernels

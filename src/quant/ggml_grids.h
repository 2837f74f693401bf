// Points of the lattices of the IQ1, IQ2 and IQ3 types, one 16-bit word each: eight coordinates of
// 2 bits, or four of 4 bits, the first lowest. A coordinate indexes the table beside the grid.
#pragma once

#include <array>
#include <cstdint>

namespace imp::quant {

extern const std::array<uint16_t, 256> kIq2XxsGrid;
extern const std::array<uint16_t, 512> kIq2XsGrid;
extern const std::array<uint16_t, 1024> kIq2SGrid;
inline constexpr std::array<uint8_t, 3> kIq2Coordinates = {8, 25, 43};

extern const std::array<uint16_t, 256> kIq3XxsGrid;
inline constexpr std::array<uint8_t, 8> kIq3XxsCoordinates = {4, 12, 20, 28, 36, 44, 52, 62};
extern const std::array<uint16_t, 512> kIq3SGrid;
inline constexpr std::array<uint8_t, 8> kIq3SCoordinates = {1, 3, 5, 7, 9, 11, 13, 15};

/// Coordinate c is c - 1.
extern const std::array<uint16_t, 2048> kIq1Grid;

}  // namespace imp::quant

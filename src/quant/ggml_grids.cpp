#include "src/quant/ggml_grids.h"

#include "src/quant/ggml_grid_points.h"

namespace imp::quant {

const std::array<uint16_t, 256> kIq2XxsGrid = std::to_array(kIq2XxsPoints.at);
const std::array<uint16_t, 512> kIq2XsGrid = std::to_array(kIq2XsPoints.at);
const std::array<uint16_t, 1024> kIq2SGrid = std::to_array(kIq2SPoints.at);
const std::array<uint16_t, 256> kIq3XxsGrid = std::to_array(kIq3XxsPoints.at);
const std::array<uint16_t, 512> kIq3SGrid = std::to_array(kIq3SPoints.at);
const std::array<uint16_t, 2048> kIq1Grid = std::to_array(kIq1Points.at);

}  // namespace imp::quant

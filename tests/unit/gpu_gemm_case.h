// One GEMM on the card against float64: random planes packed by the reference packer, so that
// layout headers and repack code stay out of it.
#pragma once

#include <cstdint>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "kernels/gemm/gemm.h"

namespace imp::testing {

using kernels::Float;

/// What the weights are, by the numbers of operand records.
struct WeightFormat {
  uint16_t scheme = 16;              ///< NVFP4; 18 MXFP4, 36 int4
  uint64_t group = 16;               ///< of int4: k or more is a scale a row
  Dtype scale_dtype = Dtype::kBF16;  ///< of int4
  bool zero_points = false;          ///< of int4
  /// MXFP4: scale bytes lie between. Int4: the scales have all mantissa bits of their type, else so
  /// few that sparse sums are exact.
  uint8_t least_scale = 119, most_scale = 124;
  bool all_mantissas = false;
};

struct GemmShape {
  uint64_t n = 0, k = 0;
  WeightFormat format = {};
  uint32_t experts = 1;
  std::vector<uint64_t> part_end = {};  ///< empty: one part
  bool bias = false;
  Float bias_type = Float::kF32;
  bool k_scale = false;
  bool k_gather = false;
};

/// 16-bit activations as they are and as numbers.
struct Rows {
  Float type = Float::kBf16;
  uint64_t m = 0, k = 0;
  std::vector<uint16_t> bits;
  double at(uint64_t row, uint64_t column) const;
  static Rows zeros(Float type, uint64_t m, uint64_t k);
  void set(uint64_t row, uint64_t column, float value);
};
Rows random_rows(Float type, uint64_t m, uint64_t k, unsigned seed);
/// At most four +-1 a row.
Rows sparse_rows(Float type, uint64_t m, uint64_t k, unsigned seed);

struct GemmOptions {
  kernels::GemmKernel kernel = kernels::GemmKernel::kAuto;
  Float y_type = Float::kF32;
  bool layout_order = false;  ///< X is handed over in the k order of the layout
  bool overlap = false;
  uint32_t token_tile = 0;
  uint64_t shared_memory_limit_bytes = 0;
  std::vector<uint32_t> rows_end = {};  ///< grouped call
  int repeats = 1;                      ///< launches; all must give the same bits
  bool graph = false;                   ///< launches come from a captured graph
};

/// Weights on the host and on the device.
class GemmCase {
 public:
  GemmCase(const GemmShape& shape, const cuda::Device& device, unsigned seed);

  /// Y as numbers [m, n]; rows no expert takes are NaN. Throws std::runtime_error with what went
  /// wrong: an error of the library, bits that differ between repeats, a write outside of Y, or a
  /// workspace that was not left as it was found.
  std::vector<float> run(const Rows& x, const GemmOptions& options);

  /// sum of x * w (before multiplier and bias) and of |x * w|, in float64.
  struct Sums {
    double exact = 0, magnitude = 0;
  };
  Sums sums(const Rows& x, uint64_t row, uint32_t expert, uint64_t n) const;
  float weight(uint32_t expert, uint64_t n, uint64_t k) const;  ///< code * scale
  float multiplier(uint32_t expert, uint64_t n) const;
  float bias(uint32_t expert, uint64_t n) const;
  const GemmShape& shape() const { return shape_; }
  kernels::GemmCall call() const;  ///< weight only

 private:
  void fill_planes(unsigned seed);
  void fill_nvfp4(std::mt19937_64& random);
  void fill_mxfp4(std::mt19937_64& random);
  void fill_int4(std::mt19937_64& random);
  uint64_t groups() const;
  void upload();

  GemmShape shape_;
  cuda::Device device_;
  std::vector<uint8_t> codes_;            ///< [E, N, K], one a byte
  std::vector<uint32_t> scales_, zeros_;  ///< [E, N, groups], bits
  std::vector<float> multipliers_, bias_, k_scale_;
  std::vector<uint32_t> k_gather_;
  std::vector<float> weights_;
  std::optional<cuda::Stream> stream_;
  cuda::DeviceBuffer blocks_, scales_device_, zeros_device_, multiplier_device_, bias_device_,
      k_scale_device_, k_gather_device_;
  uint64_t expert_bytes_ = 0, scale_bytes_ = 0, zero_bytes_ = 0;
};

}  // namespace imp::testing

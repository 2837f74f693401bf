// The scalar GEMM on the card: bit for bit the CPU's sums, for every reader, and what only a GPU
// kernel has to do: parts, bias, types of Y, experts, gathered and scaled X.
#include <bit>
#include <cmath>
#include <random>

#include "kernels/gemm/gemm.h"
#include "src/quant/bf16.h"
#include "src/quant/f16.h"
#include "tests/unit/device_weight.h"
#include "tests/unit/engine_weights.h"
#include "tests/unit/gemm_variants.h"
#include "tests/unit/ggml_weights.h"
#include "tests/unit/gpu.h"
#include "tests/unit/plain_weights.h"

namespace imp::testing {
namespace {

using kernels::Float;
using kernels::GemmKernel;
using kernels::PackedWeight;

/// X [m, k] as bits and as numbers.
struct Activations {
  Float type;
  uint64_t m, k;
  std::vector<uint16_t> bits;
  std::vector<float> values;
};

Activations random_x(Float type, uint64_t m, uint64_t k, uint32_t seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  Activations x{type, m, k, {}, {}};
  for (uint64_t i = 0; i < m * k; ++i) {
    const float v = normal(random);
    x.bits.push_back(type == Float::kF16 ? quant::f16_from_float(v) : quant::bf16_from_float(v));
    x.values.push_back(type == Float::kF16 ? quant::f16_to_float(x.bits.back())
                                           : quant::bf16_to_float(x.bits.back()));
  }
  return x;
}

/// Accumulators [m, n] of the CPU's GEMM.
std::vector<float> cpu_sums(const PackedWeight& weight, const std::vector<float>& x, uint64_t m) {
  std::vector<float> sums(m * weight.n);
  for (uint64_t n0 = 0; n0 < weight.n; n0 += kernels::kTileRows) {
    const uint64_t rows = std::min(kernels::kTileRows, weight.n - n0);
    std::vector<float> acc(m * rows);
    EXPECT_TRUE(kernels::cpu_gemm_accumulate(weight, n0, rows, x.data(), m, acc.data()).ok());
    for (uint64_t i = 0; i < m; ++i)
      for (uint64_t r = 0; r < rows; ++r) sums[i * weight.n + n0 + r] = acc[i * rows + r];
  }
  return sums;
}

uint32_t rounded_bits(Float type, float value) {
  if (type == Float::kF32) return std::bit_cast<uint32_t>(value);
  return type == Float::kF16 ? quant::f16_from_float(value) : quant::bf16_from_float(value);
}

/// Same bits, or both NaN.
bool same(Float type, uint32_t a, uint32_t b) {
  if (a == b) return true;
  if (type != Float::kF32) return false;
  return std::isnan(std::bit_cast<float>(a)) && std::isnan(std::bit_cast<float>(b));
}

class GpuScalarGemm : public GpuTest {
 protected:
  /// Y [m, n] as bits of y_type.
  std::vector<uint32_t> run(kernels::GemmCall call, const Activations& x, Float y_type) {
    const uint64_t n = call.weight.n, stride = (x.k + 7) / 8 * 8;
    std::vector<uint16_t> rows(x.m * stride, 0x7FFF);  // NaN behind each row
    for (uint64_t i = 0; i < x.m; ++i) std::copy_n(&x.bits[i * x.k], x.k, &rows[i * stride]);
    const cuda::DeviceBuffer x_device = on_device(rows);
    const uint64_t bytes = y_type == Float::kF32 ? 4 : 2;
    const cuda::DeviceBuffer y_device = on_device(std::vector<std::byte>(x.m * n * bytes));
    call.x = x_device.data();
    call.x_type = x.type;
    call.m = x.m;
    call.x_stride = stride;
    call.y = y_device.data();
    call.y_type = y_type;
    call.y_stride = n;
    call.kernel = GemmKernel::kScalar;
    const auto workspace_bytes = kernels::gemm_workspace_bytes(call, device());
    EXPECT_TRUE(workspace_bytes.ok()) << workspace_bytes.error().to_line();
    if (!workspace_bytes.ok()) return std::vector<uint32_t>(x.m * n);
    const cuda::DeviceBuffer workspace = on_device(std::vector<std::byte>(*workspace_bytes));
    call.workspace = workspace.data();
    call.workspace_bytes = *workspace_bytes;
    const Status status = kernels::gemm(call, device(), nullptr);
    EXPECT_TRUE(status.ok()) << status.error().to_line();
    std::vector<std::byte> y(x.m * n * bytes);
    EXPECT_TRUE(cuda::copy_to_host(y, y_device.data(), nullptr).ok());
    const Status done = cuda::synchronize();
    EXPECT_TRUE(done.ok()) << done.error().to_line();
    std::vector<uint32_t> bits(x.m * n);
    for (size_t i = 0; i < bits.size(); ++i) std::memcpy(&bits[i], &y[i * bytes], bytes);
    return bits;
  }

  /// One part, no bias, f32: every bit of Y.
  void expect_cpu_bits(const PackedWeight& weight, uint64_t m, Float type,
                       const std::string& name) {
    SCOPED_TRACE(name + ", m " + std::to_string(m));
    const float multiplier = 0x1.9a3b57p-3f;
    const DeviceOperand operand({weight}, {{weight.n}, {multiplier}});
    const Activations x = random_x(type, m, weight.k, static_cast<uint32_t>(m));
    kernels::GemmCall call;
    call.weight = operand.weight;
    const std::vector<uint32_t> y = run(call, x, Float::kF32);
    const std::vector<float> sums = cpu_sums(weight, x.values, m);
    const float unit = kernels::accumulator_unit(weight.layout, weight.scheme);
    size_t differing = 0;
    for (size_t i = 0; i < y.size(); ++i) {
      const float want = kernels::cpu_gemm_epilogue(sums[i], multiplier, unit, nullptr);
      differing += same(Float::kF32, y[i], std::bit_cast<uint32_t>(want)) ? 0 : 1;
    }
    EXPECT_EQ(differing, 0u);
  }
};

TEST_F(GpuScalarGemm, EveryVariantHasTheBitsOfTheCpu) {
  uint32_t seed = 1;
  for (const test::VariantCase& c : test::variant_cases()) {
    test::PackedVariant packed = test::make_variant(c, seed);
    packed.refresh();
    expect_cpu_bits(packed.weight, 1 + seed % 20, seed % 2 == 0 ? Float::kBf16 : Float::kF16,
                    c.name());
    ++seed;
  }
}

TEST_F(GpuScalarGemm, EveryGgufVariantHasTheBitsOfTheCpu) {
  uint32_t seed = 1;
  for (const test::ggml::Case& c : test::ggml::cases()) {
    const test::ggml::Packed packed(c, test::ggml::random_weight(c, seed));
    expect_cpu_bits(packed.weight, 1 + seed % 20, Float::kBf16, c.name());
    ++seed;
  }
}

TEST_F(GpuScalarGemm, EveryPlainEncodingHasTheBitsOfTheCpu) {
  uint32_t seed = 1;
  for (const test::plain::Case& c : test::plain::cases()) {
    test::plain::Weight weight = test::plain::make(c, seed);
    weight.refresh();
    expect_cpu_bits(weight.weight, 1 + seed % 20, seed % 2 == 0 ? Float::kBf16 : Float::kF16,
                    c.name());
    ++seed;
  }
}

TEST_F(GpuScalarGemm, EveryLayoutOfOtherEnginesHasTheBitsOfTheCpu) {
  uint32_t seed = 1;
  for (const test::EngineCase& c : test::engine_cases()) {
    test::EngineWeight made =
        test::make_engine_weight(c, test::random_engine_elements(c, seed), {1, 0.0123f});
    made.refresh(c.machete());
    expect_cpu_bits(made.weight, 1 + seed % 20, Float::kBf16, c.name());
    ++seed;
  }
}

TEST_F(GpuScalarGemm, IdentityGivesEveryWeight) {
  uint32_t seed = 1;
  for (const test::VariantCase& c : test::variant_cases()) {
    if (c.n != 70) continue;
    SCOPED_TRACE(c.name());
    test::PackedVariant packed = test::make_variant(c, seed++);
    packed.refresh();
    const DeviceOperand operand({packed.weight}, {{c.n}, {1.0f}});
    Activations x{Float::kBf16, c.k, c.k, std::vector<uint16_t>(c.k * c.k), {}};
    for (uint64_t i = 0; i < c.k; ++i) x.bits[i * c.k + i] = 0x3F80;
    kernels::GemmCall call;
    call.weight = operand.weight;
    const std::vector<uint32_t> y = run(call, x, Float::kF32);
    size_t differing = 0;
    for (uint64_t k = 0; k < c.k; ++k)
      for (uint64_t n = 0; n < c.n; ++n)
        differing += std::bit_cast<float>(y[k * c.n + n]) == packed.values[n * c.k + k] ? 0 : 1;
    EXPECT_EQ(differing, 0u);
  }
}

test::PackedVariant int4_variant(uint64_t n, uint64_t k, uint32_t seed) {
  test::PackedVariant packed =
      test::make_variant({test::kMma64, test::kInt4, n, k, 32, 0, Dtype::kBF16, true}, seed);
  packed.refresh();
  return packed;
}

/// Parts with multipliers of their own, a bias, every type of Y, any number of rows of X.
TEST_F(GpuScalarGemm, PartsBiasAndTypesOfY) {
  const test::PackedVariant packed = int4_variant(150, 160, 3);
  const Parts parts{{64, 150}, {0x1.9a3b57p-3f, 0x1.f00001p-2f}};
  const DeviceOperand operand({packed.weight}, parts);
  std::vector<float> bias;
  for (uint32_t n = 0; n < 150; ++n) bias.push_back(0.37f * static_cast<float>(n) - 11);
  const cuda::DeviceBuffer bias_device = on_device(bias);
  for (const uint64_t m : {1u, 15u, 16u, 17u, 40u})
    for (const Float x_type : {Float::kBf16, Float::kF16})
      for (const Float y_type : {x_type, Float::kF32}) {
        const Activations x = random_x(x_type, m, 160, static_cast<uint32_t>(m));
        kernels::GemmCall call;
        call.weight = operand.weight;
        call.weight.bias = bias_device.data();
        const std::vector<uint32_t> y = run(call, x, y_type);
        const std::vector<float> sums = cpu_sums(packed.weight, x.values, m);
        for (size_t i = 0; i < y.size(); ++i) {
          const uint64_t n = i % 150;
          const float want =
              kernels::cpu_gemm_epilogue(sums[i], parts.multiplier[n < 64 ? 0 : 1], 1.0f, &bias[n]);
          ASSERT_EQ(y[i], rounded_bits(y_type, want)) << "m " << m << ", element " << i;
        }
      }
}

/// Rows of X sorted by expert, one expert without rows.
TEST_F(GpuScalarGemm, Experts) {
  std::vector<test::PackedVariant> experts;
  for (const uint32_t seed : {5u, 6u, 7u}) experts.push_back(int4_variant(70, 96, seed));
  for (test::PackedVariant& expert : experts) expert.refresh();  // its spans are into itself
  const DeviceOperand operand({experts[0].weight, experts[1].weight, experts[2].weight},
                              {{70}, {0.5f, 0.25f, 2.0f}});
  const std::vector<uint32_t> rows_end = {19, 19, 24};
  const cuda::DeviceBuffer rows_end_device = on_device(rows_end);
  const Activations x = random_x(Float::kBf16, 24, 96, 8);
  kernels::GemmCall call;
  call.weight = operand.weight;
  call.rows_end = rows_end_device.as<const uint32_t>();
  const std::vector<uint32_t> y = run(call, x, Float::kF32);
  for (uint64_t i = 0; i < 24; ++i) {
    const size_t e = i < 19 ? 0 : 2;
    const std::vector<float> row(&x.values[i * 96], &x.values[i * 96] + 96);
    const std::vector<float> sums = cpu_sums(experts[e].weight, row, 1);
    for (uint64_t n = 0; n < 70; ++n)
      ASSERT_EQ(std::bit_cast<float>(y[i * 70 + n]), sums[n] * (e == 0 ? 0.5f : 2.0f))
          << "row " << i << ", n " << n;
  }
}

/// X' = X gathered, times k_scale, rounded to the type of X.
TEST_F(GpuScalarGemm, GatheredAndScaledX) {
  const test::PackedVariant packed = int4_variant(70, 100, 9);
  const DeviceOperand operand({packed.weight}, {{70}, {1.0f}});
  std::vector<uint32_t> gather(100);
  std::vector<float> scale(100);
  for (uint32_t k = 0; k < 100; ++k) {
    gather[k] = k * 37 % 100;
    scale[k] = 0.5f + 0.013f * static_cast<float>(k);
  }
  const cuda::DeviceBuffer gather_device = on_device(gather), scale_device = on_device(scale);
  const Activations x = random_x(Float::kBf16, 5, 100, 10);
  kernels::GemmCall call;
  call.weight = operand.weight;
  call.weight.k_gather = gather_device.as<const uint32_t>();
  call.weight.k_scale = scale_device.as<const float>();
  const std::vector<uint32_t> y = run(call, x, Float::kF32);
  std::vector<float> gathered(x.values.size());
  for (size_t i = 0; i < gathered.size(); ++i) {
    const float value = x.values[i / 100 * 100 + gather[i % 100]] * scale[i % 100];
    gathered[i] = quant::bf16_to_float(quant::bf16_from_float(value));
  }
  const std::vector<float> sums = cpu_sums(packed.weight, gathered, 5);
  for (size_t i = 0; i < y.size(); ++i) ASSERT_EQ(std::bit_cast<float>(y[i]), sums[i]) << i;
}

/// Control: a changed bit of each plane is seen.
TEST_F(GpuScalarGemm, DamageIsSeen) {
  test::PackedVariant packed = int4_variant(70, 96, 11);
  const Activations x = random_x(Float::kBf16, 1, 96, 12);
  const std::vector<float> sums = cpu_sums(packed.weight, x.values, 1);
  const std::vector<float> before = sums;
  for (std::vector<std::byte>* plane : {&packed.codes, &packed.scales, &packed.zero_points}) {
    (*plane)[(*plane).size() / 4] ^= std::byte{2};
    const DeviceOperand operand({packed.weight}, {{70}, {1.0f}});
    kernels::GemmCall call;
    call.weight = operand.weight;
    const std::vector<uint32_t> y = run(call, x, Float::kF32);
    size_t differing = 0;
    for (size_t n = 0; n < 70; ++n) differing += std::bit_cast<float>(y[n]) == before[n] ? 0 : 1;
    EXPECT_EQ(differing, 1u);
    (*plane)[(*plane).size() / 4] ^= std::byte{2};
  }
}

}  // namespace
}  // namespace imp::testing

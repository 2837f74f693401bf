// Dequantisation on a card: every bit of every output type, every layout.
#include <bit>
#include <cmath>
#include <cstring>
#include <string>

#include "kernels/dequant/dequant.h"
#include "tests/unit/cpu_identity.h"
#include "tests/unit/dequant_expected.h"
#include "tests/unit/device_weight.h"
#include "tests/unit/engine_weights.h"
#include "tests/unit/gemm_variants.h"
#include "tests/unit/ggml_weights.h"
#include "tests/unit/gpu.h"
#include "tests/unit/plain_weights.h"

namespace imp::kernels {
namespace {

using test::Nvfp4Matrix;

constexpr uint16_t kLayouts[] = {test::kPlainLayout, test::kMma64Layout, test::kNativeLayout};
constexpr std::byte kUnwritten{0xA5};

class GpuDequant : public imp::testing::GpuTest {};

cuda::DeviceBuffer on_device(Bytes host) {
  auto buffer = cuda::DeviceBuffer::allocate(host.size());
  EXPECT_TRUE(buffer.ok());
  EXPECT_TRUE(cuda::copy_to_device(buffer->data(), host, nullptr).ok());
  return std::move(buffer).take();
}

/// The same matrix twice as two experts, the second with twice the multipliers.
struct OnDevice {
  OnDevice(const Nvfp4Matrix& matrix, uint16_t layout, const test::Parts& parts) {
    const test::PackedForm form = test::pack_form(matrix, layout);
    operand.expert_stride_bytes = form.codes.size();
    operand.block_scale.expert_stride_bytes = form.scales.size();
    std::vector<std::byte> codes = form.codes, scales = form.scales;
    codes.insert(codes.end(), form.codes.begin(), form.codes.end());
    scales.insert(scales.end(), form.scales.begin(), form.scales.end());
    std::vector<float> multipliers = parts.multiplier;
    for (const float m : parts.multiplier) multipliers.push_back(2 * m);
    codes_ = on_device(codes);
    scales_ = on_device(scales);
    multipliers_ = on_device(std::as_bytes(std::span(multipliers)));
    operand.layout = layout;
    operand.scheme = test::kNvfp4Scheme;
    operand.n = matrix.codes.rows;
    operand.k = matrix.codes.columns;
    operand.experts = 2;
    operand.blocks = codes_.data();
    operand.multiplier = multipliers_.as<const float>();
    operand.parts = static_cast<uint32_t>(parts.end.size());
    std::copy(parts.end.begin(), parts.end.end(), operand.part_end.begin());
    operand.block_scale.data = scales_.data();
  }
  DeviceWeight operand;

 private:
  cuda::DeviceBuffer codes_, scales_, multipliers_;
};

uint32_t element(const std::vector<std::byte>& bytes, size_t index, Float type) {
  uint32_t bits = 0;
  std::memcpy(&bits, &bytes[index * test::float_bytes(type)], test::float_bytes(type));
  return bits;
}

/// Differing elements of [N, K], plus bytes between and behind the rows that were written.
size_t count_wrong(const std::vector<std::byte>& out, const Nvfp4Matrix& matrix, uint16_t layout,
                   const test::Parts& parts, float factor, Float type, uint64_t stride) {
  const uint64_t n = matrix.codes.rows, k = matrix.codes.columns;
  uint32_t unwritten = 0;
  std::memset(&unwritten, 0xA5, test::float_bytes(type));
  test::Parts scaled = parts;
  for (float& multiplier : scaled.multiplier) multiplier *= factor;
  size_t wrong = 0;
  for (uint64_t i = 0; i < out.size() / test::float_bytes(type); ++i) {
    uint32_t expected = unwritten;
    if (i / stride < n && i % stride < k) {
      expected = test::rounded_bits(
          test::expected_value(matrix, layout, scaled, i / stride, i % stride), type);
    }
    wrong += element(out, i, type) == expected ? 0 : 1;
  }
  return wrong;
}

void expect_matrix(const Nvfp4Matrix& matrix, const test::Parts& parts) {
  const uint64_t k = matrix.codes.columns, stride = k + 8;
  for (const uint16_t layout : kLayouts) {
    const OnDevice on_card(matrix, layout, parts);
    for (const Float type : test::kFloats)
      for (uint32_t expert = 0; expert < 2; ++expert) {
        SCOPED_TRACE("layout " + std::to_string(layout) + ", type " +
                     std::to_string(static_cast<int>(type)) + ", expert " + std::to_string(expert));
        std::vector<std::byte> out((matrix.codes.rows + 1) * stride * test::float_bytes(type),
                                   kUnwritten);
        const cuda::DeviceBuffer device_out = on_device(out);
        const Status status =
            dequantise(on_card.operand, expert, device_out.data(), type, stride, nullptr);
        ASSERT_TRUE(status.ok()) << status.error().to_line();
        ASSERT_TRUE(cuda::copy_to_host(out, device_out.data(), nullptr).ok());
        ASSERT_TRUE(cuda::synchronize().ok());
        EXPECT_EQ(count_wrong(out, matrix, layout, parts, expert == 0 ? 1.0f : 2.0f, type, stride),
                  0u);
      }
  }
}

TEST_F(GpuDequant, EveryCodeAndScale) {
  expect_matrix(test::every_code_and_scale(), {{128}, {0x1.9a3b57p-3f}});
}

/// f16 overflows to infinity here and bf16 does not; small multipliers give f16 subnormals.
TEST_F(GpuDequant, RangesOfMultipliers) {
  for (const float multiplier : {1.0f, 0x1.9a3b57p8f, 0x1.234568p-22f, 0x1.8p110f})
    expect_matrix(test::every_code_and_scale(), {{128}, {multiplier}});
}

TEST_F(GpuDequant, ShapesWithShortTilesAndParts) {
  const std::pair<size_t, size_t> shapes[] = {{65, 80}, {130, 48}, {200, 1040}, {129, 2064}};
  for (const auto& [n, k] : shapes) {
    SCOPED_TRACE(std::to_string(n) + " x " + std::to_string(k));
    expect_matrix(test::random_matrix(n, k, static_cast<uint32_t>(n + k)),
                  {{64, n}, {0x1.9a3b57p-3f, 0x1.f00001p-2f}});
  }
}

/// Control: one changed bit of the packed bytes is seen.
TEST_F(GpuDequant, DamageIsSeen) {
  Nvfp4Matrix matrix = test::every_code_and_scale();
  const test::Parts parts{{128}, {1.0f}};
  for (const uint16_t layout : kLayouts) {
    Nvfp4Matrix damaged = matrix;
    damaged.codes.at[16 * 60 + 5] ^= 2;
    const OnDevice on_card(damaged, layout, parts);
    std::vector<std::byte> out(128 * 16 * 4, kUnwritten);
    const cuda::DeviceBuffer device_out = on_device(out);
    ASSERT_TRUE(dequantise(on_card.operand, 0, device_out.data(), Float::kF32, 16, nullptr).ok());
    ASSERT_TRUE(cuda::copy_to_host(out, device_out.data(), nullptr).ok());
    ASSERT_TRUE(cuda::synchronize().ok());
    EXPECT_EQ(count_wrong(out, matrix, layout, parts, 1.0f, Float::kF32, 16), 1u);
  }
}

/// Through the readers: value * (multiplier * unit), rounded to each type, the second expert with
/// numbers of its own, nothing between or behind the rows.
class GpuDequantReaders : public GpuDequant {
 protected:
  void expect_values(const PackedWeight& weight, const std::string& name) {
    SCOPED_TRACE(name);
    const imp::testing::Parts parts{{weight.n}, {0x1.9a3b57p-3f, 0x1.f00001p-2f}};
    const imp::testing::DeviceOperand operand({weight, weight}, parts);
    const std::vector<float> values = identity(weight);
    const float unit = accumulator_unit(weight.layout, weight.scheme);
    const uint64_t stride = (weight.k + 8 + 7) / 8 * 8;
    for (const Float type : test::kFloats)
      for (uint32_t expert = 0; expert < 2; ++expert) {
        std::vector<std::byte> out((weight.n + 1) * stride * test::float_bytes(type), kUnwritten);
        const cuda::DeviceBuffer device_out = on_device(out);
        const Status status =
            dequantise(operand.weight, expert, device_out.data(), type, stride, nullptr);
        ASSERT_TRUE(status.ok()) << status.error().to_line();
        ASSERT_TRUE(cuda::copy_to_host(out, device_out.data(), nullptr).ok());
        ASSERT_TRUE(cuda::synchronize().ok());
        uint32_t unwritten = 0;
        std::memcpy(&unwritten, &out[out.size() - 4], test::float_bytes(type));
        size_t wrong = 0;
        for (uint64_t i = 0; i < (weight.n + 1) * stride; ++i) {
          const uint64_t n = i / stride, k = i % stride;
          const uint32_t got = element(out, i, type);
          if (n >= weight.n || k >= weight.k) {
            wrong += got == unwritten ? 0 : 1;
            continue;
          }
          const float want = values[n * weight.k + k] * (parts.multiplier[expert] * unit);
          if (!std::isnan(want)) wrong += got == test::rounded_bits(want, type) ? 0 : 1;
        }
        EXPECT_EQ(wrong, 0u) << "type " << static_cast<int>(type) << ", expert " << expert;
      }
  }
};

TEST_F(GpuDequantReaders, PackedVariants) {
  uint32_t seed = 1;
  for (const test::VariantCase& c : test::variant_cases()) {
    if (c.n != 70 && c.n != 64) continue;
    test::PackedVariant packed = test::make_variant(c, seed++);
    packed.refresh();
    expect_values(packed.weight, c.name());
  }
}

TEST_F(GpuDequantReaders, CodesOfGgufBlocks) {
  uint32_t seed = 1;
  for (const test::ggml::Case& c : test::ggml::cases()) {
    if (c.n != 77 || c.k != 256) continue;
    const test::ggml::Packed packed(c, test::ggml::random_weight(c, seed++));
    expect_values(packed.weight, c.name());
  }
}

TEST_F(GpuDequantReaders, PlainForms) {
  uint32_t seed = 1;
  for (const test::plain::Case& c : test::plain::cases()) {
    test::plain::Weight weight = test::plain::make(c, seed++);
    weight.refresh();
    expect_values(weight.weight, c.name());
  }
}

TEST_F(GpuDequantReaders, LayoutsOfOtherEngines) {
  uint32_t seed = 1;
  for (const test::EngineCase& c : test::engine_cases()) {
    test::EngineWeight made =
        test::make_engine_weight(c, test::random_engine_elements(c, seed++), {1, 0.0123f});
    made.refresh(c.machete());
    expect_values(made.weight, c.name());
  }
}

}  // namespace
}  // namespace imp::kernels

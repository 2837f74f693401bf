// The native GEMM on an sm_120 or sm_121 card, the only ones with a block-scaled mma.sync.
#include <cstring>
#include <string>

#include "kernels/gemm/native_nvfp4.h"
#include "tests/unit/gpu.h"
#include "tests/unit/native_operands.h"

namespace imp::kernels {
namespace {

using test::NativeOperand;

constexpr std::byte kUnwritten{0xA5};
constexpr float kGs = 0x1.9a3b57p-4f;

class GpuNativeGemm : public imp::testing::GpuTest {
 protected:
  void SetUp() override {
    GpuTest::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    if (!native_gemm_serves(device()))
      GTEST_SKIP() << "NOT RUN, NEEDS AN sm_120 OR sm_121 CARD: this is sm_" << device().sm;
  }
};

cuda::DeviceBuffer on_device(Bytes host) {
  auto buffer = cuda::DeviceBuffer::allocate(host.size());
  EXPECT_TRUE(buffer.ok());
  EXPECT_TRUE(cuda::copy_to_device(buffer->data(), host, nullptr).ok());
  return std::move(buffer).take();
}

struct Epilogue {
  test::Parts parts;
  std::vector<float> bias;  ///< empty: none
  float operator()(float acc, uint64_t n) const {
    const float factor = parts.of_row(n) * kGs;
    const float scaled = acc * factor;
    return bias.empty() ? scaled : scaled + bias[n];
  }
};

Epilogue make_epilogue(uint64_t n, bool has_bias) {
  Epilogue epilogue;
  if (n > 64) epilogue.parts = {{64, n}, {0x1.9a3b57p-3f, 0x1.f00001p-2f}};
  if (n <= 64) epilogue.parts = {{n}, {0x1.9a3b57p-3f}};
  for (uint64_t i = 0; has_bias && i < n; ++i)
    epilogue.bias.push_back(0.37f * static_cast<float>(i % 7) - 1.0f);
  return epilogue;
}

/// Y as [m + 1, stride] elements; what the kernel must not touch stays unwritten.
struct Output {
  std::vector<std::byte> bytes;
  uint64_t stride;
  Float type;
  uint32_t bits(uint64_t i, uint64_t n) const {
    const size_t size = test::float_bytes(type);
    uint32_t out = 0;
    std::memcpy(&out, &bytes[(i * stride + n) * size], size);
    return out;
  }
  float value(uint64_t i, uint64_t n) const { return std::bit_cast<float>(bits(i, n)); }
};

Output run(const NativeOperand& x, const NativeOperand& w, const Epilogue& epilogue, Float type,
           uint64_t stride, const cuda::Device& device) {
  Output out{{}, stride, type};
  out.bytes.assign((x.rows + 1) * stride * test::float_bytes(type), kUnwritten);
  const cuda::DeviceBuffer w_codes = on_device(w.form.codes), w_scales = on_device(w.form.scales);
  const cuda::DeviceBuffer x_codes = on_device(x.form.codes), x_scales = on_device(x.form.scales);
  const cuda::DeviceBuffer multiplier =
      on_device(std::as_bytes(std::span(epilogue.parts.multiplier)));
  const cuda::DeviceBuffer gs = on_device(std::as_bytes(std::span(&kGs, 1)));
  const cuda::DeviceBuffer bias = on_device(std::as_bytes(std::span(epilogue.bias)));
  const cuda::DeviceBuffer y = on_device(out.bytes);
  NativeGemmCall call;
  call.weight.layout = test::kNativeLayout;
  call.weight.scheme = test::kNvfp4Scheme;
  call.weight.n = w.rows;
  call.weight.k = w.k;
  call.weight.blocks = w_codes.data();
  call.weight.multiplier = multiplier.as<const float>();
  call.weight.parts = static_cast<uint32_t>(epilogue.parts.end.size());
  std::copy(epilogue.parts.end.begin(), epilogue.parts.end.end(), call.weight.part_end.begin());
  if (!epilogue.bias.empty()) call.weight.bias = bias.data();
  call.block_scale = w_scales.data();
  call.x_codes = x_codes.data();
  call.x_scales = x_scales.data();
  call.x_multiplier = gs.as<const float>();
  call.m = x.rows;
  call.y = y.data();
  call.y_type = type;
  call.y_stride = stride;
  const Status status = native_gemm(call, device, nullptr);
  EXPECT_TRUE(status.ok()) << status.error().to_line();
  EXPECT_TRUE(cuda::copy_to_host(out.bytes, y.data(), nullptr).ok());
  EXPECT_TRUE(cuda::synchronize().ok());
  return out;
}

uint32_t unwritten_bits(Float type) { return test::float_bytes(type) == 2 ? 0xA5A5u : 0xA5A5A5A5u; }

bool is_zero(uint32_t bits, Float type) {
  return (bits & (test::float_bytes(type) == 2 ? 0x7FFFu : 0x7FFFFFFFu)) == 0;
}

/// Every bit: the sums are exact, see native_nvfp4.h.
void expect_exact(const NativeOperand& x, const NativeOperand& w, bool has_bias, Float type,
                  uint64_t stride, const cuda::Device& device) {
  const Epilogue epilogue = make_epilogue(w.rows, has_bias);
  const Output out = run(x, w, epilogue, type, stride, device);
  size_t wrong = 0;
  for (uint64_t i = 0; i <= x.rows; ++i)
    for (uint64_t n = 0; n < stride; ++n) {
      uint32_t expected = unwritten_bits(type);
      if (i < x.rows && n < w.rows)
        expected =
            test::rounded_bits(epilogue(static_cast<float>(test::dot(x, i, w, n).sum), n), type);
      // A sum of products that cancel, or of zeros, may be either zero.
      const bool are_zeros = is_zero(expected, type) && is_zero(out.bits(i, n), type);
      wrong += out.bits(i, n) == expected || are_zeros ? 0 : 1;
    }
  EXPECT_EQ(wrong, 0u) << x.rows << " x " << w.rows << " x " << x.k << ", type "
                       << static_cast<int>(type) << ", stride " << stride;
}

TEST_F(GpuNativeGemm, IdentityGivesTheWeights) {
  constexpr size_t kK = 208, kN = 200;
  const NativeOperand w(test::random_matrix(kN, kK, 5));
  for (const size_t m : {size_t{1}, size_t{16}, size_t{32}, size_t{33}, size_t{kK}})
    for (size_t first = 0; first + m <= kK; first += m) {
      const NativeOperand x(test::identity_rows(m, kK, first));
      expect_exact(x, w, false, Float::kF32, kN, device());
    }
}

TEST_F(GpuNativeGemm, DenseSumsThatAreExact) {
  const std::array<uint32_t, 3> shapes[] = {{1, 65, 1040},  {7, 1, 64},     {17, 200, 48},
                                            {32, 130, 528}, {33, 130, 528}, {130, 257, 2064}};
  for (const auto& [m, n, k] : shapes) {
    const NativeOperand x(test::unit_scale_matrix(m, k, m)), w(test::unit_scale_matrix(n, k, n));
    for (const Float type : test::kFloats)
      for (const uint64_t stride : {uint64_t{n}, (uint64_t{n} + 9) / 2 * 2, uint64_t{n} + 3})
        expect_exact(x, w, m % 2 == 0, type, stride, device());
  }
}

/// K additions, each losing at most 2^-22 of the sum of magnitudes; then one rounding of the
/// factor, one of the product.
TEST_F(GpuNativeGemm, RandomProductsWithinTheBound) {
  const std::array<uint32_t, 3> shapes[] = {{16, 200, 1040}, {150, 300, 1040}};
  for (const auto& [m, n, k] : shapes) {
    const NativeOperand x(test::random_matrix(m, k, m)), w(test::random_matrix(n, k, n));
    const Epilogue epilogue = make_epilogue(n, false);
    const Output out = run(x, w, epilogue, Float::kF32, n, device());
    size_t wrong = 0;
    for (uint64_t i = 0; i < m; ++i)
      for (uint64_t j = 0; j < n; ++j) {
        const test::Dot dot = test::dot(x, i, w, j);
        const double factor = double{epilogue.parts.of_row(j)} * kGs;
        const double bound = factor * dot.magnitudes * (k * 0x1p-22 + 0x1p-22);
        wrong += std::fabs(out.value(i, j) - factor * dot.sum) <= bound ? 0 : 1;
      }
    EXPECT_EQ(wrong, 0u) << m << " x " << n << " x " << k;
  }
}

/// Control: one changed code of W changes column n and nothing else.
TEST_F(GpuNativeGemm, DamageIsSeen) {
  test::Nvfp4Matrix matrix = test::unit_scale_matrix(130, 208, 3);
  const NativeOperand x(test::identity_rows(208, 208, 0)), good(matrix);
  matrix.codes.at[77 * 208 + 150] ^= 2;
  const NativeOperand bad(matrix);
  const Epilogue epilogue = make_epilogue(130, false);
  const Output a = run(x, good, epilogue, Float::kF32, 130, device());
  const Output b = run(x, bad, epilogue, Float::kF32, 130, device());
  size_t differing = 0;
  for (uint64_t i = 0; i < 208; ++i)
    for (uint64_t n = 0; n < 130; ++n) differing += a.value(i, n) == b.value(i, n) ? 0 : 1;
  EXPECT_EQ(differing, 1u);
  EXPECT_NE(a.value(150, 77), b.value(150, 77));
}

/// The same call gives the same bits.
TEST_F(GpuNativeGemm, SameBitsAgain) {
  const NativeOperand x(test::random_matrix(70, 528, 1)), w(test::random_matrix(300, 528, 2));
  const Epilogue epilogue = make_epilogue(300, true);
  const Output first = run(x, w, epilogue, Float::kF32, 300, device());
  for (int i = 0; i < 5; ++i)
    EXPECT_TRUE(run(x, w, epilogue, Float::kF32, 300, device()).bytes == first.bytes);
}

}  // namespace
}  // namespace imp::kernels

// Quantisation of activations: the CPU reference against an oracle of tables, every rounding; the
// threads of the GPU kernel, run one by one, against the CPU reference.
#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>

#include "kernels/activation/group.h"
#include "kernels/activation/quantize_activation.h"
#include "tests/unit/activation_cases.h"

namespace imp::kernels {
namespace {

using test::Activations;

constexpr std::byte kUnwritten{0xA5};
constexpr double kE2m1[8] = {0, 0.5, 1, 1.5, 2, 3, 4, 6};

/// Values of e4m3 bytes 00 to 7E from the format's definition.
std::vector<double> e4m3_table() {
  std::vector<double> table;
  for (int byte = 0; byte < 0x7F; ++byte) {
    const int exponent = byte / 8, mantissa = byte % 8;
    table.push_back(exponent == 0 ? mantissa / 512.0
                                  : (8 + mantissa) / 8.0 * std::exp2(exponent - 7));
  }
  return table;
}

/// Index of the entry nearest to `value`, the even one of two; the last beyond the end.
template <class Table>
uint32_t nearest(const Table& table, double value) {
  const auto size = static_cast<uint32_t>(std::size(table));
  uint32_t best = 0;
  for (uint32_t i = 1; i < size; ++i) {
    const double before = std::fabs(value - table[best]), now = std::fabs(value - table[i]);
    if (now < before || (now == before && i % 2 == 0)) best = i;
  }
  return best;
}

struct Bytes2 {
  std::vector<std::byte> codes;
  std::vector<std::byte> scales;
};

Bytes2 unwritten(const Activations& in) {
  return {std::vector<std::byte>(activation_code_bytes(in.m, in.k), kUnwritten),
          std::vector<std::byte>(activation_scale_bytes(in.m, in.k), kUnwritten)};
}

Bytes2 run_cpu(const Activations& in) {
  Bytes2 out = unwritten(in);
  const Status status = cpu_quantize_activation(in.view(), in.gs, out.codes, out.scales);
  EXPECT_TRUE(status.ok()) << status.error().to_line();
  return out;
}

/// The definition, with tables: floats only where it says f32, searches in double.
Bytes2 run_oracle(const Activations& in) {
  const std::vector<double> e4m3 = e4m3_table();
  Bytes2 out = unwritten(in);
  std::ranges::fill(out.codes, std::byte{0});
  std::ranges::fill(out.scales, std::byte{0});
  const uint64_t pitch = (in.k + 31) / 32 * 16, tiles = (in.k / 16 + 3) / 4;
  for (uint64_t row = 0; row < in.m; ++row)
    for (uint64_t group = 0; group < in.k / 16; ++group) {
      float x[16], largest = 0;
      bool finite = true;
      for (uint64_t i = 0; i < 16; ++i) {
        x[i] = test::float_16(in.x[row * in.stride + 16 * group + i], in.dtype);
        finite = finite && std::isfinite(x[i]);
        if (std::fabs(x[i]) > largest) largest = std::fabs(x[i]);
      }
      uint32_t scale = 0x7F;
      float d = 0;
      if (finite) {
        const float six = 6.0f * in.gs;
        const float t = largest / six;
        scale = std::max(1u, nearest(e4m3, std::min<double>(t, 448)));
        d = static_cast<float>(e4m3[scale]) * in.gs;
        if (largest == 0 || d == 0) scale = 0;
      }
      out.scales[((row / 128) * tiles + group / 4) * 512 + (row % 32) * 16 + (row % 128) / 32 * 4 +
                 group % 4] = std::byte{static_cast<uint8_t>(scale)};
      if (scale == 0x7F || scale == 0) continue;
      for (uint64_t i = 0; i < 16; ++i) {
        const float v = x[i] / d;
        const uint32_t code =
            nearest(kE2m1, std::min<double>(std::fabs(v), 6)) | (x[i] < 0 ? 8u : 0u);
        out.codes[row * pitch + 8 * group + i / 2] |=
            std::byte{static_cast<uint8_t>(code << (4 * (i % 2)))};
      }
    }
  return out;
}

/// What every thread of the kernel writes, in the order of blocks and threads.
Bytes2 run_threads(const Activations& in) {
  using namespace activation;
  Bytes2 out = unwritten(in);
  const uint64_t groups = in.k / 16, padded = (groups + 3) / 4 * 4, pitch = (in.k + 31) / 32 * 16;
  for (uint64_t block_row = 0; block_row < (in.m + 127) / 128 * 16; ++block_row)
    for (uint32_t warp = 0; warp < kWarps; ++warp) {
      const uint64_t row = row_of_warp(block_row, warp);
      uint32_t word = 0;
      for (uint64_t group = 0; group < padded; ++group) {
        QuantizedGroup quantized{0, {0, 0}};
        if (row < in.m && group < groups) {
          float x[kGroup];
          for (uint64_t i = 0; i < kGroup; ++i)
            x[i] = test::float_16(in.x[row * in.stride + kGroup * group + i], in.dtype);
          quantized = quantize_group(x, in.gs);
        }
        if (row < in.m && group < (groups + 1) / 2 * 2)
          std::memcpy(&out.codes.at(row * pitch + 8 * group), quantized.codes, 8);
        word |= quantized.scale << (8 * (group % 4));
        if (group % 4 != 3) continue;
        std::memcpy(&out.scales.at(scale_word_offset(row, group / 4, groups)), &word, 4);
        word = 0;
      }
    }
  return out;
}

TEST(QuantizeActivation, CpuIsTheDefinition) {
  for (const Activations& in : test::activation_cases()) {
    SCOPED_TRACE(in.name + ", gs " + std::to_string(in.gs) + ", " +
                 std::string(dtype_name(in.dtype)));
    const Bytes2 cpu = run_cpu(in), oracle = run_oracle(in);
    EXPECT_TRUE(cpu.scales == oracle.scales);
    EXPECT_TRUE(cpu.codes == oracle.codes);
  }
}

TEST(QuantizeActivation, ThreadsOfTheKernelGiveTheBytesOfTheCpu) {
  for (const Activations& in : test::activation_cases()) {
    SCOPED_TRACE(in.name + ", gs " + std::to_string(in.gs) + ", " +
                 std::string(dtype_name(in.dtype)));
    const Bytes2 cpu = run_cpu(in), threads = run_threads(in);
    EXPECT_TRUE(cpu.scales == threads.scales);
    EXPECT_TRUE(cpu.codes == threads.codes);
  }
}

/// Control for the comparisons above: the inputs do reach every scale and every code.
TEST(QuantizeActivation, CasesReachEveryByte) {
  std::vector<bool> scales(256), codes(256);
  for (const Activations& in : test::activation_cases()) {
    const Bytes2 out = run_cpu(in);
    for (const std::byte b : out.scales) scales[static_cast<uint8_t>(b)] = true;
    for (const std::byte b : out.codes) codes[static_cast<uint8_t>(b)] = true;
  }
  EXPECT_EQ(std::ranges::count(scales, true), 0x80);  // 00 to 7F
  EXPECT_EQ(std::ranges::count(codes, true), 256);
}

/// The 2^16 upper halves of floats, and the floats around every value and every tie.
TEST(QuantizeActivationRounding, ScalesAroundEveryTie) {
  const std::vector<double> table = e4m3_table();
  std::vector<float> inputs;
  for (uint32_t upper = 0; upper < 0x7F80; ++upper)
    inputs.push_back(std::bit_cast<float>(upper << 16));
  for (size_t i = 1; i < table.size(); ++i)
    for (const double value : {table[i], (table[i] + table[i - 1]) / 2}) {
      const auto exact = static_cast<float>(value);
      for (const float from : {std::nextafter(exact, 0.0f), exact, std::nextafter(exact, 1e9f)})
        inputs.push_back(from);
    }
  inputs.push_back(std::numeric_limits<float>::infinity());
  for (const float t : inputs) {
    if (t == 0) continue;
    const uint32_t expected = std::max(1u, nearest(table, std::min<double>(t, 448)));
    ASSERT_EQ(activation::e4m3_of(t), expected) << t;
    ASSERT_EQ(activation::value_of_e4m3(expected), static_cast<float>(table[expected]));
  }
}

TEST(QuantizeActivationRounding, CodesAroundEveryTie) {
  std::vector<float> inputs;
  for (uint32_t upper = 0; upper <= 0x7F80; ++upper)
    inputs.push_back(std::bit_cast<float>(upper << 16));
  for (const float tie : {0.25f, 0.75f, 1.25f, 1.75f, 2.5f, 3.5f, 5.0f, 6.0f, 1.0f, 2.0f, 4.0f})
    for (const float from : {std::nextafter(tie, 0.0f), tie, std::nextafter(tie, 9.0f)})
      inputs.push_back(from);
  for (const float v : inputs) {
    const uint32_t expected = nearest(kE2m1, std::min<double>(v, 6));
    ASSERT_EQ(activation::e2m1_magnitude_of(v), expected) << v;
    ASSERT_EQ(activation::e2m1_magnitude_of(-v), expected) << -v;
  }
}

TEST(QuantizeActivation, DynamicMultiplierSkipsWhatIsNotFinite) {
  Activations in = test::random_activations(3, 32, Dtype::kBF16, 1.0f, 4);
  in.x[5] = 0x7F80;              // infinity
  in.x[in.stride + 1] = 0xFFC0;  // NaN
  in.x[2 * in.stride + 31] = quant::bf16_from_float(-5376.0f);
  const auto gs = cpu_activation_multiplier(in.view());
  ASSERT_TRUE(gs.ok());
  EXPECT_EQ(*gs, 2.0f);
}

TEST(QuantizeActivationRefuses, Cpu) {
  const Activations in = test::random_activations(3, 32, Dtype::kBF16, 1.0f, 4);
  Bytes2 out = unwritten(in);
  const auto expect_bad = [&](ActivationMatrix matrix, MutableBytes codes, MutableBytes scales) {
    const Status status = cpu_quantize_activation(matrix, 1.0f, codes, scales);
    ASSERT_FALSE(status.ok());
    EXPECT_EQ(status.error().kind, ErrorKind::kBadShape);
  };
  ASSERT_TRUE(cpu_quantize_activation(in.view(), 1.0f, out.codes, out.scales).ok());
  ActivationMatrix matrix = in.view();
  matrix.k = 24;
  expect_bad(matrix, out.codes, out.scales);
  matrix = in.view();
  matrix.dtype = Dtype::kF32;
  expect_bad(matrix, out.codes, out.scales);
  matrix = in.view();
  matrix.x = matrix.x.first(matrix.x.size() - 2 * 8 - 1);  // the last row ends a byte early
  expect_bad(matrix, out.codes, out.scales);
  expect_bad(in.view(), MutableBytes(out.codes).first(47), out.scales);
  expect_bad(in.view(), out.codes, MutableBytes(out.scales).first(511));
}

/// A call with everything in order; the pointers are never followed here.
struct Call {
  Call() {
    call.x = memory;
    call.m = 3;
    call.k = call.x_stride = 32;
    call.codes = call.scales = memory;
    call.multiplier = reinterpret_cast<float*>(memory);
    call.workspace = reinterpret_cast<uint32_t*>(memory);
    call.scale = ActivationScale::kDynamic;
  }
  alignas(16) std::byte memory[32] = {};
  QuantizeActivationCall call;
};

template <class Change>
void expect_refused(const char* words, Change change) {
  Call call;
  change(call.call, call.memory);
  const Status status = quantize_activation(call.call, nullptr);
  ASSERT_FALSE(status.ok()) << words;
  EXPECT_EQ(status.error().kind, ErrorKind::kBadShape) << status.error().to_line();
  EXPECT_NE(status.error().message.find(words), std::string::npos) << status.error().message;
}

TEST(QuantizeActivationRefuses, Gpu) {
  using C = QuantizeActivationCall;
  using B = std::byte;
  expect_refused("f32", [](C& c, B*) { c.x_type = Float::kF32; });
  expect_refused("[3, 24]", [](C& c, B*) { c.k = 24; });
  expect_refused("16 elements apart", [](C& c, B*) { c.x_stride = 16; });
  expect_refused("36 elements apart", [](C& c, B*) { c.x_stride = 36; });
  expect_refused("x is a null", [](C& c, B*) { c.x = nullptr; });
  expect_refused("x is not aligned", [](C& c, B* at) { c.x = at + 8; });
  expect_refused("codes is not aligned", [](C& c, B* at) { c.codes = at + 8; });
  expect_refused("scales is not aligned", [](C& c, B* at) { c.scales = at + 8; });
  expect_refused("multiplier is a null", [](C& c, B*) { c.multiplier = nullptr; });
  expect_refused("workspace is a null", [](C& c, B*) { c.workspace = nullptr; });
}

TEST(QuantizeActivationRefuses, NothingWrongWithoutCuda) {
  if (cuda::built_in()) GTEST_SKIP() << "would launch on memory of the host";
  Call call;
  const Status status = quantize_activation(call.call, nullptr);
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.error().kind, ErrorKind::kNoDevice);
  call.call.m = 0;
  EXPECT_TRUE(quantize_activation(call.call, nullptr).ok());
}

}  // namespace
}  // namespace imp::kernels

// Quantisation of activations on a card: the bytes of the CPU reference.
#include <string>

#include "kernels/activation/quantize_activation.h"
#include "tests/unit/activation_cases.h"
#include "tests/unit/gpu.h"

namespace imp::kernels {
namespace {

using test::Activations;

constexpr std::byte kUnwritten{0xA5};
constexpr size_t kGuardBytes = 64;

class GpuActivation : public imp::testing::GpuTest {};

cuda::DeviceBuffer on_device(Bytes host) {
  auto buffer = cuda::DeviceBuffer::allocate(host.size());
  EXPECT_TRUE(buffer.ok());
  EXPECT_TRUE(cuda::copy_to_device(buffer->data(), host, nullptr).ok());
  return std::move(buffer).take();
}

struct Outcome {
  std::vector<std::byte> codes;  ///< and a guard behind
  std::vector<std::byte> scales;
  float gs = -1.0f;
};

Outcome unwritten(const Activations& in) {
  return {std::vector<std::byte>(activation_code_bytes(in.m, in.k) + kGuardBytes, kUnwritten),
          std::vector<std::byte>(activation_scale_bytes(in.m, in.k) + kGuardBytes, kUnwritten)};
}

void run_gpu(const Activations& in, ActivationScale scale, Outcome& out) {
  out = unwritten(in);
  out.gs = scale == ActivationScale::kStatic ? in.gs : -1.0f;
  const cuda::DeviceBuffer x = on_device(in.view().x);
  const cuda::DeviceBuffer codes = on_device(out.codes), scales = on_device(out.scales);
  const cuda::DeviceBuffer gs = on_device(std::as_bytes(std::span(&out.gs, 1)));
  const cuda::DeviceBuffer workspace = on_device(std::vector<std::byte>(4, kUnwritten));
  QuantizeActivationCall call;
  call.x = x.data();
  call.x_type = in.dtype == Dtype::kF16 ? Float::kF16 : Float::kBf16;
  call.m = in.m;
  call.k = in.k;
  call.x_stride = in.stride;
  call.scale = scale;
  call.multiplier = gs.as<float>();
  call.workspace = workspace.as<uint32_t>();
  call.codes = codes.data();
  call.scales = scales.data();
  const Status status = quantize_activation(call, nullptr);
  ASSERT_TRUE(status.ok()) << status.error().to_line();
  ASSERT_TRUE(cuda::copy_to_host(out.codes, codes.data(), nullptr).ok());
  ASSERT_TRUE(cuda::copy_to_host(out.scales, scales.data(), nullptr).ok());
  ASSERT_TRUE(
      cuda::copy_to_host(std::as_writable_bytes(std::span(&out.gs, 1)), gs.data(), nullptr).ok());
  ASSERT_TRUE(cuda::synchronize().ok());
}

void expect_bytes_of_the_cpu(const Activations& in, float gs, const Outcome& got) {
  Outcome want = unwritten(in);
  ASSERT_TRUE(cpu_quantize_activation(
                  in.view(), gs, MutableBytes(want.codes).first(want.codes.size() - kGuardBytes),
                  MutableBytes(want.scales).first(want.scales.size() - kGuardBytes))
                  .ok());
  EXPECT_EQ(got.gs, gs);
  EXPECT_TRUE(got.scales == want.scales);
  EXPECT_TRUE(got.codes == want.codes);
}

TEST_F(GpuActivation, StaticScaleGivesTheBytesOfTheCpu) {
  for (const Activations& in : test::activation_cases()) {
    SCOPED_TRACE(in.name + ", gs " + std::to_string(in.gs) + ", " +
                 std::string(dtype_name(in.dtype)));
    Outcome got;
    run_gpu(in, ActivationScale::kStatic, got);
    expect_bytes_of_the_cpu(in, in.gs, got);
  }
}

TEST_F(GpuActivation, DynamicScaleGivesTheBytesOfTheCpu) {
  for (const Activations& in : test::activation_cases()) {
    SCOPED_TRACE(in.name + ", " + std::string(dtype_name(in.dtype)));
    const auto gs = cpu_activation_multiplier(in.view());
    ASSERT_TRUE(gs.ok());
    Outcome got;
    run_gpu(in, ActivationScale::kDynamic, got);
    expect_bytes_of_the_cpu(in, *gs, got);
  }
}

/// More rows than the search for the maximum has blocks; the largest is in the last row.
TEST_F(GpuActivation, MaximumOfManyRows) {
  Activations in = test::random_activations(5000, 32, Dtype::kF16, 1.0f, 11);
  in.x[4999 * in.stride + 31] = test::bits_16(-60000.0f, Dtype::kF16);
  const auto gs = cpu_activation_multiplier(in.view());
  ASSERT_TRUE(gs.ok());
  Outcome got;
  run_gpu(in, ActivationScale::kDynamic, got);
  expect_bytes_of_the_cpu(in, *gs, got);
}

/// A captured call computes anew at each replay.
TEST_F(GpuActivation, DynamicScaleInAGraph) {
  Activations in = test::random_activations(31, 80, Dtype::kBF16, 1.0f, 12);
  Outcome out = unwritten(in);
  const cuda::DeviceBuffer x = on_device(in.view().x);
  const cuda::DeviceBuffer codes = on_device(out.codes), scales = on_device(out.scales);
  const cuda::DeviceBuffer words = on_device(std::vector<std::byte>(8, kUnwritten));
  ASSERT_TRUE(cuda::synchronize().ok());
  QuantizeActivationCall call;
  call.x = x.data();
  call.m = in.m;
  call.k = in.k;
  call.x_stride = in.stride;
  call.scale = ActivationScale::kDynamic;
  call.multiplier = words.as<float>();
  call.workspace = words.as<uint32_t>() + 1;
  call.codes = codes.data();
  call.scales = scales.data();
  const auto stream = cuda::Stream::create();
  ASSERT_TRUE(stream.ok());
  ASSERT_TRUE(cuda::Graph::begin(stream->handle()).ok());
  ASSERT_TRUE(quantize_activation(call, stream->handle()).ok());
  const auto graph = cuda::Graph::end(stream->handle());
  ASSERT_TRUE(graph.ok()) << graph.error().to_line();
  // The second X is smaller: a maximum left over from the first would show.
  for (const uint32_t seed : {12u, 13u}) {
    in = test::random_activations(31, 80, Dtype::kBF16, 1.0f, seed);
    if (seed == 12) in.x[3] = test::bits_16(5000.0f, Dtype::kBF16);
    ASSERT_TRUE(cuda::copy_to_device(x.data(), in.view().x, stream->handle()).ok());
    ASSERT_TRUE(graph->replay(stream->handle()).ok());
    ASSERT_TRUE(cuda::copy_to_host(out.codes, codes.data(), stream->handle()).ok());
    ASSERT_TRUE(cuda::copy_to_host(out.scales, scales.data(), stream->handle()).ok());
    ASSERT_TRUE(cuda::copy_to_host(std::as_writable_bytes(std::span(&out.gs, 1)), words.data(),
                                   stream->handle())
                    .ok());
    ASSERT_TRUE(stream->synchronize().ok());
    const auto gs = cpu_activation_multiplier(in.view());
    ASSERT_TRUE(gs.ok());
    expect_bytes_of_the_cpu(in, *gs, out);
  }
}

/// Control: one changed activation is seen.
TEST_F(GpuActivation, DamageIsSeen) {
  Activations in = test::random_activations(31, 80, Dtype::kBF16, 0x1p-6f, 7);
  Outcome good, damaged;
  run_gpu(in, ActivationScale::kStatic, good);
  in.x[17 * in.stride + 40] ^= 0x8000;
  run_gpu(in, ActivationScale::kStatic, damaged);
  EXPECT_FALSE(good.codes == damaged.codes);
  EXPECT_TRUE(good.scales == damaged.scales);
}

}  // namespace
}  // namespace imp::kernels

#include "tests/unit/gpu_gemm_case.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <stdexcept>

#include "kernels/gemm/k_order.h"
#include "src/quant/bf16.h"
#include "src/quant/e4m3.h"
#include "src/quant/f16.h"
#include "tests/reference/layout_variants.h"

namespace imp::testing {
namespace {

constexpr float kE2m1[16] = {0.0f,  0.5f,  1.0f,  1.5f,  2.0f,  3.0f,  4.0f,  6.0f,
                             -0.0f, -0.5f, -1.0f, -1.5f, -2.0f, -3.0f, -4.0f, -6.0f};
constexpr uint64_t kCanaryBytes = 4096;
constexpr uint8_t kCanary = 0xA5;

void require(const Status& status) {
  if (!status.ok()) throw std::runtime_error(status.error().to_line());
}
template <class T>
T require(Result<T> result) {
  if (!result.ok()) throw std::runtime_error(result.error().to_line());
  return std::move(result).take();
}

template <class T>
Bytes bytes_of(const std::vector<T>& values) {
  return std::as_bytes(std::span(values));
}

template <class T>
cuda::DeviceBuffer uploaded(const std::vector<T>& values, cuda::StreamHandle stream) {
  auto buffer = require(cuda::DeviceBuffer::allocate(values.size() * sizeof(T)));
  require(cuda::copy_to_device(buffer.data(), bytes_of(values), stream));
  return buffer;
}

uint16_t bits_of(Float type, float value) {
  return type == Float::kBf16 ? quant::bf16_from_float(value) : quant::f16_from_float(value);
}
float number_of(Float type, uint16_t bits) {
  return type == Float::kBf16 ? quant::bf16_to_float(bits) : quant::f16_to_float(bits);
}
uint64_t size_of(Float type) { return type == Float::kF32 ? 4 : 2; }

}  // namespace

double Rows::at(uint64_t row, uint64_t column) const {
  return number_of(type, bits[row * k + column]);
}
void Rows::set(uint64_t row, uint64_t column, float value) {
  bits[row * k + column] = bits_of(type, value);
}
Rows Rows::zeros(Float type, uint64_t m, uint64_t k) {
  Rows rows;
  rows.type = type;
  rows.m = m;
  rows.k = k;
  rows.bits.assign(m * k, 0);
  return rows;
}

Rows random_rows(Float type, uint64_t m, uint64_t k, unsigned seed) {
  Rows rows = Rows::zeros(type, m, k);
  std::mt19937_64 random(seed);
  std::normal_distribution<float> normal;
  for (uint16_t& value : rows.bits) value = bits_of(type, normal(random));
  return rows;
}

Rows sparse_rows(Float type, uint64_t m, uint64_t k, unsigned seed) {
  Rows rows = Rows::zeros(type, m, k);
  std::mt19937_64 random(seed);
  for (uint64_t i = 0; i < m; ++i)
    for (int j = 0; j < 4; ++j) rows.set(i, random() % k, random() % 2 == 0 ? 1.0f : -1.0f);
  return rows;
}

GemmCase::GemmCase(const GemmShape& shape, const cuda::Device& device, unsigned seed)
    : shape_(shape), device_(device), stream_(require(cuda::Stream::create())) {
  if (shape_.part_end.empty()) shape_.part_end = {shape_.n};
  fill_planes(seed);
  upload();
}

void GemmCase::fill_planes(unsigned seed) {
  std::mt19937_64 random(seed);
  codes_.resize(shape_.experts * shape_.n * shape_.k);
  for (uint8_t& code : codes_) code = random() % 16;
  scales_.resize(shape_.experts * shape_.n * groups());
  weights_.resize(codes_.size());
  switch (shape_.format.scheme) {
    case 16:
      fill_nvfp4(random);
      break;
    case 18:
      fill_mxfp4(random);
      break;
    default:
      fill_int4(random);
  }
  std::uniform_real_distribution<float> mantissa(1.0f, 2.0f);
  for (uint64_t i = 0; i < shape_.experts * shape_.part_end.size(); ++i)
    multipliers_.push_back(std::ldexp(mantissa(random), -static_cast<int>(random() % 12) - 4));
  if (shape_.bias)
    for (uint64_t i = 0; i < shape_.experts * shape_.n; ++i)
      bias_.push_back(number_of(Float::kBf16, bits_of(Float::kBf16, mantissa(random) - 1.5f)));
  if (shape_.k_scale)
    for (uint64_t i = 0; i < shape_.k; ++i) k_scale_.push_back(mantissa(random));
  if (shape_.k_gather) {
    for (uint32_t i = 0; i < shape_.k; ++i) k_gather_.push_back(i);
    std::shuffle(k_gather_.begin(), k_gather_.end(), random);
  }
}

uint64_t GemmCase::groups() const {
  const uint64_t group = shape_.format.group;
  return group >= shape_.k ? 1 : (shape_.k + group - 1) / group;
}

void GemmCase::fill_nvfp4(std::mt19937_64& random) {
  // Every legal byte occurs: 0 (a zero group), subnormals, 448.
  for (size_t i = 0; i < scales_.size(); ++i)
    scales_[i] = static_cast<uint32_t>(i < 127 ? i : random() % 127);
  for (uint64_t i = 0; i < weights_.size(); ++i)
    weights_[i] = kE2m1[codes_[i]] * quant::e4m3_to_float(static_cast<uint8_t>(scales_[i / 16]));
}

void GemmCase::fill_mxfp4(std::mt19937_64& random) {
  const WeightFormat& f = shape_.format;
  const uint32_t choices = f.most_scale - f.least_scale + 1u;
  for (size_t i = 0; i < scales_.size(); ++i)
    scales_[i] = f.least_scale + static_cast<uint32_t>(i < choices ? i : random() % choices);
  for (uint64_t i = 0; i < weights_.size(); ++i)
    weights_[i] = std::ldexp(kE2m1[codes_[i]], static_cast<int>(scales_[i / 32]) - 127);
}

/// Of both signs, between 2^-6 and 1.
void GemmCase::fill_int4(std::mt19937_64& random) {
  const WeightFormat& f = shape_.format;
  const int most = f.scale_dtype == Dtype::kBF16 ? 7 : f.scale_dtype == Dtype::kF16 ? 10 : 23;
  const int bits = f.all_mantissas ? most : std::min(most, 9);
  std::vector<double> scale(scales_.size());
  for (size_t i = 0; i < scales_.size(); ++i) {
    const double mantissa = 1 + static_cast<double>(random() % (1u << bits)) / (1u << bits);
    scale[i] =
        std::ldexp(random() % 4 == 0 ? -mantissa : mantissa, -static_cast<int>(random() % 6) - 1);
    const auto value = static_cast<float>(scale[i]);
    scales_[i] = f.scale_dtype == Dtype::kF32    ? std::bit_cast<uint32_t>(value)
                 : f.scale_dtype == Dtype::kBF16 ? quant::bf16_from_float(value)
                                                 : quant::f16_from_float(value);
    zeros_.push_back(f.zero_points ? static_cast<uint32_t>(random() % 16) : 8);
  }
  for (uint64_t i = 0; i < weights_.size(); ++i) {
    const uint64_t at = i / shape_.k * groups() + (groups() == 1 ? 0 : i % shape_.k / f.group);
    weights_[i] = static_cast<float>(
        (static_cast<double>(codes_[i]) - static_cast<double>(zeros_[at])) * scale[at]);
  }
}

void GemmCase::upload() {
  const WeightFormat& f = shape_.format;
  reference::Buffer blocks, scales, zeros;
  const auto append = [](reference::Buffer& to, const reference::Buffer& from) {
    to.insert(to.end(), from.begin(), from.end());
    return from.size();
  };
  for (uint32_t e = 0; e < shape_.experts; ++e) {
    const uint64_t count = shape_.n * shape_.k, numbers = shape_.n * groups();
    const auto part = [e](const auto& from, uint64_t size) {
      const auto begin = from.begin() + static_cast<int64_t>(e * size);
      return std::vector(begin, begin + static_cast<int64_t>(size));
    };
    const reference::ByteMatrix codes{shape_.n, shape_.k, part(codes_, count)};
    if (f.scheme == 36) {
      const auto plane = [&](const std::vector<uint32_t>& from) {
        return reference::WordMatrix{shape_.n, groups(), part(from, numbers)};
      };
      expert_bytes_ = append(blocks, reference::mma64_int4(codes));
      scale_bytes_ = append(
          scales, reference::mma64_plane(f.scale_dtype == Dtype::kF32 ? 32 : 16, plane(scales_)));
      if (f.zero_points) zero_bytes_ = append(zeros, reference::mma64_plane(4, plane(zeros_)));
      continue;
    }
    const std::vector<uint32_t> words = part(scales_, numbers);
    const reference::ByteMatrix bytes{shape_.n, groups(), {words.begin(), words.end()}};
    expert_bytes_ = append(blocks, f.scheme == 16 ? reference::mma64_nvfp4(codes, bytes)
                                                  : reference::mma64_mxfp4(codes, bytes));
  }
  const auto stream = stream_->handle();
  blocks_ = uploaded(blocks, stream);
  scales_device_ = uploaded(scales, stream);
  zeros_device_ = uploaded(zeros, stream);
  multiplier_device_ = uploaded(multipliers_, stream);
  std::vector<uint16_t> half;
  for (const float value : bias_) half.push_back(bits_of(shape_.bias_type, value));
  bias_device_ = shape_.bias_type == Float::kF32 ? uploaded(bias_, stream) : uploaded(half, stream);
  k_scale_device_ = uploaded(k_scale_, stream);
  k_gather_device_ = uploaded(k_gather_, stream);
  require(stream_->synchronize());
}

kernels::GemmCall GemmCase::call() const {
  kernels::GemmCall call;
  kernels::DeviceWeight& w = call.weight;
  w.layout = 2;
  const WeightFormat& f = shape_.format;
  w.scheme = f.scheme;
  w.group_size = static_cast<uint32_t>(std::min(f.group, shape_.k));
  if (f.scheme == 36) {
    w.scale_dtype = f.scale_dtype;
    w.block_scale = {scales_device_.data(), scale_bytes_};
    if (f.zero_points) w.zero_point = {zeros_device_.data(), zero_bytes_};
  }
  w.n = shape_.n;
  w.k = shape_.k;
  w.experts = shape_.experts;
  w.blocks = blocks_.data();
  w.expert_stride_bytes = expert_bytes_;
  w.multiplier = multiplier_device_.as<float>();
  w.parts = static_cast<uint32_t>(shape_.part_end.size());
  std::copy(shape_.part_end.begin(), shape_.part_end.end(), w.part_end.begin());
  if (shape_.bias) w.bias = bias_device_.data();
  w.bias_type = shape_.bias_type;
  if (shape_.k_scale) w.k_scale = k_scale_device_.as<float>();
  if (shape_.k_gather) w.k_gather = k_gather_device_.as<uint32_t>();
  return call;
}

std::vector<float> GemmCase::run(const Rows& x, const GemmOptions& options) {
  const auto stream = stream_->handle();
  kernels::GemmCall call = this->call();
  const auto x_natural = uploaded(x.bits, stream);
  const uint64_t k64 = (x.k + 63) / 64 * 64;
  auto x_layout = require(cuda::DeviceBuffer::allocate(options.layout_order ? x.m * k64 * 2 : 0));
  call.x = x_natural.data();
  call.x_type = x.type;
  call.x_stride = x.k;
  call.m = x.m;
  if (options.layout_order) {
    require(kernels::to_mma64_k_order(x_natural.data(), x.type, x.m, x.k, x.k, x_layout.data(), k64,
                                      stream));
    call.x = x_layout.data();
    call.x_stride = k64;
    call.x_order = kernels::XOrder::kLayout;
  }
  const auto rows_end = uploaded(options.rows_end, stream);
  if (!options.rows_end.empty()) call.rows_end = rows_end.as<uint32_t>();
  const uint64_t stride = shape_.n + 24;  // columns behind N must stay as they are
  const uint64_t y_bytes = x.m * stride * size_of(options.y_type);
  auto y = require(cuda::DeviceBuffer::allocate(y_bytes + kCanaryBytes));
  call.y = y.data();
  call.y_type = options.y_type;
  call.y_stride = stride;
  call.kernel = options.kernel;
  call.overlap = options.overlap;
  call.token_tile = options.token_tile;
  call.shared_memory_limit_bytes = options.shared_memory_limit_bytes;
  call.workspace_bytes = require(kernels::gemm_workspace_bytes(call, device_));
  const auto workspace = require(cuda::DeviceBuffer::allocate(call.workspace_bytes));
  call.workspace = workspace.data();
  require(kernels::gemm_workspace_init(workspace.data(), call.workspace_bytes, stream));

  std::optional<cuda::Graph> graph;
  if (options.graph) {
    require(cuda::Graph::begin(stream));
    require(kernels::gemm(call, device_, stream));
    graph = require(cuda::Graph::end(stream));
  }
  std::vector<std::byte> got(y.size_bytes()), first;
  for (int i = 0; i < options.repeats; ++i) {
    require(cuda::fill(y.data(), kCanary, y.size_bytes(), stream));
    require(graph ? graph->replay(stream) : kernels::gemm(call, device_, stream));
    require(cuda::copy_to_host(got, y.data(), stream));
    require(stream_->synchronize());
    require(cuda::last_error("GEMM under test"));
    if (i == 0) first = got;
    if (got != first) throw std::runtime_error("launch " + std::to_string(i) + " gave other bits");
  }
  std::vector<uint8_t> partials(uint64_t{device_.multiprocessors} * 128 * 1024);
  require(
      cuda::copy_to_host(std::as_writable_bytes(std::span(partials)), workspace.data(), stream));
  require(stream_->synchronize());
  for (const uint8_t byte : partials)
    if (byte != 0xFF) throw std::runtime_error("the workspace was not left as it was found");

  std::vector<float> out(x.m * shape_.n);
  const uint64_t covered = options.rows_end.empty() ? x.m : options.rows_end.back();
  for (uint64_t i = 0; i < x.m; ++i)
    for (uint64_t n = 0; n < stride; ++n) {
      const std::byte* at = got.data() + (i * stride + n) * size_of(options.y_type);
      uint32_t bits = 0;
      std::memcpy(&bits, at, size_of(options.y_type));
      const bool canary = bits == (options.y_type == Float::kF32 ? 0xA5A5A5A5u : 0xA5A5u);
      if (n >= shape_.n || i >= covered) {
        if (!canary) throw std::runtime_error("a write outside of Y, row " + std::to_string(i));
        if (n < shape_.n) out[i * shape_.n + n] = std::numeric_limits<float>::quiet_NaN();
        continue;
      }
      out[i * shape_.n + n] = options.y_type == Float::kF32
                                  ? std::bit_cast<float>(bits)
                                  : number_of(options.y_type, static_cast<uint16_t>(bits));
    }
  for (uint64_t i = y_bytes; i < got.size(); ++i)
    if (got[i] != std::byte{kCanary}) throw std::runtime_error("a write behind Y");
  return out;
}

GemmCase::Sums GemmCase::sums(const Rows& x, uint64_t row, uint32_t expert, uint64_t n) const {
  Sums sums;
  for (uint64_t k = 0; k < shape_.k; ++k) {
    double value = x.at(row, shape_.k_gather ? k_gather_[k] : k);
    if (shape_.k_scale)
      value = number_of(x.type, bits_of(x.type, static_cast<float>(value) * k_scale_[k]));
    const double product = value * weight(expert, n, k);
    sums.exact += product;
    sums.magnitude += std::fabs(product);
  }
  return sums;
}

float GemmCase::weight(uint32_t expert, uint64_t n, uint64_t k) const {
  return weights_[(expert * shape_.n + n) * shape_.k + k];
}
float GemmCase::multiplier(uint32_t expert, uint64_t n) const {
  size_t part = 0;
  while (n >= shape_.part_end[part]) ++part;
  return multipliers_[expert * shape_.part_end.size() + part];
}
float GemmCase::bias(uint32_t expert, uint64_t n) const {
  return shape_.bias ? bias_[expert * shape_.n + n] : 0.0f;
}

}  // namespace imp::testing

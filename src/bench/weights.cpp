#include "src/bench/weights.h"

#include <algorithm>
#include <cmath>
#include <memory>
#include <random>
#include <set>

#include "src/base/checked.h"
#include "src/base/little_endian.h"
#include "src/base/work_queue.h"
#include "src/bench/float16.h"

namespace imp::bench {
namespace {

constexpr uint32_t kOffset = 8;  // of int4: the code of the integer 0
constexpr uint64_t kTile = 64;
constexpr uint64_t kEdgeRows = 16, kSpreadRows = 64;

/// Tokens [first, last) of one expert against the sampled rows, given as floats [rows, k].
void multiply(const std::vector<float>& w, const std::vector<float>& x, uint64_t k, uint64_t token0,
              Reference& out) {
  const uint64_t rows = out.rows.size(), tokens = x.size() / k;
  for (uint64_t i = 0; i < tokens; ++i)
    for (uint64_t r = 0; r < rows; ++r) {
      double exact = 0, magnitude = 0, square = 0;
      for (uint64_t c = 0; c < k; ++c) {
        const double product = static_cast<double>(x[i * k + c]) * w[r * k + c];
        exact += product;
        magnitude += std::fabs(product);
        square += product * product;
      }
      const uint64_t at = (token0 + i) * rows + r;
      out.exact[at] = exact;
      out.magnitude[at] = magnitude;
      out.square[at] = square;
    }
}

}  // namespace

CanonicalWeights CanonicalWeights::random(const Shape& shape, uint64_t seed,
                                          const WeightKind& kind) {
  CanonicalWeights weights{shape, kind, {}, {}, {}};
  const uint64_t rows = shape.n * shape.experts, groups = weights.groups();
  weights.codes.resize(rows * shape.k / 2);
  std::mt19937_64 random(seed);
  // K is a multiple of 16, so that is whole; codes come eight bytes at a time.
  for (uint64_t at = 0; at + 8 <= weights.codes.size(); at += 8)
    store_le<uint64_t>(weights.codes.data() + at, random());
  const bool integer = kind.scheme == Scheme::kInt4;
  weights.scales.resize(rows * groups * (integer ? 2 : 1));
  if (integer) {
    for (uint64_t at = 0; at < weights.scales.size(); at += 2)
      store_le<uint16_t>(weights.scales.data() + at,
                         static_cast<uint16_t>(0x3B00 + random() % 0x400));
  } else {
    const bool e8m0 = kind.scheme == Scheme::kMxfp4;
    for (std::byte& scale : weights.scales)
      scale = static_cast<std::byte>(e8m0 ? 110 + random() % 17 : 1 + random() % 0x7E);
  }
  if (kind.zero_points) weights.zero_points.resize(rows * ((groups + 1) / 2));
  for (std::byte& pair : weights.zero_points) pair = static_cast<std::byte>(random());
  return weights;
}

float CanonicalWeights::at(uint64_t row, uint64_t column) const {
  const uint64_t i = row * shape.k + column, group = column / kind.group;
  const uint32_t code = static_cast<uint32_t>(codes[i / 2]) >> (4 * (i % 2)) & 0xF;
  const uint64_t scale_at = row * groups() + group;
  if (kind.scheme == Scheme::kInt4) {
    uint32_t zero = kOffset;
    if (kind.zero_points)
      zero = static_cast<uint32_t>(zero_points[row * ((groups() + 1) / 2) + group / 2]) >>
                 (4 * (group % 2)) &
             0xF;
    const auto bits = load_le<uint16_t>(scales.data() + 2 * scale_at);
    return (static_cast<float>(code) - static_cast<float>(zero)) * float_of(bits, false);
  }
  const auto scale = static_cast<uint32_t>(scales[scale_at]);
  // e2m1_bits_to_float gives the value itself, whatever its power of two inside.
  return kernels::e2m1_bits_to_float(code) * (kind.scheme == Scheme::kMxfp4
                                                  ? std::ldexp(1.0f, static_cast<int>(scale) - 127)
                                                  : kernels::ue4m3_bits_to_float(scale));
}

std::vector<uint16_t> random_activations(uint64_t m, uint64_t k, bool f16, uint64_t seed) {
  std::mt19937_64 random(seed);
  std::normal_distribution<float> normal;
  std::vector<uint16_t> x(m * k);
  for (uint16_t& bits : x) bits = cut_to_16(normal(random), f16);
  return x;
}

uint64_t column_of_place(uint64_t place) {
  const uint64_t t = place % kTile / 16, in_step = place % 16;
  const uint64_t half = in_step / 8, c = in_step % 8 / 2, e = in_step % 2;
  return place / kTile * kTile + 16 * c + 4 * t + 2 * half + e;
}

std::vector<uint16_t> in_layout_order(const std::vector<uint16_t>& x, uint64_t m, uint64_t k) {
  const uint64_t stride = round_up(k, kTile);
  std::vector<uint16_t> ordered(m * stride, 0);
  for (uint64_t i = 0; i < m; ++i)
    for (uint64_t place = 0; place < stride; ++place)
      if (const uint64_t column = column_of_place(place); column < k)
        ordered[i * stride + place] = x[i * k + column];
  return ordered;
}

std::vector<uint64_t> sampled_rows(uint64_t n) {
  std::set<uint64_t> rows;
  for (uint64_t r = 0; r < std::min(n, kEdgeRows); ++r) {
    rows.insert(r);
    rows.insert(n - 1 - r);
  }
  for (uint64_t i = 0; i < kSpreadRows; ++i) rows.insert(i * (n - 1) / (kSpreadRows - 1));
  return {rows.begin(), rows.end()};
}

Reference reference(const CanonicalWeights& weights, const std::vector<uint16_t>& x, uint64_t m,
                    bool f16, uint64_t threads) {
  const Shape& shape = weights.shape;
  Reference out{sampled_rows(shape.n), m, {}, {}, {}};
  const uint64_t values = m * out.rows.size(), tokens = m / shape.experts;
  for (std::vector<double>* v : {&out.exact, &out.magnitude, &out.square}) v->resize(values);
  constexpr uint64_t kTokensPerJob = 32;
  WorkQueue queue(threads, threads);
  for (uint64_t e = 0; e < shape.experts; ++e) {
    auto w = std::make_shared<std::vector<float>>();
    for (const uint64_t row : out.rows)
      for (uint64_t c = 0; c < shape.k; ++c) w->push_back(weights.at(e * shape.n + row, c));
    for (uint64_t t = 0; t < tokens; t += kTokensPerJob) {
      const uint64_t token0 = e * tokens + t, count = std::min(kTokensPerJob, tokens - t);
      const Status pushed = queue.push([&, w, token0, count]() -> Status {
        std::vector<float> values_of_x(count * shape.k);
        for (uint64_t i = 0; i < values_of_x.size(); ++i)
          values_of_x[i] = float_of(x[token0 * shape.k + i], f16);
        multiply(*w, values_of_x, shape.k, token0, out);
        return {};
      });
      if (!pushed.ok()) break;
    }
  }
  (void)queue.drain();  // jobs return no errors
  return out;
}

}  // namespace imp::bench

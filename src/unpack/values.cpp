#include "src/unpack/values.h"

#include <bit>
#include <cstring>

#include "src/base/little_endian.h"
#include "src/quant/bf16.h"
#include "src/quant/decode.h"

namespace imp::unpack {
namespace {

uint32_t bits_of(double value, Dtype to) {
  if (to == Dtype::kBF16) return quant::bf16_from_double(value);
  return std::bit_cast<uint32_t>(static_cast<float>(value));
}

}  // namespace

void round_values(std::span<const double> values, Dtype to, MutableBytes out) {
  std::byte* at = out.data();
  if (to == Dtype::kBF16) {
    for (const double value : values) {
      store_le(at, quant::bf16_from_double(value));
      at += sizeof(uint16_t);
    }
    return;
  }
  for (const double value : values) {
    store_le(at, static_cast<float>(value));
    at += sizeof(float);
  }
}

void convert_floats(Bytes in, Dtype from, Dtype to, std::vector<std::byte>& out) {
  if (from == to) {
    out.assign(in.begin(), in.end());
    return;
  }
  const uint64_t from_bytes = dtype_bits(from) / 8, to_bytes = dtype_bits(to) / 8;
  const uint64_t count = in.size() / from_bytes;
  out.resize(count * to_bytes);
  for (uint64_t i = 0; i < count; ++i) {
    const uint32_t bits = bits_of(quant::load_number(in.data(), i, from), to);
    std::memcpy(&out[i * to_bytes], &bits, to_bytes);
  }
}

}  // namespace imp::unpack

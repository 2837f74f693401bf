#include "src/unpack/values.h"

#include <bit>
#include <cstring>

#include "src/base/little_endian.h"

namespace imp::unpack {
namespace {

/// A double holds every F32, F16 and BF16.
double load_value(const std::byte* at, Dtype dtype) {
  switch (dtype) {
    case Dtype::kF64:
      return load_le<double>(at);
    case Dtype::kF16:
      return quant::f16_to_float(load_le<uint16_t>(at));
    case Dtype::kBF16:
      return quant::bf16_to_float(load_le<uint16_t>(at));
    default:
      return load_le<float>(at);
  }
}

uint32_t bits_of(double value, Dtype to) {
  if (to == Dtype::kBF16) return quant::bf16_from_double(value);
  return std::bit_cast<uint32_t>(static_cast<float>(value));
}

}  // namespace

Nvfp4Values::Nvfp4Values(float global, quant::Convention convention, Dtype to)
    : elem_bytes_(dtype_bits(to) / 8) {
  for (uint32_t scale = 0; scale < 256; ++scale)
    for (uint32_t code = 0; code < 16; ++code)
      bits_[scale * 16 + code] =
          bits_of(quant::nvfp4_exact(static_cast<uint8_t>(code), static_cast<uint8_t>(scale),
                                     global, convention),
                  to);
}

void Nvfp4Values::expand(Bytes codes, Bytes scales, std::vector<std::byte>& out) const {
  out.resize(codes.size() * 2 * elem_bytes_);
  std::byte* to = out.data();
  for (size_t i = 0; i < codes.size(); ++i) {
    const uint32_t* row = &bits_[std::to_integer<uint32_t>(scales[i / 8]) * 16];
    const auto pair = std::to_integer<uint32_t>(codes[i]);
    std::memcpy(to, &row[pair & 0xF], elem_bytes_);  // little-endian: the low bytes
    std::memcpy(to + elem_bytes_, &row[pair >> 4], elem_bytes_);
    to += 2 * elem_bytes_;
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
    const uint32_t bits = bits_of(load_value(&in[i * from_bytes], from), to);
    std::memcpy(&out[i * to_bytes], &bits, to_bytes);
  }
}

}  // namespace imp::unpack

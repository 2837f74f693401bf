#include "src/unpack/values.h"

#include <bit>
#include <cmath>
#include <cstring>

#include "src/base/little_endian.h"
#include "src/quant/bf16.h"
#include "src/quant/decode.h"
#include "src/quant/ggml_blocks.h"

namespace imp::unpack {
namespace {

uint32_t bits_of(double value, Dtype to) {
  if (to == Dtype::kBF16) return quant::bf16_from_double(value);
  return std::bit_cast<uint32_t>(static_cast<float>(value));
}

bool is_undone(model::StoredAs stored_as) {
  return stored_as == model::StoredAs::kPlusOne || stored_as == model::StoredAs::kNegExp;
}

/// The hub checkpoint's number of the one that is stored instead.
float undone(float stored, model::StoredAs stored_as) {
  if (stored_as == model::StoredAs::kPlusOne) return stored - 1.0f;
  if (stored_as == model::StoredAs::kNegExp)
    return static_cast<float>(std::log(-static_cast<double>(stored)));
  return stored;
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

Bytes ValueConverter::convert(Bytes in) {
  if (from_.blocks) {
    decode_blocks(in);
  } else if (is_undone(from_.stored_as)) {
    convert_floats(in, from_.dtype, Dtype::kF32, out_);
    values_.resize(out_.size() / sizeof(float));
    std::memcpy(values_.data(), out_.data(), out_.size());
  } else {
    convert_floats(in, from_.dtype, to_, out_);
    return out_;
  }
  for (float& value : values_) value = undone(value, from_.stored_as);
  convert_floats(std::as_bytes(std::span(values_)), Dtype::kF32, to_, out_);
  return out_;
}

void ValueConverter::decode_blocks(Bytes in) {
  const GgmlTypeInfo& info = ggml_type_info(*from_.blocks);
  held_.insert(held_.end(), in.begin(), in.end());
  const size_t blocks = held_.size() / info.block_bytes, bytes = blocks * info.block_bytes;
  values_.resize(blocks * info.block_elems);
  quant::decode_blocks(*from_.blocks, Bytes(held_).first(bytes), values_);
  held_.erase(held_.begin(), held_.begin() + static_cast<std::ptrdiff_t>(bytes));
}

}  // namespace imp::unpack

#include "src/quant/ggml_blocks.h"

#include <algorithm>
#include <string>
#include <vector>

#include "src/quant/bf16.h"
#include "src/quant/ggml_codec.h"

namespace imp::quant {
namespace {

const BlockCodec* codec_of(GgmlType type) {
  for (const auto family : {simple_codec, k_codec, iq4_codec, ternary_codec, fp4_codec})
    if (const BlockCodec* codec = family(type)) return codec;
  return nullptr;
}

const uint8_t* bytes(Bytes span) { return reinterpret_cast<const uint8_t*>(span.data()); }
uint8_t* bytes(MutableBytes span) { return reinterpret_cast<uint8_t*>(span.data()); }

std::string_view field_word(BlockField field) {
  switch (field) {
    case BlockField::kCodes:
      return "code";
    case BlockField::kMin:
      return "min";
    default:
      return "scale";
  }
}

/// The first element of a row that `taken` has otherwise than `given`, which differ.
Error not_held(const BlockPlanes& planes, BlockField field, uint64_t row, Bytes given,
               Bytes taken) {
  const uint64_t at = static_cast<uint64_t>(
      std::mismatch(given.begin(), given.end(), taken.begin()).first - given.begin());
  const bool nibbles = field_bits(planes, field) == 4;
  const auto byte = static_cast<uint8_t>(given[at]);
  const bool upper = nibbles && (byte & 0xF) == (static_cast<uint8_t>(taken[at]) & 0xF);
  const uint64_t column = nibbles ? 2 * at + (upper ? 1 : 0) : at;
  const int value = nibbles                                    ? (upper ? byte >> 4 : byte & 0xF)
                    : field_dtype(planes, field) == Dtype::kI8 ? static_cast<int8_t>(byte)
                                                               : byte;
  return {ErrorKind::kInverseMismatch,
          std::string(field_word(field)) + " " + std::to_string(value) + " at row " +
              std::to_string(row) + ", column " + std::to_string(column) +
              " is none that a block of " + std::string(ggml_type_info(planes.type).name) +
              " can hold",
          {},
          {}};
}

}  // namespace

const BlockPlanes* block_planes(GgmlType type) {
  const BlockCodec* codec = codec_of(type);
  return codec == nullptr ? nullptr : &codec->planes;
}

uint32_t field_bits(const BlockPlanes& planes, BlockField field) {
  return field == BlockField::kCodes ? planes.code_bits : dtype_bits(field_dtype(planes, field));
}

uint64_t field_columns(const BlockPlanes& planes, BlockField field, uint64_t k) {
  switch (field) {
    case BlockField::kRows:
      return block_row_bytes(planes.type, k);
    case BlockField::kCodes:
      return k;
    case BlockField::kScale:
    case BlockField::kMin:
      return k / planes.group_size;
    case BlockField::kSuperScale:
    case BlockField::kSuperMin:
      break;
  }
  return k / kSuperGroup;
}

Dtype field_dtype(const BlockPlanes& planes, BlockField field) {
  switch (field) {
    case BlockField::kRows:
    case BlockField::kCodes:
      return Dtype::kU8;
    case BlockField::kScale:
    case BlockField::kMin:
      return planes.scale_dtype;
    case BlockField::kSuperScale:
    case BlockField::kSuperMin:
      break;
  }
  return Dtype::kF16;
}

uint64_t block_row_bytes(GgmlType type, uint64_t k) {
  const GgmlTypeInfo& info = ggml_type_info(type);
  return k / info.block_elems * info.block_bytes;
}

void extract_field(const BlockPlanes& planes, BlockField field, uint64_t rows, uint64_t k,
                   Bytes blocks, MutableBytes out) {
  // Rows are whole blocks, so that the canonical rows too follow each other without padding.
  const uint64_t count = rows * (k / ggml_type_info(planes.type).block_elems);
  codec_of(planes.type)->extract(field, bytes(blocks), count, bytes(out));
}

Status join_fields(const BlockPlanes& planes, uint64_t rows, uint64_t k, const BlockFields& fields,
                   MutableBytes blocks) {
  const FieldPointers pointers = {bytes(fields.codes), bytes(fields.scale), bytes(fields.min),
                                  bytes(fields.super_scale), bytes(fields.super_min)};
  const uint64_t count = rows * (k / ggml_type_info(planes.type).block_elems);
  codec_of(planes.type)->join(pointers, count, bytes(blocks));

  // What a block had no room for was dropped and shows when the field is taken out again.
  const uint64_t row_bytes = block_row_bytes(planes.type, k);
  const std::pair<BlockField, Bytes> limited[] = {{BlockField::kCodes, fields.codes},
                                                  {BlockField::kScale, fields.scale},
                                                  {BlockField::kMin, fields.min}};
  for (const auto& [field, given] : limited) {
    if (given.empty()) continue;
    const uint64_t pitch = field_columns(planes, field, k) * field_bits(planes, field) / 8;
    std::vector<std::byte> taken(pitch);
    for (uint64_t row = 0; row < rows; ++row) {
      extract_field(planes, field, 1, k, blocks.subspan(row * row_bytes, row_bytes), taken);
      const Bytes wanted = given.subspan(row * pitch, pitch);
      if (!std::equal(wanted.begin(), wanted.end(), taken.begin()))
        return not_held(planes, field, row, wanted, taken);
    }
  }
  return {};
}

bool blocks_come_back(const BlockPlanes& planes, Bytes blocks) {
  if (planes.type != GgmlType::kTq1_0) return true;
  const uint64_t k = planes.group_size, size = block_row_bytes(planes.type, k);
  std::vector<std::byte> codes(k * planes.code_bits / 8), again(size);
  for (uint64_t at = 0; at < blocks.size(); at += size) {
    const Bytes block = blocks.subspan(at, size);
    extract_field(planes, BlockField::kCodes, 1, k, block, codes);
    const FieldPointers fields = {bytes(Bytes(codes)), bytes(block.last(2)), nullptr, nullptr,
                                  nullptr};
    codec_of(planes.type)->join(fields, 1, bytes(MutableBytes(again)));
    if (!std::equal(block.begin(), block.end(), again.begin())) return false;
  }
  return true;
}

void decode_blocks(GgmlType type, Bytes blocks, std::span<float> out) {
  const uint64_t count = blocks.size() / ggml_type_info(type).block_bytes;
  switch (type) {
    case GgmlType::kF32:
      std::memcpy(out.data(), blocks.data(), blocks.size());
      return;
    case GgmlType::kF16:
      for (uint64_t i = 0; i < count; ++i) out[i] = load_half(bytes(blocks) + 2 * i);
      return;
    case GgmlType::kBf16:
      for (uint64_t i = 0; i < count; ++i)
        out[i] = bf16_to_float(load_le<uint16_t>(blocks.data() + 2 * i));
      return;
    default:
      break;
  }
  BlockDecoder decode = nullptr;
  if (const BlockCodec* codec = codec_of(type))
    decode = codec->decode;
  else if (decode = lattice_decoder(type); decode == nullptr)
    decode = small_code_decoder(type);
  decode(bytes(blocks), count, out.data());
}

}  // namespace imp::quant

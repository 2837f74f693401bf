#include "src/model/schemes.h"

#include <algorithm>
#include <array>
#include <string>

namespace imp::model {

namespace {

constexpr auto kFirstBlocks = static_cast<uint32_t>(Scheme::kBlocks);
constexpr size_t kTypeIds = 64;

/// "q4_k_blocks" by id of the type; empty for ids that are no block type.
const std::array<std::string, kTypeIds>& blocks_names() {
  static const auto kNames = [] {
    std::array<std::string, kTypeIds> names;
    for (const GgmlTypeInfo& info : ggml_types()) {
      if (info.block_elems == 1) continue;
      std::string& name = names[static_cast<uint32_t>(info.type)];
      name = std::string(info.name) + "_blocks";
      std::transform(name.begin(), name.end(), name.begin(),
                     [](char c) { return 'A' <= c && c <= 'Z' ? static_cast<char>(c + 32) : c; });
    }
    return names;
  }();
  return kNames;
}

}  // namespace

std::string_view scheme_name(Scheme scheme) {
  if (const auto type = blocks_type(scheme)) return blocks_names()[static_cast<uint32_t>(*type)];
  switch (scheme) {
    case Scheme::kF32:
      return "f32";
    case Scheme::kF16:
      return "f16";
    case Scheme::kBf16:
      return "bf16";
    case Scheme::kF64:
      return "f64";
    case Scheme::kRaw:
      return "raw";
    case Scheme::kNvfp4:
      return "nvfp4";
    case Scheme::kNvfp4G32:
      return "nvfp4_g32";
    case Scheme::kMxfp4:
      return "mxfp4";
    case Scheme::kMxfp8:
      return "mxfp8";
    case Scheme::kFp8:
      return "fp8";
    case Scheme::kInt2:
      return "int2";
    case Scheme::kInt3:
      return "int3";
    case Scheme::kInt4:
      return "int4";
    case Scheme::kInt5:
      return "int5";
    case Scheme::kInt6:
      return "int6";
    case Scheme::kInt7:
      return "int7";
    case Scheme::kInt8:
      return "int8";
    case Scheme::kUint4Min:
      return "uint4_min";
    case Scheme::kUint8Min:
      return "uint8_min";
    case Scheme::kLut4:
      return "lut4";
    case Scheme::kInt4K:
      return "int4_k";
    case Scheme::kInt8K:
      return "int8_k";
    case Scheme::kUint4MinK:
      return "uint4_min_k";
    case Scheme::kUint8MinK:
      return "uint8_min_k";
    case Scheme::kLut4K:
      return "lut4_k";
    case Scheme::kBlocks:
      break;
  }
  return "?";
}

Scheme scheme_of_plain(Dtype dtype) {
  switch (dtype) {
    case Dtype::kF32:
      return Scheme::kF32;
    case Dtype::kF16:
      return Scheme::kF16;
    case Dtype::kBF16:
      return Scheme::kBf16;
    case Dtype::kF64:
      return Scheme::kF64;
    default:
      return Scheme::kRaw;
  }
}

bool is_quantized(Scheme scheme) {
  return code_bits(scheme) != 0 || blocks_type(scheme).has_value();
}

uint32_t group_size_of(Scheme scheme) {
  switch (scheme) {
    case Scheme::kNvfp4:
      return 16;
    case Scheme::kNvfp4G32:
    case Scheme::kMxfp4:
    case Scheme::kMxfp8:
      return 32;
    default:
      return 0;
  }
}

bool is_integer(Scheme scheme) { return Scheme::kInt2 <= scheme && scheme <= Scheme::kInt8; }

uint32_t code_bits(Scheme scheme) {
  if (is_integer(scheme))
    return static_cast<uint32_t>(scheme) - static_cast<uint32_t>(Scheme::kInt2) + 2;
  switch (scheme) {
    case Scheme::kNvfp4:
    case Scheme::kNvfp4G32:
    case Scheme::kMxfp4:
    case Scheme::kUint4Min:
    case Scheme::kLut4:
    case Scheme::kInt4K:
    case Scheme::kUint4MinK:
    case Scheme::kLut4K:
      return 4;
    case Scheme::kMxfp8:
    case Scheme::kFp8:
    case Scheme::kUint8Min:
    case Scheme::kInt8K:
    case Scheme::kUint8MinK:
      return 8;
    default:
      return 0;
  }
}

Scheme integer_scheme(uint32_t bits) {
  return static_cast<Scheme>(static_cast<uint32_t>(Scheme::kInt2) + bits - 2);
}

bool has_two_levels(Scheme scheme) {
  return scheme == Scheme::kNvfp4 || scheme == Scheme::kNvfp4G32;
}

Scheme blocks_scheme(GgmlType type) {
  return static_cast<Scheme>(kFirstBlocks + static_cast<uint32_t>(type));
}

std::optional<GgmlType> blocks_type(Scheme scheme) {
  const auto number = static_cast<uint32_t>(scheme);
  if (number < kFirstBlocks) return std::nullopt;
  const GgmlTypeInfo* info = find_ggml_type(number - kFirstBlocks);
  if (info == nullptr || info->block_elems == 1) return std::nullopt;
  return info->type;
}

Scheme planes_scheme(GgmlType type) {
  switch (type) {
    case GgmlType::kQ4_0:
    case GgmlType::kTq1_0:
    case GgmlType::kTq2_0:
      return Scheme::kInt4;
    case GgmlType::kQ5_0:
    case GgmlType::kQ8_0:
      return Scheme::kInt8;
    case GgmlType::kQ4_1:
      return Scheme::kUint4Min;
    case GgmlType::kQ5_1:
      return Scheme::kUint8Min;
    case GgmlType::kIq4Nl:
      return Scheme::kLut4;
    case GgmlType::kQ3_K:
      return Scheme::kInt4K;
    case GgmlType::kQ6_K:
      return Scheme::kInt8K;
    case GgmlType::kQ2_K:
    case GgmlType::kQ4_K:
      return Scheme::kUint4MinK;
    case GgmlType::kQ5_K:
      return Scheme::kUint8MinK;
    case GgmlType::kIq4Xs:
      return Scheme::kLut4K;
    case GgmlType::kMxfp4:
      return Scheme::kMxfp4;
    case GgmlType::kNvfp4:
      return Scheme::kNvfp4;
    default:
      return blocks_scheme(type);
  }
}

bool is_ggml_planes(Scheme scheme) {
  return Scheme::kUint4Min <= scheme && scheme <= Scheme::kLut4K && code_bits(scheme) != 0;
}

uint64_t code_columns(Scheme scheme, uint64_t k) {
  const auto type = blocks_type(scheme);
  if (!type) return k;
  const GgmlTypeInfo& info = ggml_type_info(*type);
  return k / info.block_elems * info.block_bytes;
}

bool has_lut(Scheme scheme) { return scheme == Scheme::kLut4 || scheme == Scheme::kLut4K; }

bool has_group_min(Scheme scheme) {
  return scheme == Scheme::kUint4Min || scheme == Scheme::kUint8Min ||
         scheme == Scheme::kUint4MinK || scheme == Scheme::kUint8MinK;
}

bool has_super_scale(Scheme scheme) { return Scheme::kInt4K <= scheme && scheme <= Scheme::kLut4K; }

}  // namespace imp::model
